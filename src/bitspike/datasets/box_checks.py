"""Whether the images of a set with boxes can be read, each of them; how many there are, and boxes of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bitspike.datasets.detection_sets import find_detection_set, read_annotations
from bitspike.datasets.files import data_directory
from bitspike.datasets.sources import BOTH, Split
from bitspike.errors import UserError

__all__ = ["BoxCheck", "BoxCount", "check_boxes"]


@dataclass(frozen=True)
class BoxCount:
    """Boxes of a class that can be used."""

    name: str
    boxes: int


@dataclass(frozen=True)
class BoxCheck:
    """What became of one split of a set of images with boxes.

    Args:
        path: where the images lie; where they were looked for, if there are none.
        full: images of the split of the whole set; ``None`` where that is not known.
        images: that can be used. empty: those of them that have no box.
        boxes: of each class.
        left_out: a line for everything in the annotations that is left out of training and tests.
        problems: a line for each image that cannot be read, or for what is missing.
    """

    dataset: str
    split: Split
    path: str
    present: bool
    full: int | None
    images: int = 0
    empty: int = 0
    boxes: tuple[BoxCount, ...] = ()
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.present and not self.problems

    @property
    def refusal(self) -> UserError:
        """The line that says what is wrong with it."""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return UserError(f"{self.dataset} {self.split} split", self.path, self.problems[0] + more)


def check_boxes(name: str, data_dir: Path | None = None) -> list[BoxCheck]:
    """Reads every annotation and image of a set: one entry a split.

    Raises:
        UserError: unknown name, or no such data directory; what is wrong with a file is in its `BoxCheck`.
    """
    data_directory(data_dir)
    return [_check_split(name, split, data_dir) for split in BOTH]


def _check_split(name: str, split: Split, data_dir: Path | None) -> BoxCheck:
    chosen = find_detection_set(name)
    none = BoxCheck(name, split, str(chosen.path or data_directory(data_dir)), False, chosen.images.get(split))
    try:
        none = replace(none, path=chosen.home(data_dir).called("").rstrip("/"), present=True)
        found = read_annotations(name, split, data_dir, "skip")
    except FileNotFoundError as missing:
        return replace(none, problems=(str(missing),))
    except UserError as wrong:
        return replace(none, present=True, problems=(str(wrong),))
    problems = []
    for index in range(len(found)):
        try:
            found.picture(index)
        except UserError as wrong:
            problems.append(str(wrong))
    if none.full is not None and len(found) != none.full:
        problems.append(f"{len(found)} images, want {none.full}")
    return replace(
        none,
        images=len(found),
        empty=sum(not len(boxes) for boxes in found.boxes),
        boxes=tuple(BoxCount(*pair) for pair in zip(found.classes, found.counts, strict=True)),
        left_out=found.faults,
        problems=tuple(problems),
    )
