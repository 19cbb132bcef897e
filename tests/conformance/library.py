"""Compilers of tests: those that sanitize, and the C library as hatch_build.py builds it by one of them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

__all__ = ["EMULATOR", "ROOT", "built", "sanitizes"]

ROOT = Path(__file__).parents[2]
EMULATOR = next(filter(shutil.which, ("qemu-aarch64", "qemu-aarch64-static")), "qemu-aarch64")
"""Of 64-bit ARM: Debian has it in qemu-user, and in qemu-user-static by another name."""


def built(folder: Path, compiler: str, machine: str | None = None, flags: tuple[str, ...] = ()) -> Path:
    """The library in ``folder``, all warnings errors; the test is skipped where there is no such compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hatch_build = module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", compiler)
        made = hatch_build.build(folder, "-Wall", "-Wextra", "-Werror", *flags, machine=machine)
    assert made is not None
    return Path(made)


@cache
def sanitizes(compiler: str) -> bool:
    """Whether what the sanitizers run on is there too: clang is installed without it in some systems."""
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler, "-fsanitize=address,undefined", "-x", "c", "-", "-o", str(Path(folder, "a"))]
        done = subprocess.run(
            command, input="int main(void) { return 0; }", capture_output=True, text=True, check=False
        )
    return done.returncode == 0
