"""A library that was built of other sources than those that lie beside it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitspike import native


@pytest.mark.skipif(native.library() is None or not native.SOURCES.is_dir(), reason="no library of a checkout")
def test_another_source_is_seen(tmp_path: Path) -> None:
    found = native.library()
    assert native._is_of(found, native.SOURCES)
    assert native._is_of(found, tmp_path / "none")  # of an installed package
    for file in native.SOURCES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert native._is_of(found, tmp_path)
    header = tmp_path / "plan.h"
    header.write_bytes(header.read_bytes() + b"\n")
    assert not native._is_of(found, tmp_path)
