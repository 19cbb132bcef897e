"""Whether the files of a dataset are there, whole, and the official ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bitspike.datasets.checksums import md5
from bitspike.datasets.dataset import Dataset, find_split, parse_split
from bitspike.datasets.files import data_directory
from bitspike.datasets.picture_sets import PictureSource
from bitspike.datasets.registry import find_dataset
from bitspike.datasets.sources import BOTH, Split, Stored
from bitspike.errors import UserError

__all__ = ["FileCheck", "check"]


@dataclass(frozen=True)
class FileCheck:
    """What became of one official file, or of a split: of one without official files, or that cannot be used.

    Args:
        path: where the file is; a member of an archive is ``archive:member``.
        bytes: its length, uncompressed.
        checksum: ``unknown`` where no official sum is known, or nothing was read.
        problem: why it cannot be used; empty if it can.
    """

    dataset: str
    split: Split
    path: str
    present: bool
    bytes: int
    checksum: Literal["ok", "wrong", "unknown"]
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.present and not self.problem

    @property
    def refusal(self) -> UserError:
        """The line that says what is wrong with it."""
        return UserError(f"{self.dataset} {self.split} split", self.path, self.problem)


def check(name: str, data_dir: Path | None = None) -> list[FileCheck]:
    """Reads a dataset file by file: one entry a file, and one more for a split that cannot be used.

    Raises:
        UserError: unknown name, or no such data directory; what is wrong with a file is in its `FileCheck`.
    """
    dataset = find_dataset(name)
    if dataset.made_from:
        return [replace(result, dataset=name) for result in check(dataset.made_from, data_dir)]
    return [result for split in dataset.images or BOTH for result in _check_split(dataset, split, data_dir)]


def _check_split(dataset: Dataset, split: Split, data_dir: Path | None) -> list[FileCheck]:
    try:
        found = find_split(dataset, split, data_dir)
    except FileNotFoundError as missing:
        directory = str(data_directory(data_dir))
        return [FileCheck(dataset.name, split, directory, False, 0, "unknown", str(missing))]
    except UserError as wrong:
        directory = str(data_directory(data_dir))
        return [FileCheck(dataset.name, split, directory, True, 0, "unknown", str(wrong))]
    if isinstance(dataset.source, PictureSource):
        return _check_pictures(dataset, dataset.source, split, data_dir, found.place)
    results: list[FileCheck] = []

    def read() -> Iterator[Stored]:
        for file in found.read():
            seen = _check_file(dataset, split, file)
            if not dataset.sums:  # recordings by the thousand have one line together
                before = results.pop().bytes if results else 0
                seen = replace(seen, path=found.place, bytes=before + seen.bytes)
            results.append(seen)
            yield file

    try:
        for _ in parse_split(dataset, split, found, read()):
            pass
    except UserError as wrong:
        results.append(FileCheck(dataset.name, split, found.place, True, 0, "unknown", str(wrong)))
    return results


def _check_pictures(
    dataset: Dataset, source: PictureSource, split: Split, data_dir: Path | None, place: str
) -> list[FileCheck]:
    """Reads them one by one: an entry for each that cannot be used, and one for the folder."""
    try:
        pictures = source.pictures(split, data_directory(data_dir))
    except (UserError, FileNotFoundError) as wrong:
        return [FileCheck(dataset.name, split, place, True, 0, "unknown", str(wrong))]
    results, size = [], 0
    for file in pictures.files:
        try:
            pictures.one(file)
            size += file.stat().st_size
        except (UserError, OSError) as wrong:
            results.append(FileCheck(dataset.name, split, str(file), True, 0, "unknown", str(wrong)))
    want = dataset.images[split]
    problem = "" if len(pictures) == want else f"{len(pictures):,} pictures, want {want:,}"
    return [*results, FileCheck(dataset.name, split, place, True, size, "unknown", problem)]


def _check_file(dataset: Dataset, split: Split, file: Stored) -> FileCheck:
    known = dataset.sums.get(file.name)
    seen = md5(file.content) if known else None
    problem = "" if seen == known else f"MD5 is {seen}, want {known}: damaged, or not the official file"
    checksum: Literal["ok", "wrong", "unknown"] = "unknown" if not known else "wrong" if problem else "ok"
    return FileCheck(dataset.name, split, file.path, True, file.size, checksum, problem)
