"""The C library, built for a test as hatch_build.py builds it, by a compiler and for a machine of the test's own."""

from __future__ import annotations

import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

__all__ = ["ROOT", "built"]

ROOT = Path(__file__).parents[2]


def built(folder: Path, compiler: str, machine: str | None = None) -> Path:
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
        made = hatch_build.build(folder, "-Wall", "-Wextra", "-Werror", machine=machine)
    assert made is not None
    return Path(made)
