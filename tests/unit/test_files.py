"""Files are written whole or not at all, whatever goes wrong in between."""

import errno
import os

import pytest

from bitspike.errors import UserError
from bitspike.files import read_json, write_atomically, write_json


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*_):
    raise KeyboardInterrupt


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"b": [1, 2.5, None, "é"]})
    assert read_json(tmp_path / "new" / "a.json") == {"b": [1, 2.5, None, "é"]}
    assert os.listdir(tmp_path / "new") == ["a.json"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, step, before):
    file = tmp_path / "a.bin"
    if before:
        file.write_bytes(before)
    monkeypatch.setattr(os, step, full_disk)
    says = "the earlier file is untouched" if before else "nothing was written"
    with pytest.raises(UserError, match=f"write: got '.*a.bin'; No space left on device; {says}"):
        write_atomically(file, b"after")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([before] if before else [])


def test_an_interruption_stays_one_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.bin", b"after")
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="nothing was written"):
        write_atomically(tmp_path / "file" / "a.bin", b"")


def test_not_a_number_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000])
def test_what_is_not_json_is_one_clear_line(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"read: got '.*a\.json'; not JSON"):
        read_json(tmp_path / "a.json")
