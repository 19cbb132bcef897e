"""Where CIFAR-10 and CIFAR-100 may lie: the official files, their archives, or the lossless archive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bitspike.datasets.files import is_file, read_bytes, read_members
from bitspike.datasets.pickled import parse_batch
from bitspike.datasets.records import parse_records
from bitspike.datasets.sheets import read_sheets
from bitspike.datasets.sources import Arrays, Found, Split, Stored

__all__ = ["CifarSource", "Version"]

_SHAPE = (3, 32, 32)
_SLACK = 64  # bytes an image beside its pixels: labels, and in the python version its file name
_HEADER = 4096  # bytes a file beside its images
_ARCHIVE = 1 << 28  # bytes; the official archives unpack to 178 to 187 million


@dataclass(frozen=True)
class Version:
    """One official way to distribute the dataset: the folder in the archive, and the files of each split."""

    folder: str
    archive: str
    files: Mapping[Split, tuple[str, ...]]


@dataclass(frozen=True)
class CifarSource:
    """CIFAR in any of its forms, looked for in ``<name>/`` and directly in the data directory.

    Args:
        name: the folder of the data directory.
        binary, python: the official versions.
        sheets: the lossless archive of each split.
        images: images in each split, equally many in each of its files.
        label_files: label bytes of a binary record, by their file in the lossless archive; the last counts.
        labels_key: where a batch of the python version keeps its labels.
    """

    name: str
    binary: Version
    python: Version
    sheets: Mapping[Split, str]
    images: Mapping[Split, int]
    label_files: tuple[str, ...]
    labels_key: str
    on_disk: bool = True
    kept_by: None = None

    def find(self, split: Split, data_dir: Path) -> Found:
        homes = (data_dir / self.name, data_dir)
        missing = ""
        for version in (self.binary, self.python):
            files = version.files[split]
            for folder in (homes[0] / version.folder, homes[0], homes[1] / version.folder):
                lacking = [file for file in files if not is_file(folder / file)]
                if not lacking:
                    paths = tuple(folder / file for file in files)
                    return Found(str(folder), partial(self._read_files, folder, split, files), paths)
                if len(lacking) < len(files):
                    missing = missing or f"no {lacking[0]} in {folder}"
        for home in homes:
            if is_file(path := home / self.sheets[split]):
                return Found(str(path), partial(self._read_sheets, path, split), (path,))
            for version in (self.binary, self.python):
                if is_file(path := home / version.archive):
                    return Found(str(path), partial(self._read_archive, path, split, version), (path,))
        kinds = [kind for v in (self.binary, self.python) for kind in (f"{v.folder}/", v.archive)]
        raise FileNotFoundError(missing or f"no {', '.join(kinds)} or {self.sheets[split]}")

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        for file in files:
            yield self._parse_file(file, self.images[split] // len(self.binary.files[split]))

    def _parse_file(self, file: Stored, count: int) -> Arrays:
        if file.name in self.python.files["train"] + self.python.files["test"]:
            return parse_batch(file.content, count, self.labels_key, file.path)
        return parse_records(file.content, count, len(self.label_files), _SHAPE, file.path)

    def _limit(self, split: Split) -> int:
        """The most bytes that one file of a split may have, in either official version."""
        return self.images[split] // len(self.binary.files[split]) * (math.prod(_SHAPE) + _SLACK) + _HEADER

    def _read_files(self, folder: Path, split: Split, files: Sequence[str]) -> Iterator[Stored]:
        for file in files:
            yield Stored(str(folder / file), file, read_bytes(folder / file, self._limit(split)))

    def _read_archive(self, path: Path, split: Split, version: Version) -> Iterator[Stored]:
        files = version.files[split]
        members = [f"{version.folder}/{file}" for file in files]
        for file, content in zip(files, read_members(path, members, self._limit(split), _ARCHIVE), strict=True):
            yield Stored(f"{path}:{file}", file, content)

    def _read_sheets(self, path: Path, split: Split) -> Iterator[Stored]:
        files = self.binary.files[split]
        records = read_sheets(path, self.images[split], self.label_files)
        for file, part in zip(files, np.split(records, len(files)), strict=True):
            yield Stored(f"{path}:{file}", file, part.reshape(-1).data)
