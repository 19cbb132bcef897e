"""The exported C inside other programs: C++ callers, several networks in a program, a unit, a folder; warnings."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_graphs import family, images, random_graph
from test_converted_equals_everywhere import IMAGES, converted
from torch import nn

from bitspike.backends import c, oracle
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Graph, load, save
from bitspike.ir.netfile import to_bytes
from bitspike.layers import Encoder, OverTime, SqueezeTime, mean_over_time
from bitspike.lowering import freeze
from bitspike.neurons import IFNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror")
C99 = ("gcc", "-std=c99", *WARNINGS, "-Wmissing-prototypes")
CPP = ("g++", "-std=c++11", *WARNINGS)

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="no gcc and g++")


def exported(net: FrozenGraph, name: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file_name, text in c.to_c(net, name).files.items():
        (folder / file_name).write_text(text, encoding="utf-8")


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def caller(*names: str, include: str = "h") -> str:
    """A program, in C and C++ alike, that prints the logits of each network for the image in its file."""
    lines = ["#include <stdio.h>", *(f'#include "{name}/{name}.{include}"' for name in names), "int main(void) {"]
    for name in names:
        upper = name.upper()
        lines += [
            "  {",
            f"    static uint8_t image[{upper}_IMAGE_BYTES];",
            f"    static {name}_logit logits[{upper}_CLASSES];",
            f'    FILE *file = fopen("{name}/image", "rb");',
            "    if (!file || fread(image, 1, sizeof image, file) != sizeof image) return 1;",
            "    fclose(file);",
            f"    {name}_run(image, logits);",
            f'    for (int k = 0; k < {upper}_CLASSES; k++) printf("%lld ", (long long)logits[k]);',
            "  }",
        ]
    return "\n".join([*lines, '  printf("\\n");', "  return 0;", "}", ""])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, str]:
    """A folder with the networks ``one`` and ``two``, and what they say of their images."""
    said = []
    for name, net in {"one": family("convnet", "2/2/2"), "two": random_graph(3)}.items():
        exported(net, name, tmp_path / name)
        shown = images(net)[:1]
        (tmp_path / name / "image").write_bytes(shown.tobytes())
        said += oracle.logits(net, shown)[0].tolist()
    return tmp_path, " ".join(map(str, said))


@pytest.mark.parametrize("network", ["c", "c++"])
@pytest.mark.parametrize("program", ["c", "c++"])
def test_two_networks_and_their_caller_in_either_language(two: tuple[Path, str], network: str, program: str) -> None:
    folder, said = two
    compilers = {"c": C99, "c++": CPP}
    objects = []
    for name in ("one", "two"):
        source = ("-x", network, "-c", f"{name}/{name}.c", "-o", f"{name}.o")
        run(*compilers[network], *source, cwd=folder)
        objects.append(f"{name}.o")
    (folder / "app.c").write_text(caller("one", "two"))
    run(*compilers[program], "-x", program, "-c", "app.c", "-o", "app.o", cwd=folder)
    run("g++", "app.o", *objects, "-o", "app", cwd=folder)
    assert run("./app", cwd=folder).split() == said.split()


UNITS = {"c": C99, "c++": (*CPP, "-x", "c++"), "c, SIMD": (*C99, "-mavx2"), "c++, SIMD": (*CPP, "-mavx2", "-x", "c++")}


@pytest.mark.parametrize("compiler", UNITS.values(), ids=UNITS)
def test_two_networks_in_one_unit(two: tuple[Path, str], compiler: tuple[str, ...]) -> None:
    folder, said = two
    (folder / "unity.c").write_text(caller("one", "two", include="c"))
    run(*compiler, "unity.c", "-o", "unity", cwd=folder)
    assert run("./unity", cwd=folder).split() == said.split()


def test_a_unit_keeps_what_others_define_in_it(two: tuple[Path, str]) -> None:
    """Names that such programs like to have themselves, before and after the network's text."""
    folder, said = two
    mine = "#define TRACE(x) 1\n#define SEE 2\nstatic int row, c, code2, arena_i8, sum;\n"
    text = caller("one", "two", include="c")
    after = "  if (TRACE(0) + SEE + row + c + code2 + arena_i8 + sum != 3) return 2;\n  return 0;"
    (folder / "unity.c").write_text(mine + text.replace("  return 0;", after))
    run("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "unity.c", "-o", "unity", cwd=folder)
    assert run("./unity", cwd=folder).split() == said.split()


def test_networks_whose_names_and_ops_begin_alike(tmp_path: Path) -> None:
    """An op ``a.b`` of the network ``net`` and an op ``b`` of the network ``net_a``."""
    plain = random_graph(5)
    renamed = {node.name: f"a.{node.name}" for node in plain.graph.nodes}
    nodes = [replace(n, name=renamed[n.name], inputs=tuple(renamed[i] for i in n.inputs)) for n in plain.graph.nodes]
    tensors = {f"a.{name}": values for name, values in plain.tensors.items()}
    for name, net in {"net": FrozenGraph(Graph("net", tuple(nodes)), tensors), "net_a": plain, "net_2": plain}.items():
        exported(net, name, tmp_path / name)
        (tmp_path / name / "image").write_bytes(images(plain)[:1].tobytes())
    (tmp_path / "unity.c").write_text(caller("net", "net_a", "net_2", include="c"))
    run(*C99, "unity.c", "-o", "unity", cwd=tmp_path)
    logits = oracle.logits(plain, images(plain)[:1])[0].tolist()
    assert run("./unity", cwd=tmp_path).split() == [*map(str, logits)] * 3


@pytest.mark.parametrize("first", range(0, 40, 10))
@pytest.mark.parametrize("trace", [(), ("-DNET_TRACE",)], ids=["plain", "trace"])
def test_no_network_makes_a_warning(first: int, trace: tuple[str, ...], tmp_path: Path) -> None:
    for seed in range(first, first + 10):
        exported(random_graph(seed), "net", tmp_path)
        run(*C99, *trace, "-fsyntax-only", tmp_path / "net.c", tmp_path / "main.c")
        run(*CPP, *trace, "-fsyntax-only", "-x", "c++", tmp_path / "net.c")


@pytest.mark.parametrize("args", [("convnet", 4, False, 8), ("resnet8-thin", 8, True, 4)])
def test_no_converted_network_makes_a_warning(args: tuple[str, int, bool, int], tmp_path: Path) -> None:
    exported(converted(*args).net, "net", tmp_path)
    run(*C99, "-O2", "-c", tmp_path / "net.c", "-o", tmp_path / "net.o")
    run(*CPP, "-fsyntax-only", "-x", "c++", tmp_path / "net.c")


def test_everything_declared_outside_of_a_function_begins_with_the_name() -> None:
    for seed in range(20):
        files = c.to_c(random_graph(seed), "brain").files
        text = files["brain.c"]
        declared = re.findall(r"^(?:static )?(?:const |inline )*\w+ \**(?:const )?(\w+)[\[(= ]", text, re.MULTILINE)
        assert len(declared) > 5
        assert [name for name in declared if not name.startswith("brain_")] == []
        defined = re.findall(r"^#define (\w+)", text + files["brain_simd.h"].split("_SIMD_H\n", 2)[2], re.MULTILINE)
        assert set(defined) == set(re.findall(r"^#undef (\w+)", text, re.MULTILINE))
        assert all(name.startswith("BITSPIKE_") for name in defined)


def test_a_folder_takes_several_networks(tmp_path: Path) -> None:
    """By the command of docs/shipping.md: the program is that of the network exported last."""
    nets = {"one": random_graph(1), "two": random_graph(2)}
    for name, net in nets.items():
        exported(net, name, tmp_path)
    run("gcc", "-std=c99", "-O2", *tmp_path.glob("*.c"), "-o", tmp_path / "classify")
    shown = images(nets["two"])
    (tmp_path / "images").write_bytes(shown.tobytes())
    said = run(tmp_path / "classify", tmp_path / "images").splitlines()
    assert said == [" ".join(map(str, row)) for row in oracle.logits(nets["two"], shown).tolist()]
    assert 'Runs "two" on images' in (tmp_path / "main.c").read_text()


RESERVED = ["class", "new", "bool", "uint8_t", "printf", "row", "linux", "NULL", "BITS", "NET", "n", "v", "c", "this"]


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_a_language_keeps_to_itself_does_no_harm(name: str, tmp_path: Path) -> None:
    exported(random_graph(0), name, tmp_path)
    source = tmp_path / f"{name}.c"
    run("gcc", "-std=gnu99", *WARNINGS, f"-I{tmp_path}", source, tmp_path / "main.c", "-o", tmp_path / "program")
    run(*CPP, f"-I{tmp_path}", "-x", "c++", "-c", source, "-o", tmp_path / "network.o")


@pytest.mark.parametrize("name", ["int", "malloc", "math", "stdint", "String", "limits", "errno", "main"])
def test_a_name_whose_header_would_hide_another_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="no keyword or header"):
        c.to_c(random_graph(0), name)


# What a logit is worth


def regression(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(Encoder(), OverTime(nn.Conv2d(1, 8, 3, padding=1)), *layers)
    return quantize_weights(model, 4).eval()


MODELS = {
    "several steps": lambda: regression(
        MultiBitLIFNode(T=3, spike_bits=2, v_threshold=0.5), OverTime(nn.Flatten(), nn.Linear(512, 2))
    ),
    "binary": lambda: regression(IFNode(T=5), OverTime(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 3))),
    "no steps left": lambda: regression(IFNode(T=4), SqueezeTime(), OverTime(nn.Flatten(), nn.Linear(512, 2))),
}


@pytest.mark.parametrize("made", MODELS)
def test_logits_times_their_scale_are_what_the_model_says(made: str) -> None:
    model = MODELS[made]()
    shown = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    net = freeze(model, (1, 8, 8))
    with torch.no_grad():
        said = model(shown)
    wanted = (mean_over_time(said) if said.ndim == 3 else said).numpy()
    assert net.logit_scale is not None
    assert np.allclose(oracle.logits(net, shown.numpy()) * net.logit_scale, wanted, atol=1e-5)
    assert np.abs(wanted).max() > 0.01


@pytest.mark.parametrize("args", [("convnet", 4, False, 8), ("resnet8-thin", 3, False, 1)])
@pytest.mark.parametrize("T", [None, 64])
def test_of_a_converted_network_they_are_what_it_was_converted_from(
    args: tuple[str, int, bool, int], T: int | None
) -> None:
    made = converted(*args, T=T)
    with torch.no_grad():
        wanted = mean_over_time(made.qann(torch.from_numpy(IMAGES))).numpy()
    assert made.net.logit_scale is not None
    assert np.allclose(oracle.logits(made.net, IMAGES) * made.net.logit_scale, wanted, atol=1e-4)


def test_the_scale_is_in_the_header_to_the_last_digit(tmp_path: Path) -> None:
    net = freeze(MODELS["several steps"](), (1, 8, 8))
    exported(net, "net", tmp_path)
    program = '#include <stdio.h>\n#include "net.h"\nint main(void) { printf("%a", NET_LOGIT_SCALE); return 0; }\n'
    (tmp_path / "scale.c").write_text(program)
    run(*C99, tmp_path / "scale.c", "-o", tmp_path / "scale")
    assert float.fromhex(run(tmp_path / "scale")) == net.logit_scale


def test_the_file_keeps_the_scale_and_one_without_has_none(tmp_path: Path) -> None:
    net = freeze(MODELS["several steps"](), (1, 8, 8))
    save(net, tmp_path / "net.bitspike")
    assert load(tmp_path / "net.bitspike").logit_scale == net.logit_scale
    nodes = (*net.graph.nodes[:-1], replace(net.graph.nodes[-1], scale=None))
    without = FrozenGraph(Graph(net.graph.name, nodes), net.tensors)
    assert without.logit_scale is None
    assert b"scale" not in to_bytes(without).split(b"readout")[-1]
    assert "LOGIT_SCALE" not in c.to_c(without, "net").files["net.h"]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    node = random_graph(0).graph.nodes[-1]
    with pytest.raises(UserError, match="readout logits: got"):
        replace(node, scale=scale)
