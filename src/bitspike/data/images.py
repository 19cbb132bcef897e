"""A set of labelled samples in memory, images or trains, and its stratified split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.data.streamed import StreamedImages
from bitspike.datasets.split import stratified_indices
from bitspike.errors import UserError
from bitspike.sample import MOST_CODE, Sample

__all__ = ["ImageSet", "resident", "split_validation"]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Samples, their labels, and the names of the classes.

    Args:
        images: codes ``uint8 [N, *sample.array_shape]``: ``[N, C, H, W]`` of images, with 0..255; or pictures that are
            read when they are asked for.
        labels: ``int64 [N]``, or ``[N, T]``, a class at every step.
        classes: their names.
        sample: what one input is; where it is left out, an image of pixels.

    Raises:
        UserError: shapes or types are not these, a code is above the sample's, or a label names no class.
    """

    images: Tensor  # or StreamedImages, which does what is asked of one here
    labels: Tensor
    classes: tuple[str, ...]
    sample: Sample = None  # type: ignore[assignment]  # an image of the images' shape

    def __post_init__(self) -> None:
        images, labels, top = self.images, self.labels, len(self.classes) - 1
        for thing, given in (("images", images), ("labels", labels)):
            if not isinstance(given, Tensor | StreamedImages):
                raise UserError(thing, f"{type(given).__module__}.{type(given).__name__}", "want a torch.Tensor")
        if self.sample is None:
            if images.ndim != 4 or images.dtype != torch.uint8:
                raise UserError("images", _kind(images), "want uint8 [N, C, H, W], or the sample that they are")
            object.__setattr__(self, "sample", Sample(tuple(images.shape[1:])))
        if images.dtype != torch.uint8 or images.shape[1:] != self.sample.array_shape:
            wanted = ", ".join(map(str, self.sample.array_shape))
            raise UserError("images", _kind(images), f"want uint8 [N, {wanted}]")
        highest = self.sample.hi - self.sample.lo
        if highest < MOST_CODE and images.numel() and int(images.max()) > highest:
            raise UserError("images", f"a code of {int(images.max())}", f"want codes of 0 to {highest}")
        shapes = (images.shape[:1], (len(images), self.sample.T))
        if labels.dtype != torch.int64 or labels.shape not in shapes:
            each = f", or [{len(images)}, {self.sample.T}]" * (self.sample.T > 1)
            raise UserError("labels", _kind(labels), f"want int64 [{len(images)}]{each}")
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) <= top:
            raise UserError("labels", (int(labels.min()), int(labels.max())), f"want 0 to {top}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels_per_step(self) -> bool:
        """Whether a sample has a class at every step."""
        return self.labels.ndim == 2

    def to(self, device: torch.device | str) -> ImageSet:
        """The same samples there."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def first(self, count: int) -> ImageSet:
        """The first ``count`` samples."""
        return replace(self, images=self.images[:count], labels=self.labels[:count])

    def select(self, indices: Tensor) -> ImageSet:
        """The samples at ``indices`` (``int64 [M]``), in that order."""
        held: Any = self.images
        taken: Any = held.part(indices.tolist()) if isinstance(held, StreamedImages) else held[indices]
        return replace(self, images=taken, labels=self.labels[indices])


def resident(images: ImageSet, device: torch.device) -> ImageSet:
    """The same samples on ``device``, where they take at most half of what is free there; else their labels alone.

    The other half is the network's. Batches of images that stay behind are sent as they are asked for.
    """
    held: Any = images.images
    if device.type == "cuda" and isinstance(held, Tensor) and held.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
        return replace(images, labels=images.labels.to(device))
    return images.to(device)


def split_validation(train: ImageSet, size: int, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Sets ``size`` samples aside, every class in proportion: ``(the rest, validation)``, in their old order.

    A sample with a class at every step counts as one of the class that it has most often.

    Raises:
        UserError: ``size`` is negative, or leaves nothing to train on.
    """
    if not 0 <= size < len(train):
        raise UserError("validation", size, f"want 0 to {len(train) - 1}, fewer than the training images")
    labels = train.labels.numpy()
    if train.labels_per_step:
        labels = np.stack([np.bincount(steps, minlength=len(train.classes)) for steps in labels]).argmax(1)
    rest, chosen = stratified_indices(labels, size, seed)
    return train.select(torch.from_numpy(rest)), train.select(torch.from_numpy(chosen))


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
