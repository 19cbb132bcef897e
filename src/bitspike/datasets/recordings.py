"""Recordings of events in class folders: which there are, of which class, in which split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from bitspike.datasets.events import Events, read_events
from bitspike.datasets.events.event import SensorSize
from bitspike.datasets.sources import Split
from bitspike.datasets.split import hashed, permutation
from bitspike.errors import UserError
from bitspike.files import is_there

__all__ = ["EventSource", "FolderSource", "Recording", "Shares", "folders", "split_folders"]

SPLITS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "Train"),
    "validation": ("val", "validation", "Validation"),
    "test": ("test", "Test"),
}
"""How the folders of splits are called."""


@dataclass(frozen=True)
class Recording:
    """One sample of a set: a file, or the events of a file from ``start_us`` on and before ``stop_us``."""

    path: Path
    label: int
    start_us: int | None = None
    stop_us: int | None = None


class EventSource(Protocol):
    """Finds the recordings of a set and reads them."""

    def recordings(self, split: Split, data_dir: Path) -> list[Recording]:
        """Those of a split, in an order that depends on names only. Nothing of them is read.

        Raises:
            FileNotFoundError: none is there; says what was looked for.
            UserError: a folder or a list of them is not as it has to be.
        """

    def read(self, recording: Recording) -> Events:
        """The events of one.

        Raises:
            UserError: its file is damaged; the line names the file and the byte.
        """


@dataclass(frozen=True)
class Shares:
    """How class folders without a split are split, each class by itself.

    Args:
        train_percent: of each class, rounded up, go to training; the others are the test split.
        seed: draws which; without it they are the first ones by name, as SpikingJelly splits them.
    """

    train_percent: int = 90
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.train_percent <= 99:
            raise UserError("train_percent", self.train_percent, "want 1 to 99")

    def chosen(self, files: list[Path], label: int, split: Split) -> list[Path]:
        """Those of one class that are of ``split``."""
        order = np.arange(len(files))
        if self.seed is not None:
            order = permutation(len(files), np.random.RandomState(hashed(self.seed, label)))
        first = -(-len(files) * self.train_percent // 100)
        return [files[index] for index in sorted(order[:first] if split == "train" else order[first:])]


@dataclass(frozen=True)
class FolderSource:
    """Class folders, in two folders of splits or to be split.

    Args:
        homes: where to look in the data directory, the preferred place first.
        classes: what the folders are called, in the order of their labels.
        suffixes: how the names of recordings end; other files are passed over.
        sensor_size: ``(W, H)`` of every recording.
        shares: how they are split where no folders do it.
        format: of the files; by default each says its own.
        sort: put events in order whose times run backwards.
    """

    homes: tuple[str, ...]
    classes: tuple[str, ...]
    suffixes: tuple[str, ...]
    sensor_size: SensorSize
    shares: Shares | None = None
    format: str | None = None
    sort: bool = False

    def recordings(self, split: Split, data_dir: Path) -> list[Recording]:
        for home in (data_dir / name for name in self.homes):
            found = split_folders(home)
            if found or (self.shares is not None and split != "validation"):
                place = found.get(split, home / SPLITS[split][0]) if found else home
                shares = None if found else self.shares
                if chosen := list(self._chosen(place, split, shares)):
                    return chosen
                if shares is not None and any(self._chosen(place, "train", shares)):
                    taken = f"{shares.train_percent} % of each class, rounded up, are for training"
                    raise FileNotFoundError(f"no recording left for the test split in {home}: {taken}")
        wanted = f"{self.homes[0]}/" + ("" if self.shares else f"{SPLITS[split][-1]}/")
        raise FileNotFoundError(f"no {wanted}{self.classes[0]}/*{self.suffixes[0]}")

    def read(self, recording: Recording) -> Events:
        events = read_events(recording.path, self.format, sensor_size=self.sensor_size, sort=self.sort)
        whole = (recording.start_us, recording.stop_us) == (None, None)
        return events if whole else events.between(recording.start_us, recording.stop_us)

    def _chosen(self, place: Path, split: Split, shares: Shares | None) -> Iterator[Recording]:
        labels = {name: label for label, name in enumerate(self.classes)}
        for folder in folders(place):
            files = _files(folder, self.suffixes)
            if files and folder.name not in labels:
                raise UserError(str(folder), folder.name, "it holds recordings, and no class of the set is called that")
            label = labels.get(folder.name, 0)
            for path in files if shares is None else shares.chosen(files, label, split):
                yield Recording(path, label)


def folders(place: Path) -> list[Path]:
    """The folders in a folder by name, without hidden ones; none where there is no such folder."""
    return [place / entry.name for entry in _inside(place) if entry.is_dir()]


def split_folders(home: Path) -> dict[Split, Path]:
    """The folders of splits that are in ``home``."""
    there = {path.name: path for path in folders(home)}
    return {split: there[name] for split, names in SPLITS.items() for name in names if name in there}


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    chosen = (entry for entry in _inside(folder) if entry.name.lower().endswith(suffixes) and entry.is_file())
    return [folder / entry.name for entry in chosen]


def _inside(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; its entries know their kinds, which asking for 70,000 would take seconds."""
    if not is_there(folder) or not folder.is_dir():
        return []
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith((".", "__"))]
    except OSError as wrong:
        raise UserError(str(folder), wrong.strerror, "cannot be read") from wrong
    return sorted(shown, key=lambda entry: entry.name)
