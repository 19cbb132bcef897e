"""The sets of recordings by name: what they are, where to get them, and how to find their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bitspike.datasets import classes
from bitspike.datasets.events import read_events
from bitspike.datasets.events.event import SensorSize
from bitspike.datasets.events.read import SUFFIXES
from bitspike.datasets.gestures import GestureSource
from bitspike.datasets.own import checked_names
from bitspike.datasets.recordings import EventSource, FolderSource, Shares, folders, split_folders
from bitspike.datasets.sources import BOTH, Split
from bitspike.errors import UserError, closest
from bitspike.files import at_home

__all__ = ["EVENT_SETS", "EventSet", "event_folder", "find_event_set"]


@dataclass(frozen=True)
class EventSet:
    """What a set of recordings is.

    Args:
        name: its name on the command line, and the folder of the data directory where it is looked for.
        sensor_size: ``(W, H)``.
        classes: the names of the classes, in the order of their labels.
        full: recordings of the whole set by split, as far as published; fewer will do.
        how_to_get: where its files come from; nothing is ever downloaded.
        citation: who made it, and under which terms.
        source: what finds and reads them.
        total: recordings of the whole set, where the set has no split of its own.
        own: whether it is one of the user's own.
    """

    name: str
    sensor_size: SensorSize
    classes: tuple[str, ...]
    full: Mapping[Split, int]
    how_to_get: str
    citation: str
    source: EventSource
    total: int | None = None
    own: bool = False

    @property
    def num_classes(self) -> int:
        return len(self.classes)


def find_event_set(name: str) -> EventSet:
    """The set called ``name``, or an `event_folder` where it is the path of one, with a separator in it.

    Raises:
        UserError: no set is called that, or there is no such folder.
    """
    if name in EVENT_SETS:
        return EVENT_SETS[name]
    if os.sep not in name:
        raise UserError("data set", name, f"{closest(name, EVENT_SETS)}; or the path of a folder, as ./recordings")
    return event_folder(name)


def event_folder(
    path: str | Path, shares: Shares | None = None, sensor_size: SensorSize | None = None, name: str | None = None
) -> EventSet:
    """Class folders of recordings in any format, in ``train/`` and ``test/`` or without a split.

    Args:
        path: the folder.
        shares: how they are split where there is no ``train/`` or ``test/``; by default four fifths of each class,
            drawn with seed 0, are for training.
        sensor_size: ``(W, H)`` of all; by default that of the first recording.
        name: what the set is called; by default its path.

    Raises:
        UserError: no such folder, or none with recordings in it; the first recording is damaged.
    """
    home = at_home(path).absolute()
    if not home.is_dir():
        raise UserError("event folder", str(path), "there is no such folder")
    places = split_folders(home).values() or (home,)
    found = sorted({folder.name for place in places for folder in folders(place)})
    source = FolderSource((str(home),), tuple(found), SUFFIXES, (1, 1), shares or Shares(80, 0))
    try:
        first = source.recordings("train", Path()) if found else []
    except FileNotFoundError:
        first = []
    if not first:
        raise UserError("event folder", str(path), f"want folders of classes with files *{', *'.join(SUFFIXES)} in it")
    size = sensor_size or read_events(first[0].path).sensor_size
    whole = replace(source, sensor_size=size)
    return EventSet(
        name=str(path) if name is None else name,
        sensor_size=size,
        classes=checked_names(str(path), found, least=1),
        own=True,
        full=MappingProxyType(_counts(whole, split_folders(home) or BOTH)),
        how_to_get="It is a folder of your own",
        citation="",
        source=whole,
    )


def _counts(source: FolderSource, splits: Iterable[Split]) -> dict[Split, int]:
    """Recordings of each split that has some."""
    found: dict[Split, int] = {}
    for split in splits:
        with suppress(FileNotFoundError):
            found[split] = len(source.recordings(split, Path()))
    return found


_N = (
    "G. Orchard et al., Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades, Frontiers in "
    "Neuroscience 9:437, 2015; "
)

EVENT_SETS: Mapping[str, EventSet] = MappingProxyType(
    {
        one.name: one
        for one in (
            EventSet(
                name="n-mnist",
                sensor_size=(34, 34),
                classes=classes.DIGITS,
                full=MappingProxyType({"train": 60_000, "test": 10_000}),
                how_to_get=(
                    "Get Train.zip and Test.zip from https://www.garrickorchard.com/datasets/n-mnist and unpack them "
                    "in n-mnist/ in the data directory"
                ),
                citation=f"{_N}CC BY-SA 4.0",
                source=FolderSource(
                    ("n-mnist", "N-MNIST", "n-mnist/N-MNIST", "NMNIST"),
                    classes.DIGITS,
                    (".bin",),
                    (34, 34),
                    None,
                    "bin",
                ),
            ),
            EventSet(
                name="cifar10-dvs",
                sensor_size=(128, 128),
                classes=classes.CIFAR10,
                full=MappingProxyType({"train": 9_000, "test": 1_000}),
                how_to_get=(
                    "Get airplane.zip to truck.zip from https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 "
                    "and unpack them in cifar10-dvs/ in the data directory"
                ),
                citation=(
                    "H. Li et al., CIFAR10-DVS: An Event-Stream Dataset for Object Classification, Frontiers in "
                    "Neuroscience 11:309, 2017; CC BY 4.0"
                ),
                source=FolderSource(
                    ("cifar10-dvs", "CIFAR10-DVS", "CIFAR10DVS"),
                    classes.CIFAR10,
                    (".aedat",),
                    (128, 128),
                    Shares(90),
                    "aedat2",
                ),
                total=10_000,
            ),
            EventSet(
                name="dvs128-gesture",
                sensor_size=(128, 128),
                classes=classes.GESTURES,
                full=MappingProxyType({"train": 1_176, "test": 288}),
                how_to_get=(
                    "Get DvsGesture.tar.gz from https://research.ibm.com/interactive/dvsgesture/ and unpack it in "
                    "dvs128-gesture/ in the data directory"
                ),
                citation=(
                    "A. Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017; CC BY 4.0"
                ),
                source=GestureSource(
                    ("dvs128-gesture", "dvs128-gesture/DvsGesture", "DvsGesture", "DVS128Gesture"),
                    len(classes.GESTURES),
                    (128, 128),
                ),
            ),
            EventSet(
                name="n-caltech101",
                sensor_size=(240, 180),
                classes=classes.CALTECH101,
                full=MappingProxyType({}),
                how_to_get=(
                    "Get Caltech101.zip from https://www.garrickorchard.com/datasets/n-caltech101 and unpack it in "
                    "n-caltech101/ in the data directory"
                ),
                citation=f"{_N}CC BY 4.0",
                source=FolderSource(
                    (
                        "n-caltech101/Caltech101",
                        "n-caltech101",
                        "N-Caltech101/Caltech101",
                        "N-Caltech101",
                        "Caltech101",
                    ),
                    classes.CALTECH101,
                    (".bin",),
                    (240, 180),
                    Shares(90),
                    "bin",
                ),
                total=8_709,
            ),
        )
    }
)
"""Every set of recordings that bitspike knows, by name."""
