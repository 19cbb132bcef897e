"""The C library as it is found: one of other sources is none, and a build that fails says so in a line."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from bitspike import native

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


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_build_that_fails_says_so_in_one_short_line(
    compiler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("CC", compiler)
    assert module.build(tmp_path) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not built" in line
    assert len(line) < 160
    assert not list(tmp_path.iterdir())
