"""What was made is kept, made again where it is damaged or its files changed, and never kept of what is refused."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bitspike.datasets.cache import cache_file, cached, signature
from bitspike.datasets.dataset import read_split
from bitspike.datasets.image_sets import IMAGE_SETS
from bitspike.datasets.sources import Arrays, Found, Stored
from bitspike.errors import UserError
from bitspike.places import cache_folder
from bitspike.sample import Sample

IMAGES = np.random.default_rng(0).integers(0, 5, (7, 2, 30, 40)).astype(np.uint8)  # more than one reading of a file
LABELS = np.arange(7, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Maker:
    """Makes the arrays three samples at a time, and counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Iterator[Arrays]:
        self.times += 1
        for start in (0, 3, 6):
            yield IMAGES[start : start + 3], LABELS[start : start + 3]


def kept(make: Maker, file: Path) -> Arrays:
    images, labels = cached(file, IMAGES.shape, LABELS.shape, make)
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)
    return images, labels


def test_what_was_made_is_read_the_next_time() -> None:
    make, file = Maker(), cache_file("set", {"a": 1})
    for _ in range(3):
        images, _ = kept(make, file)
        assert isinstance(images, np.memmap)
        images += 1  # the file does not see it
    assert make.times == 1
    with np.load(file, allow_pickle=False) as stored:
        assert np.array_equal(stored["images"], IMAGES)
        assert np.array_equal(stored["labels"], LABELS)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("where", [0.05, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("how", ["cut", "flip", "empty", "text", "other shape"])
def test_a_damaged_one_is_made_again(how: str, where: float) -> None:
    make, file = Maker(), cache_file("set", {})
    kept(make, file)
    content = bytearray(file.read_bytes())
    start = content.index(IMAGES.tobytes())
    if how == "cut":
        del content[int(len(content) * where) :]
    elif how == "flip":
        content[start + int(IMAGES.size * where)] ^= 1
    elif how == "other shape":
        np.savez(file, images=IMAGES[:, :1], labels=LABELS)
        content = bytearray(file.read_bytes())
    else:
        content = bytearray(b"" if how == "empty" else b"no archive")
    file.write_bytes(content)
    kept(make, file)
    assert make.times == 2
    kept(make, file)
    assert make.times == 2


def test_a_key_decides_the_file() -> None:
    keys = [{}, {"a": 1}, {"a": 2}, {"b": 1}, {"a": [1, 2]}, {"a": 1, "b": 1}]
    assert len({cache_file("set", key) for key in keys}) == len(keys)
    assert cache_file("set", {"a": 1, "b": 2}) == cache_file("set", {"b": 2, "a": 1})
    assert cache_file("moving:digits/../..", {}).parent == cache_folder() / "data"


def test_a_changed_file_has_another_signature(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    seen = {signature([file])}
    assert signature([file]) in seen
    file.write_bytes(b"four")
    seen.add(signature([file]))
    before = file.stat()
    file.write_bytes(b"five")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a program may that hides a change
    seen.add(signature([file]))
    file.rename(tmp_path / "other")
    seen.add(signature([tmp_path / "other"]))
    assert len(seen) == 4


@pytest.mark.parametrize("home", ["file/below", "nowhere"])
def test_a_place_that_cannot_be_written_to_is_as_none(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull if home == "nowhere" else str(tmp_path / home))
    make, file = Maker(), cache_file("set", {})
    kept(make, file)
    kept(make, file)
    assert make.times == 2


def test_a_full_disk_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    make, file = Maker(), cache_file("set", {})
    monkeypatch.setattr(os, "fsync", full)
    kept(make, file)
    assert list(file.parent.iterdir()) == []


@dataclass(frozen=True)
class Lines:
    """A source of one file, a sample a byte; a byte of 9 is refused."""

    path: Path
    on_disk: bool = False
    settings: int = 0

    @property
    def kept_by(self) -> dict[str, int]:
        return {"settings": self.settings}

    def find(self, split: object, data_dir: Path) -> Found:
        content = self.path.read_bytes()
        return Found("here", lambda: iter((Stored("here", "file", content),)), (self.path,), len(content))

    def parse(self, split: object, files: object) -> Iterator[Arrays]:
        for file in files:  # type: ignore[attr-defined]
            for byte in file.content:
                if byte == 9:
                    raise UserError("file", 9, "want no 9")
                yield np.full((1, 2, 1, 1, 1), byte, np.uint8), np.array([byte % 2], np.uint8)


def test_a_split_is_kept_until_its_file_changes_and_not_if_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    source = Lines(path)
    dataset = replace(IMAGE_SETS[0], name="lines", sample=Sample((1, 1, 1), 2, 0, 9), source=source)
    path.write_bytes(bytes([1, 2, 3]))
    for _ in range(2):
        images, labels = read_split(dataset, "train")
        assert images[:, 0, 0, 0, 0].tolist() == [1, 2, 3]
        assert labels.tolist() == [1, 0, 1]
    folder = cache_folder() / "data"
    assert len(list(folder.iterdir())) == 1
    path.write_bytes(bytes([3, 2, 1, 0]))
    assert read_split(dataset, "train")[0][:, 0, 0, 0, 0].tolist() == [3, 2, 1, 0]
    assert len(list(folder.iterdir())) == 2
    read_split(replace(dataset, source=Lines(path, settings=1)), "train")
    assert len(list(folder.iterdir())) == 3
    path.write_bytes(bytes([3, 2, 9]))
    with pytest.raises(UserError, match="want no 9"):
        read_split(dataset, "train")
    assert len(list(folder.iterdir())) == 3
