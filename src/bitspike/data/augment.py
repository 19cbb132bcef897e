"""Augmentation of 8-bit images in two halves: drawing the random numbers, and applying them.

The numbers of a whole epoch are drawn at once, one row an image, and a batch is given its rows. So what
happens to an image depends on the seed and the epoch alone: not on the batch size, the number of processes,
or where a run was interrupted. To a train of images the same happens at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bitspike.errors import UserError

__all__ = ["Augment", "Compose", "Cutout", "HorizontalFlip", "Mix", "RandomCrop", "drawn_for", "pixels_of"]


class Augment(Protocol):
    """An augmentation."""

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """The random numbers for ``count`` images: tensors whose row ``i`` belongs to image ``i``.

        Args:
            shape: ``(C, H, W)`` of an image, ``(T, C, H, W)`` of a train of them.

        Raises:
            UserError: it does nothing to samples of that shape.
        """

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        """New images ``uint8 [B, *shape]`` from ``images`` (the same shape) and their rows of ``drawn``."""


class Mix(Protocol):
    """What makes one sample of two."""

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """As that of `Augment`; ``partner`` is the sample, of all ``count``, that each is mixed with."""

    def __call__(self, images: Tensor, others: Tensor, drawn: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """New images from ``images`` and their partners, and the share ``float32 [B]`` of each that is its own."""


def pixels_of(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an image, or of a train of them; the augmentation ``name`` is for nothing else.

    Raises:
        UserError: samples of another shape.
    """
    if len(shape) not in (3, 4):
        raise UserError(name, shape, "want images (C, H, W), or trains of them (T, C, H, W); leave it out of augment")
    return shape[-2], shape[-1]


@dataclass(frozen=True)
class RandomCrop:
    """Pads with ``fill`` on all sides and cuts an image of the old size out, every place equally likely."""

    padding: int = 4
    fill: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.padding <= 64:
            raise UserError("crop", self.padding, "want a padding of 1 to 64 pixels")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("crop", shape)
        return {"corner": torch.randint(2 * self.padding + 1, (count, 2), generator=generator)}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        height, width = images.shape[-2:]
        planes = images.flatten(1, -3)  # steps and channels alike
        padded = functional.pad(planes, (self.padding,) * 4, value=self.fill)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # [B, planes, places, places, H, W]
        top, left = drawn["corner"].unbind(1)
        return windows[torch.arange(len(images), device=images.device), :, top, left].view_as(images)


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors half of the images, left to right."""

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("flip", shape)
        return {"flip": torch.rand(count, generator=generator) < 0.5}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        return torch.where(drawn["flip"].view(-1, *(1,) * (images.ndim - 1)), images.flip(-1), images)


@dataclass(frozen=True)
class Cutout:
    """Covers a square, centred on any pixel and cut off at the border, with ``fill``.

    Source: T. DeVries, G. W. Taylor, *Improved Regularization of Convolutional Neural Networks with Cutout*,
    arXiv:1708.04552, 2017.
    """

    size: int = 16
    fill: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 1024:
            raise UserError("cutout", self.size, "want a size of 1 to 1024 pixels")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        height, width = pixels_of("cutout", shape)
        return {
            "y": torch.randint(height, (count,), generator=generator),
            "x": torch.randint(width, (count,), generator=generator),
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        height, width = images.shape[-2:]
        rows, columns = self._covered(drawn["y"], height), self._covered(drawn["x"], width)
        covered = rows[:, None, :, None] & columns[:, None, None, :]
        return torch.where(covered, self.fill, images.flatten(1, -3)).view_as(images)

    def _covered(self, centre: Tensor, length: int) -> Tensor:
        start = (centre - self.size // 2)[:, None]
        place = torch.arange(length, device=centre.device)
        return (place >= start) & (place < start + self.size)


@dataclass(frozen=True)
class Compose:
    """One augmentation after the other; none at all leaves images as they are.

    Args:
        augments: which; an image and its row of what was drawn decide what comes out.
        mix: mixes what comes out of them, which `bitspike.data.TrainingImages` sees to: it has all samples.
    """

    augments: tuple[Augment, ...] = ()
    mix: Mix | None = None

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        every = (*enumerate(self.augments), *((("mix", self.mix),) if self.mix else ()))
        return {
            f"{place}.{name}": values
            for place, augment in every
            for name, values in augment.draw(count, shape, generator).items()
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        for number, augment in enumerate(self.augments):
            images = augment(images, drawn_for(str(number), drawn))
        return images


def drawn_for(place: str, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a composition drew for the augmentation at ``place``: its number, or ``mix``."""
    start = f"{place}."
    return {name.removeprefix(start): values for name, values in drawn.items() if name.startswith(start)}
