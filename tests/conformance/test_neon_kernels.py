"""The library as hatch_build.py builds it for 64-bit ARM, emulated: its kernels give the sums of the plain one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from library import EMULATOR, ROOT, built

CC, SYSTEM = "aarch64-linux-gnu-gcc", "/usr/aarch64-linux-gnu"
KERNELS = {"dot_neon", "dot_dotprod", "bits_neon", "bits_scalar", "events_scalar"}

pytestmark = pytest.mark.arm


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with all warnings as errors."""
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"no {EMULATOR}")
    return built(tmp_path_factory.mktemp("aarch64"), CC, "aarch64")


def ran(library: Path, cpu: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """The harness on an emulated processor."""
    main = library.parent / "kernels"
    source = Path(__file__).parent / "neon" / "kernels.c"
    command = [CC, "-std=gnu11", "-O1", "-Wall", "-Werror", *flags, f"-I{ROOT / 'csrc'}", str(source), str(library)]
    subprocess.run([*command, "-Wl,-rpath,$ORIGIN", "-o", str(main)], check=True)
    emulated = [EMULATOR, "-L", SYSTEM, "-cpu", cpu, str(main)]
    return subprocess.run(emulated, capture_output=True, text=True, timeout=300, check=False)


def taken(said: str) -> dict[str, int]:
    return {name: int(count) for name, count in (line.split() for line in said.splitlines() if ":" not in line)}


def test_every_kernel_gives_the_sums_of_the_plain_one(library: Path) -> None:
    done = ran(library, "max")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = taken(done.stdout)
    assert counts.keys() == KERNELS
    assert min(counts.values()) > 50


def test_a_processor_without_sdot_does_without(library: Path) -> None:
    done = ran(library, "cortex-a53")
    assert done.returncode == 0, done.stdout + done.stderr
    assert taken(done.stdout)["dot_dotprod"] == 0


def test_a_weight_that_is_wrong_is_seen_by_every_kernel(library: Path) -> None:
    done = ran(library, "max", "-DPLANTED")
    assert done.returncode == 1
    assert {line.split()[-1] for line in done.stdout.splitlines() if ":" in line} == KERNELS
