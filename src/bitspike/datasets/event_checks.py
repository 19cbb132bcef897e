"""Whether the recordings of a set can be read, each of them; how many there are, and how many events, by class."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from bitspike.datasets.box_checks import BoxCheck, check_boxes
from bitspike.datasets.detection_sets import is_detection
from bitspike.datasets.event_sets import EVENT_SETS, EventSet, find_event_set
from bitspike.datasets.files import data_directory
from bitspike.datasets.recordings import Recording
from bitspike.datasets.registry import MADE
from bitspike.datasets.sources import BOTH, Split
from bitspike.datasets.verify import FileCheck, check
from bitspike.errors import UserError

__all__ = ["ClassCount", "EventCheck", "check_any", "check_events"]


@dataclass(frozen=True)
class ClassCount:
    """Recordings of a class that were read, and the events in them."""

    name: str
    recordings: int
    events: int


@dataclass(frozen=True)
class EventCheck:
    """What became of one split of a set.

    Args:
        path: the first file that cannot be used, else the first recording; where it was looked for, if there is none.
        full: recordings of the split of the whole set; ``None`` where that is not published.
        total: recordings of the whole set, in both splits; ``None`` where that is not published.
        problems: a line for each file that cannot be used, or for what is missing.
    """

    dataset: str
    split: Split
    path: str
    present: bool
    full: int | None
    total: int | None
    classes: tuple[ClassCount, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.present and not self.problems

    @property
    def recordings(self) -> int:
        return sum(one.recordings for one in self.classes)

    @property
    def events(self) -> int:
        return sum(one.events for one in self.classes)

    @property
    def refusal(self) -> UserError:
        """The line that says what is wrong with it."""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return UserError(f"{self.dataset} {self.split} split", self.path, self.problems[0] + more)


def check_any(name: str, data_dir: Path | None = None) -> list[FileCheck] | list[EventCheck] | list[BoxCheck]:
    """`check_events` of a set of recordings, `check_boxes` of one of images with boxes, `check` of any other.

    Raises:
        UserError: unknown name, or no such data directory.
    """
    if is_detection(name):
        return check_boxes(name, data_dir)
    made = name.partition(":")[0] in MADE  # of pictures in a folder, too
    if name in EVENT_SETS or (os.sep in name and not made):
        return check_events(name, data_dir)
    return check(name, data_dir)


def check_events(name: str, data_dir: Path | None = None) -> list[EventCheck]:
    """Reads every recording of a set: one entry a split.

    Raises:
        UserError: unknown name, or no such data directory; what is wrong with a file is in its `EventCheck`.
    """
    chosen, directory = find_event_set(name), data_directory(data_dir)
    return [_check_split(chosen, split, directory) for split in BOTH]


def _check_split(chosen: EventSet, split: Split, directory: Path) -> EventCheck:
    none = EventCheck(chosen.name, split, str(directory), False, chosen.full.get(split), chosen.total, (), ())
    try:
        recordings = chosen.source.recordings(split, directory)
    except FileNotFoundError as missing:
        return replace(none, problems=(str(missing),))
    except UserError as wrong:
        return replace(none, present=True, problems=(str(wrong),))
    of_file: dict[Path, list[Recording]] = defaultdict(list)
    for recording in recordings:
        of_file[recording.path].append(recording)
    counts = [[0, 0] for _ in chosen.classes]
    problems: dict[str, Path] = {}
    for path, parts in of_file.items():
        try:
            events = chosen.source.read(Recording(path, parts[0].label))  # once, however many recordings are in it
        except UserError as wrong:
            problems[str(wrong)] = path
            continue
        for part in parts:
            seen = len(events.between(part.start_us, part.stop_us))
            counts[part.label][0] += 1
            counts[part.label][1] += seen
            if not seen:
                when = "" if part.start_us is None else f" from {part.start_us} to {part.stop_us} us"
                problems[f"{path}: no events{when}"] = path
    found = (ClassCount(name, *count) for name, count in zip(chosen.classes, counts, strict=True))
    read = tuple(one for one in found if one.recordings)
    first = next(iter(problems.values()), recordings[0].path)
    return replace(none, path=str(first), present=True, classes=read, problems=tuple(problems))
