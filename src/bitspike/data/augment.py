"""Augmentation of 8-bit images in two halves: drawing the random numbers, and applying them.

The numbers of a whole epoch are drawn at once, one row an image, and a batch is given its rows. So what
happens to an image depends on the seed and the epoch alone: not on the batch size, the number of processes,
or where a run was interrupted. To a train of images the same happens at every step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bitspike.data.autoaugment import AutoAugmentCIFAR10
from bitspike.data.erasing import RandomErasing
from bitspike.data.mixing import Mixing
from bitspike.data.randaugment import RandAugment
from bitspike.data.shapes import pixels_of
from bitspike.errors import UserError

__all__ = ["Augment", "Compose", "Cutout", "HorizontalFlip", "RandomCrop", "build_augment"]


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
        augments: of one image.
        mixing: of two, both augmented; whoever fetches the images applies it (`bitspike.data.TrainingImages`).
    """

    augments: tuple[Augment, ...] = ()
    mixing: Mixing | None = None

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        return {
            f"{number}.{name}": values
            for number, augment in enumerate(self.augments)
            for name, values in augment.draw(count, shape, generator).items()
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        for number, augment in enumerate(self.augments):
            start = f"{number}."
            own = {name.removeprefix(start): v for name, v in drawn.items() if name.startswith(start)}
            images = augment(images, own)
        return images


_PLAIN: Mapping[str, Callable[[], Augment]] = MappingProxyType(
    {"flip": HorizontalFlip, "autoaugment": AutoAugmentCIFAR10}
)
_NUMBERED: Mapping[str, Callable[..., Augment]] = MappingProxyType(
    {
        r"crop([0-9]{1,4})": lambda fill, padding: RandomCrop(int(padding), fill),
        r"cutout([0-9]{1,4})": lambda fill, size: Cutout(int(size), fill),
        r"rand-m([0-9]{1,2})-n([0-9]{1,2})": lambda _, m, n: RandAugment(int(m), int(n)),
        r"erase([0-9.]{1,6})": lambda fill, part: RandomErasing(number("erase", part), fill),
    }
)
_MIXING = r"(mixup|cutmix)([0-9.]{1,6})"


def build_augment(names: Sequence[str], fill: int = 0) -> Compose:
    """Augmentations by name, in order.

    ``crop4`` (padding), ``flip``, ``cutout16`` (size), ``autoaugment``, ``rand-m9-n1`` (RandAugment's magnitude and
    number), ``erase0.25`` (probability); and behind all of them ``mixup0.5`` and ``cutmix1`` (``alpha``).

    Args:
        names: which.
        fill: the code of what ``crop``, ``cutout`` and ``erase`` bring in: black in an image, level 0 in a train.

    Raises:
        UserError: an unknown name, a number out of range, or a mixing that is named twice or not at the end.
    """
    mixing = [found for name in names if (found := re.fullmatch(_MIXING, name))]
    alphas = {found[1]: number(found[1], found[2]) for found in mixing}
    plain = names[: len(names) - len(mixing)]
    if len(alphas) < len(mixing) or any(re.fullmatch(_MIXING, name) for name in plain):
        raise UserError("augment", ",".join(names), "want mixup and cutmix once each, behind all others")
    return Compose(tuple(_build(name, fill) for name in plain), Mixing(**alphas) if alphas else None)


def _build(name: str, fill: int) -> Augment:
    if name in _PLAIN:
        return _PLAIN[name]()
    for pattern, make in _NUMBERED.items():
        if found := re.fullmatch(pattern, name):
            return make(fill, *found.groups())
    numbered = "crop4 or cutout16 (any size), rand-m9-n1, erase0.25, mixup0.5 or cutmix1"
    raise UserError("augment", name, f"want {', '.join(_PLAIN)}, {numbered}")


def number(name: str, text: str) -> float:
    """The number behind a name, as ``0.5`` of ``mixup0.5``."""
    try:
        return float(text)
    except ValueError:
        raise UserError(name, text, "want a number behind it, as 0.5") from None
