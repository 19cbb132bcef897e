"""The exported C program on emulated ARM is the oracle too: as a Linux program, and on a Cortex-M without a system.

A Cortex-M4 has DSP instructions and a Cortex-M55 Helium, which the SIMD header uses. The image has its own start and
memory (cortex_m/) and reads its images and writes its trace through semihosting: calls that the emulator answers with
files of this machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from packaged import packaged
from random_graphs import FAMILIES, differences, family, features, images, random_graph

from bitspike.backends import c, oracle
from bitspike.backends.c import build
from bitspike.bits import signed_range
from bitspike.ir import Dynamics, Edge, Fire, FrozenGraph, Graph, Input, Linear, Readout, Reshape

pytestmark = pytest.mark.arm

LINUX, QEMU_LINUX = "arm-linux-gnueabihf-gcc", "qemu-arm"
BARE, SIZE, QEMU_BARE = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
START = Path(__file__).parent / "cortex_m"
CHIPS = {  # the compiler's flags, and the emulated board
    "cortex-m4": (("-mcpu=cortex-m4", "-mthumb"), "mps2-an386"),
    "cortex-m4 portable": (("-mcpu=cortex-m4", "-mthumb", "-DNETWORK_PORTABLE"), "mps2-an386"),
    "cortex-m55": (("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"), "mps3-an547"),
}
LINK = ("--specs=rdimon.specs", "-nostartfiles", "-Wl,--fatal-warnings", "-T", str(START / "memory.ld"))
BITS = {"convnet": "2/2/2", "vgg9": "1/1/4", "resnet8-thin": "4/3/3", "sew-resnet18": "2/4/2"}
Result = tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]


@cache
def frozen(name: str) -> FrozenGraph:
    return family(name, BITS[name], seed=1)


def needs(*commands: str) -> None:
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        pytest.skip(f"no {missing[0]}")


# Linux


def found_on_linux(net: FrozenGraph, level: str, seed: int = 0) -> dict[str, int]:
    needs(LINUX, QEMU_LINUX)
    shown = images(net, seed)
    answer = c.traced(net, shown, [LINUX], level, "-static", emulator=[QEMU_LINUX])
    return differences(net, oracle.run(net, shown), *answer)


@pytest.mark.parametrize("level", ["-O2", "-O3"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_equal_on_arm_linux(name: str, level: str) -> None:
    assert not found_on_linux(frozen(name), level)


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_random_networks_are_equal_on_arm_linux(first: int) -> None:
    for seed in range(first, first + 10):
        wrong = found_on_linux(random_graph(seed), "-O1", seed)
        assert not wrong, f"random_graph({seed}): {wrong}"


def test_a_trained_network_is_equal_on_1000_images_on_arm_linux() -> None:
    needs(LINUX, QEMU_LINUX)
    net, shown = packaged()
    answer = c.traced(net, shown, [LINUX], "-O2", "-static", emulator=[QEMU_LINUX])
    assert not differences(net, oracle.run(net, shown), *answer)


# Cortex-M


def built(program: c.Program, folder: Path, chip: str = "cortex-m4") -> Path:
    """The image of flash, as ELF."""
    needs(BARE, SIZE, QEMU_BARE)
    for name, text in program.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    flags, _ = CHIPS[chip]
    start = [BARE, *flags, "-std=gnu99", "-O2", *build.STRICT[1:-1], "-c", str(START / "startup.c"), "-o", "startup.o"]
    subprocess.run(start, cwd=folder, check=True)
    sources = [name for name in program.files if name.endswith(".c")]
    command = [BARE, *flags, *build.STRICT, "-O2", "-DNETWORK_TRACE", *sources, "startup.o", *LINK, "-o", "image.elf"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "image.elf"


def ran(image: Path, timeout: float = 120, chip: str = "cortex-m4") -> str:
    """Standard output of the image, given the files ``images`` and ``trace`` beside it.

    Raises:
        CalledProcessError: it ended with another status than 0, as it does after a fault.
        TimeoutExpired: it did not end.
    """
    arguments = ",".join(f"arg={word}" for word in ("network", "images", "trace"))
    command = [QEMU_BARE, "-M", CHIPS[chip][1], "-cpu", chip.split()[0], "-kernel", str(image)]
    command += ["-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", f"enable=on,target=native,{arguments}"]
    done = subprocess.run(command, cwd=image.parent, capture_output=True, text=True, check=True, timeout=timeout)
    return done.stdout


def on_cortex_m(net: FrozenGraph, shown: NDArray[np.uint8], folder: Path, chip: str = "cortex-m4") -> Result:
    program = build.to_c(net)
    image = built(program, folder, chip)
    (folder / "images").write_bytes(shown.tobytes())
    lines = ran(image, chip=chip).splitlines()
    logits = np.array([line.split() for line in lines], dtype=np.int64)
    return logits, build.split_trace(net, program, (folder / "trace").read_bytes(), len(shown))


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
def test_families_are_equal_on_a_cortex_m(name: str, chip: str, tmp_path: Path) -> None:
    net = frozen(name)
    shown = images(net)
    assert not differences(net, oracle.run(net, shown), *on_cortex_m(net, shown, tmp_path, chip))


def apart_by_width(bits: int, levels: tuple[int, int], chip: str, folder: Path) -> dict[str, int]:
    """Of a sum of 70 levels by weights of so many bits: all that products of bytes and their ends can be."""
    lowest, top = levels[0], signed_range(bits)[1]
    rng = np.random.default_rng([bits, levels[1]])
    weights = rng.integers(-top, top, (11, 70), endpoint=True)
    weights[:2] = [[-top], [top]]
    weights[weights == 0] = 1
    pixels = Edge(shape=(1, 7, 10), T=1, lo=-128 if lowest else 0, hi=127 if lowest else 255, scale=1.0)
    dynamics = Dynamics(fraction_bits=0, leak_multiplier=1, leak_shift=0, v_reset=None)
    nodes = (
        Input(name="image", inputs=(), edge=pixels),
        Reshape(name="flat", inputs=("image",), shape=(70,)),
        Fire(name="levels", inputs=("flat",), T=1, lo=lowest, hi=levels[1], dynamics=dynamics),
        Linear(name="sum", inputs=("levels",), out_channels=11, weight_bits=bits),
        Readout(name="logits", inputs=("sum",)),
    )
    net = FrozenGraph(Graph("sum", nodes), {"sum.weight": weights})
    shown = images(net)
    return differences(net, oracle.run(net, shown), *on_cortex_m(net, shown, folder, chip))


@pytest.mark.parametrize("chip", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("levels", [(0, 31), (0, 255), (-128, 127)])
@pytest.mark.parametrize("bits", range(1, 9))
def test_products_of_every_width_are_equal(bits: int, levels: tuple[int, int], chip: str, tmp_path: Path) -> None:
    assert not apart_by_width(bits, levels, chip, tmp_path)


MUTANTS = [  # chip, bits, levels, what stands in the header, what is wrong
    ("cortex-m4", 4, (0, 255), "(int16x2_t)(four >> 8 & low)", "BITSPIKE_ODD(four)"),
    (
        "cortex-m4",
        8,
        (0, 31),
        "odd, __smlad(BITSPIKE_EVEN(weights), even,",
        "even, __smlad(BITSPIKE_EVEN(weights), odd,",
    ),
    ("cortex-m4", 3, (0, 31), "__sadd8(part,", "__ssub8(part,"),
    ("cortex-m4", 5, (0, 31), "sum3 += (int32_t)row3[i]", "sum3 += (int32_t)row2[i]"),
    ("cortex-m55", 4, (0, 255), "sum + 128 * weights", "sum"),
    ("cortex-m55", 4, (0, 31), "vctp8q((uint32_t)(count - i))", "vctp8q(16)"),
]


@pytest.mark.parametrize(("chip", "bits", "levels", "text", "wrong"), MUTANTS, ids=[row[3] for row in MUTANTS])
def test_an_error_in_the_header_is_found_on_a_cortex_m(
    chip: str,
    bits: int,
    levels: tuple[int, int],
    text: str,
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = build.to_c

    def mutated(net: FrozenGraph) -> c.Program:
        program = right(net)
        header = program.files["network_simd.h"]
        assert text in header
        return replace(program, files={**program.files, "network_simd.h": header.replace(text, wrong)})

    monkeypatch.setattr(build, "to_c", mutated)
    assert apart_by_width(bits, levels, chip, tmp_path)


def test_a_trained_network_is_equal_on_1000_images_on_a_cortex_m4(tmp_path: Path) -> None:
    net, shown = packaged()
    assert not differences(net, oracle.run(net, shown), *on_cortex_m(net, shown, tmp_path))


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("seed", range(10))
def test_random_networks_are_equal_on_a_cortex_m(seed: int, chip: str, tmp_path: Path) -> None:
    net = random_graph(seed)
    shown = images(net, seed)
    assert not differences(net, oracle.run(net, shown), *on_cortex_m(net, shown, tmp_path, chip))


def test_the_random_networks_here_have_wide_integers_too() -> None:
    assert any("int64 edge" in features(random_graph(seed)) for seed in range(10))


@pytest.mark.parametrize("name", ["convnet", "resnet8-thin"])
def test_the_image_fits_the_memory_of_the_chip(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program = c.to_c(frozen(name))
    image = built(program, tmp_path)
    text, data, bss = map(int, subprocess.check_output([SIZE, str(image)], text=True).splitlines()[1].split()[:3])
    script = (START / "memory.ld").read_text()
    flash, ram = (1024 * int(re.search(rf"{part}.*LENGTH = (\d+)K", script)[1]) for part in ("FLASH", "RAM"))
    record_property("flash", text + data)
    record_property("ram", data + bss)
    print(f"{name}: {text + data} of {flash} bytes of flash, {data + bss} of {ram} of RAM, 8 KiB of stack included")
    assert program.flash_bytes < text + data < flash
    assert program.ram_bytes < data + bss < ram


def broken(statement: str, folder: Path) -> Path:
    """An image that does this after its first inference."""
    program = c.to_c(frozen("convnet"))
    call = "network_run(image, logits);"
    main = program.files["main.c"]
    assert call in main
    program.files["main.c"] = main.replace(call, f"{call} {statement}")
    (folder / "images").write_bytes(images(frozen("convnet")).tobytes())
    return built(program, folder)


@pytest.mark.parametrize(
    "statement",
    [
        "*(volatile int *)0xF0000000 = 1;",
        "__builtin_trap();",
        "((void (*)(void))0xF0000001)();",
        "{ volatile char far[9000]; far[0] = 1; (void)far[0]; }",
        "return 1;",
    ],
    ids=["address", "instruction", "jump", "stack", "status"],
)
def test_a_run_that_faults_is_a_failure(statement: str, tmp_path: Path) -> None:
    image = broken(statement, tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        ran(image)


def test_a_run_that_hangs_is_a_failure(tmp_path: Path) -> None:
    image = broken("for (;;) { }", tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        ran(image, timeout=5)


def test_a_wrong_number_is_found_on_a_cortex_m4(tmp_path: Path) -> None:
    net = frozen("convnet")
    name = next(name for name in net.tensors if name.endswith("offset"))
    wrong = net.tensors[name].astype(np.int64)
    wrong[0] += 1 << 18
    shown = images(net)
    seen = on_cortex_m(FrozenGraph(net.graph, {**net.tensors, name: wrong}), shown, tmp_path)
    assert differences(net, oracle.run(net, shown), *seen)
