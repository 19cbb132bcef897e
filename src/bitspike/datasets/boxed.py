"""A split of images with boxes, and what is wrong with some of them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.pictures import decoded
from bitspike.datasets.storage import Storage
from bitspike.detection import Boxes, Letterbox
from bitspike.detection.letterbox import BARS
from bitspike.errors import UserError, require

__all__ = ["Annotation", "DetectionSplit", "Faults", "Wrong", "in_letterbox"]

Wrong = Literal["skip", "refuse"]
_FILE = 1 << 28  # bytes of a picture
MOST_SIDE = 1 << 15
"""Pixels of an image's side: with them areas of boxes in sixteenths of a pixel fit into 64 bits many times over."""


@dataclass
class Faults:
    """What is wrong in annotations: left out and named, or refused.

    ``skip`` is what is done where nobody says otherwise: sets that everybody uses have such boxes (two of BCCD have no
    area), and a box less changes neither the images nor their order. ``refuse`` is for sets of one's own.
    """

    wrong: Wrong = "skip"
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.wrong not in ("skip", "refuse"):
            raise UserError("wrong", self.wrong, "want skip or refuse")

    def met(self, fault: UserError) -> None:
        """Notes what is left out.

        Raises:
            UserError: that is refused.
        """
        if self.wrong == "refuse":
            raise fault
        self.lines.append(str(fault))


@dataclass(frozen=True)
class Annotation:
    """What a file says of one image.

    Args:
        image: name of its file.
        size: height and width.
        corners: left, top, right, bottom of each box, in pixels as lengths.
        names: class of each.
        ignored: whether each is to be ignored.
    """

    image: str
    size: tuple[int, int]
    corners: tuple[tuple[float, float, float, float], ...]
    names: tuple[str, ...]
    ignored: tuple[bool, ...]

    def boxes(self, classes: Sequence[str], where: str, faults: Faults) -> Boxes:
        """Those that can be used, cut off at the border of the image.

        Args:
            where: the file that says it.
        """
        height, width = self.size
        kept, labels = [], []
        for place, ((left, top, right, bottom), name) in enumerate(zip(self.corners, self.names, strict=True)):
            seen = f"box {place + 1} of {self.image}, {left:g} {top:g} {right:g} {bottom:g}"
            if not all(map(math.isfinite, (left, top, right, bottom))) or left >= right or top >= bottom:
                faults.met(UserError(where, seen, "it has no area"))
            elif right <= 0 or bottom <= 0 or left >= width or top >= height:
                faults.met(UserError(where, seen, f"it lies outside the image of {width}x{height} pixels"))
            elif name not in classes:
                faults.met(UserError(where, f"{seen}, class {name!r}", f"want one of: {', '.join(classes)}"))
            else:
                kept.append(place)
                labels.append(classes.index(name))
        chosen = np.array([self.corners[place] for place in kept], np.float32).reshape(-1, 4)
        ignored = np.array([self.ignored[place] for place in kept], bool)
        return Boxes(chosen, np.array(labels, np.int64), ignored=ignored).clipped(self.size)


@dataclass(frozen=True, eq=False)
class DetectionSplit:
    """Images, which are read when they are asked for, and their boxes.

    Args:
        name: of the data set and the split, for people.
        place: where the images lie.
        files: names of the images there.
        sizes: height and width of each, as the annotations have it.
        boxes: of each image, in its pixels.
        classes: their names.
        faults: a line for everything that was left out.
    """

    name: str
    place: Storage
    files: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    boxes: tuple[Boxes, ...]
    classes: tuple[str, ...]
    faults: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def part(self, indices: Sequence[int]) -> DetectionSplit:
        """The images at ``indices``, in that order. Nothing is read."""
        own: dict[str, Any] = {
            name: tuple(getattr(self, name)[at] for at in indices) for name in ("files", "sizes", "boxes")
        }
        return replace(self, **own)

    @property
    def counts(self) -> tuple[int, ...]:
        """Boxes of each class."""
        labels = np.concatenate([np.zeros(0, np.int64), *(boxes.labels for boxes in self.boxes)])
        return tuple(np.bincount(labels, minlength=len(self.classes)).tolist())

    def picture(self, index: int) -> Any:
        """An image as Pillow's, in colours.

        Raises:
            UserError: the file is missing, no picture, damaged or cut short, or of another size than the annotation
                has; the line names it.
        """
        name, (height, width) = self.files[index], self.sizes[index]
        where = self.place.called(name)
        image = decoded(where, io.BytesIO(self.place.read(name, _FILE)))
        if image.size != (width, height):
            seen = f"{image.size[0]}x{image.size[1]} pixels"
            raise UserError(where, seen, f"its annotation has {width}x{height}: boxes and image do not belong together")
        return image

    def read(self, index: int, fitted: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """An image ``[H, W, 3]``, scaled to ``fitted`` height and width where they are given; see `picture`."""
        return _scaled(self.picture(index), fitted)


def in_letterbox(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image ``[H, W, 3]`` as networks of ``size`` read it: ``[3, *size]``, with bars on two sides."""
    box = Letterbox(pixels.shape[:2], size)
    (top, left), (rows, columns) = box.corner, box.fitted
    canvas = np.full((*size, 3), BARS, np.uint8)
    image = require("PIL.Image", "data").fromarray(pixels)
    canvas[top : top + rows, left : left + columns] = _scaled(image, box.fitted)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))


def _scaled(image: Any, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """To another height and width by Pillow, whose fixed-point arithmetic is the same on every machine."""
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], require("PIL.Image", "data").Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)
