"""Recordings of events as a dataset: their frames."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bitspike.datasets.dataset import Dataset
from bitspike.datasets.event_sets import EventSet
from bitspike.datasets.frames import FrameSettings, frames_of
from bitspike.datasets.recordings import EventSource, Recording
from bitspike.datasets.sources import Arrays, Found, Split, Stored
from bitspike.errors import UserError

__all__ = ["FramesSource", "recorded", "usual_frames"]

LARGEST = 48
"""Pixels a side to which recordings of larger sensors are scaled down, where nobody says how."""
MOST_CLASSES = 256
"""Labels are bytes."""


@dataclass(frozen=True)
class _Recorded(Stored):
    """A file that is read when it is parsed, and the recordings in it."""

    recordings: tuple[Recording, ...] = ()

    @property
    def size(self) -> int:
        return os.path.getsize(self.path)


@dataclass(frozen=True)
class FramesSource:
    """The frames of a set's recordings; one after the other, so that no more than a file is in memory.

    Args:
        events: finds the recordings, and reads them.
        frames: what they become.
    """

    events: EventSource
    frames: FrameSettings
    on_disk: bool = True

    @property
    def kept_by(self) -> Mapping[str, Any]:
        return {"frames": self.frames.model_dump(mode="json")}

    def find(self, split: Split, data_dir: Path) -> Found:
        recordings = self.events.recordings(split, data_dir)
        files: dict[Path, list[Recording]] = defaultdict(list)
        for recording in recordings:
            files[recording.path].append(recording)
        place = os.path.commonpath([path.parent for path in files])
        told = json.dumps([(str(one.path), one.label, one.start_us, one.stop_us) for one in recordings])
        return Found(place, partial(_files, files), tuple(files), len(recordings), told)

    def parse(self, split: Split, files: Iterable[Stored]) -> Iterator[Arrays]:
        for file in files:
            parts = file.recordings if isinstance(file, _Recorded) else ()
            whole = self.events.read(Recording(parts[0].path, parts[0].label))  # once, however many are in it
            for part in parts:
                events = whole.between(part.start_us, part.stop_us)
                if not len(events):
                    when = "" if part.start_us is None else f" from {part.start_us} to {part.stop_us} us"
                    raise UserError(file.path, f"no events{when}", "take the recording out of the set")
                frames = frames_of(events, self.frames)
                shape = self.frames.sample(events.sensor_size).array_shape
                yield frames.reshape(1, *shape), np.array([part.label], np.uint8)


def _files(files: Mapping[Path, list[Recording]]) -> Iterator[Stored]:
    for path, parts in files.items():
        yield _Recorded(str(path), path.name, b"", tuple(parts))


def usual_frames(sensor_size: tuple[int, int]) -> FrameSettings:
    """8 slices of equally many events, counted up to 15, of at most 48 x 48 pixels."""
    width, height = sensor_size
    return FrameSettings(slices=8, clip=15, size=(min(height, LARGEST), min(width, LARGEST)))


def recorded(chosen: EventSet, frames: FrameSettings | None = None) -> Dataset:
    """The dataset of a set's recordings.

    Args:
        chosen: the set.
        frames: what they become; by default `usual_frames`.

    Raises:
        UserError: more classes than a byte counts, or frames that are larger than the sensor.
    """
    if chosen.num_classes > MOST_CLASSES:
        raise UserError(chosen.name, f"{chosen.num_classes} classes", f"want at most {MOST_CLASSES}")
    frames = frames or usual_frames(chosen.sensor_size)
    return Dataset(
        name=chosen.name,
        sample=frames.sample(chosen.sensor_size),
        images=chosen.full,
        classes=chosen.classes,
        how_to_get=chosen.how_to_get,
        citation=chosen.citation,
        sums=MappingProxyType({}),
        source=FramesSource(chosen.source, frames),
        own=chosen.own,
        remade=partial(recorded, chosen),
    )
