"""Names and places of what is written: refused in a line, before there is anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import bitspike
from bitspike.errors import UserError
from bitspike.places import checked_file, checked_name, checked_place

WAYS = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/x",
    "n" * 300,
    "ü" * 200,
    "a\nb",
    "a\x1b[31mb",
    "a\x00b",
    "a\u202eb",
    "a\u2028b",
]


@pytest.mark.parametrize("name", WAYS)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UserError, match="--name: got") as refused:
        checked_name(name)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("name", ["a", "a b", "..x", "x.y", "-x", "ü" * 127, "n" * 255, "結果"])
def test_what_is_a_name(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("place", ["", "n" * 300, "a/" * 2500, "a\nb", "\x1b[0m", "file", "file/x", "file/x/y", "gone"])
def test_what_is_no_place(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("gone").symlink_to("nowhere")
    with pytest.raises(UserError, match="--runs-dir: got"):
        checked_place("--runs-dir", place)
    assert sorted(os.listdir()) == ["file", "gone"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # to root, everything is allowed
    with pytest.raises(UserError, match="may not be written to"):
        checked_place("--runs-dir", tmp_path / "runs")


def test_what_is_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".", "..", "a/b/c", "../x", str(tmp_path)):
        assert checked_place("--runs-dir", place) == Path(place)
    assert os.listdir() == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert checked_file("--output", tmp_path / "a" / "b.bitspike") == tmp_path / "a" / "b.bitspike"
    for output in (tmp_path, "", tmp_path / ("n" * 300), tmp_path / "a\tb"):
        with pytest.raises(UserError, match="--output: got"):
            checked_file("--output", output)


CALLS: list[Callable[..., object]] = [
    lambda **where: bitspike.train("digits-convnet", **where),
    lambda **where: bitspike.allocate("adaptive-resnet8-thin-fashion", max_size=2e4, **where),
    lambda **where: bitspike.convert("spikezip-convnet-digits", **where),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", [{"name": "../x"}, {"name": ""}, {"name": "n" * 300}, {"runs_dir": "n" * 300}])
def test_every_function_of_the_door_refuses_them(
    call: Callable[..., object], where: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match=f"--{next(iter(where)).replace('_', '-')}: got"):
        call(**where)
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]
