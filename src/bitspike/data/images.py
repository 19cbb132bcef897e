"""A set of labelled images in memory, and its stratified split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.datasets.split import stratified_indices
from bitspike.errors import UserError

__all__ = ["ImageSet", "split_validation"]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images ``uint8 [N, C, H, W]`` with values 0..255, labels ``int64 [N]``, and the names of the classes.

    Raises:
        UserError: shapes or types are not these, or a label names no class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels, top = self.images, self.labels, len(self.classes) - 1
        for thing, given in (("images", images), ("labels", labels)):
            if not isinstance(given, Tensor):
                raise UserError(thing, f"{type(given).__module__}.{type(given).__name__}", "want a torch.Tensor")
        if images.ndim != 4 or images.dtype != torch.uint8:
            raise UserError("images", _kind(images), "want uint8 [N, C, H, W]")
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            raise UserError("labels", _kind(labels), f"want int64 [{len(images)}]")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) <= top:
            raise UserError("labels", (int(labels.min()), int(labels.max())), f"want 0 to {top}")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> ImageSet:
        """The same images there."""
        return ImageSet(self.images.to(device), self.labels.to(device), self.classes)

    def first(self, count: int) -> ImageSet:
        """The first ``count`` images."""
        return ImageSet(self.images[:count], self.labels[:count], self.classes)

    def select(self, indices: Tensor) -> ImageSet:
        """The images at ``indices`` (``int64 [M]``), in that order."""
        return ImageSet(self.images[indices], self.labels[indices], self.classes)


def split_validation(train: ImageSet, size: int, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Sets ``size`` images aside, every class in proportion: ``(the rest, validation)``, in their old order.

    Raises:
        UserError: ``size`` is negative, or leaves nothing to train on.
    """
    if not 0 <= size < len(train):
        raise UserError("validation", size, f"want 0 to {len(train) - 1}, fewer than the training images")
    rest, chosen = stratified_indices(train.labels.numpy(), size, seed)
    return train.select(torch.from_numpy(rest)), train.select(torch.from_numpy(chosen))


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
