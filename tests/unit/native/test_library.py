"""The C library as it is found: one of other sources is none, and a build that fails says so in a line."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from bitspike import UserError, native

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_a_library_without_what_is_called_is_none_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "old.c").write_text("int bs_detect(void) { return 2; }")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "old.so", tmp_path / "old.c"], check=True)
    monkeypatch.setattr(native, "FILE", tmp_path / "old.so")
    with pytest.warns(UserWarning, match="without bs_kernel_at: install again"):
        assert native.library.__wrapped__() is None


@pytest.fixture
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_build_that_fails_says_so_in_one_short_line(
    compiler: str,
    hatch_build: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CC", compiler)
    assert hatch_build.build(tmp_path) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not built" in line
    assert len(line) < 160
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(native.detected() in (native.Level.amx, native.Level.neon), reason="has tiles, or is no x86-64")
def test_tiles_that_the_processor_does_not_have_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "amx")
    with pytest.raises(UserError, match=r"BITSPIKE_CPU: got 'amx'; want one of scalar.*, which this processor has"):
        native.level()


@pytest.mark.skipif(native.detected() < native.Level.avx2 or not shutil.which("cc"), reason="no C compiler for x86-64")
def test_a_compiler_that_knows_no_tiles_builds_the_rest(hatch_build: ModuleType, tmp_path: Path) -> None:
    assert hatch_build._takes(["cc"], ["-mavx2"])
    assert not hatch_build._takes(["cc"], ["-mno-such-instructions"])
    assert not hatch_build._takes(["no-such-compiler"], [])
    for source in sorted(hatch_build.SOURCES.glob("*_amx.c")):
        flags = ["-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *hatch_build.X86_64["avx512"]]
        subprocess.run(["cc", *flags, "-c", source, "-o", tmp_path / "made.o"], check=True)
