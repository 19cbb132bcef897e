"""Images as a network reads them, with the boxes that are in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bitspike.data.detection import KEPT, letterboxed
from bitspike.data.streamed import StreamedImages
from bitspike.datasets.boxed import DetectionSplit
from bitspike.detection import Boxes, Letterbox
from bitspike.sample import Sample

__all__ = ["BoxedImages", "boxed_images"]


@dataclass(frozen=True, eq=False)
class BoxedImages:
    """Samples, and what is in them.

    Attributes:
        images: codes ``uint8 [N, *sample.array_shape]``, or what reads them when they are asked for.
        boxes: of each image, in pixels of the original.
        fitted: how each was fitted into what the network reads.
        classes: their names.
        sample: what one input is.
    """

    images: Tensor  # or StreamedImages, which does what is asked of one here
    boxes: tuple[Boxes, ...]
    fitted: tuple[Letterbox, ...]
    classes: tuple[str, ...]
    sample: Sample

    def __len__(self) -> int:
        return len(self.boxes)

    def first(self, count: int) -> BoxedImages:
        """The first ``count`` samples."""
        return replace(self, images=self.images[:count], boxes=self.boxes[:count], fitted=self.fitted[:count])


def boxed_images(split: DetectionSplit, size: tuple[int, int]) -> BoxedImages:
    """A split without augmentation, letterboxed; of a small one all images are read at once.

    Args:
        split: the images.
        size: height and width of what a network reads.

    Raises:
        UserError: an image cannot be read; the line names its file.
    """
    streamed = StreamedImages(_Letterboxed(split, size))
    images: Any = streamed.read() if len(split) * 3 * size[0] * size[1] <= KEPT else streamed
    fitted = tuple(Letterbox(original, size) for original in split.sizes)
    return BoxedImages(images, split.boxes, fitted, split.classes, Sample((3, *size)))


@dataclass(frozen=True)
class _Letterboxed:
    """The images of a split, as `StreamedImages` asks for them."""

    split: DetectionSplit
    size: tuple[int, int]
    channels: int = 3

    def __len__(self) -> int:
        return len(self.split)

    def part(self, indices: Sequence[int]) -> _Letterboxed:
        return replace(self, split=self.split.part(indices))

    def read(self) -> NDArray[np.uint8]:
        found = [letterboxed(self.split, index, self.size) for index in range(len(self))]
        return np.stack(found) if found else np.zeros((0, 3, *self.size), np.uint8)
