"""Random erasing: a rectangle of an image becomes noise.

Source: Z. Zhong et al., *Random Erasing Data Augmentation*, AAAI 2020 (arXiv:1708.04896).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.datasets.sources import Shape
from bitspike.errors import UserError

__all__ = ["RandomErasing"]

AREA, ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)
"""Share of the image, evenly; height over width, its logarithm evenly."""
_ODD = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # of splitmix64, as signed numbers


@dataclass(frozen=True)
class RandomErasing:
    """With a probability, a rectangle anywhere in the image becomes noise, each pixel of each channel on its own.

    Args:
        probability: that an image has one.
    """

    probability: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UserError("erase", self.probability, "want a probability, 0 to 1")

    def draw(self, count: int, image_shape: Shape, generator: torch.Generator) -> dict[str, Tensor]:
        """Whether an image is erased, the size of the rectangle and its corner as shares, and the seed of its noise."""

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        return {
            "erased": torch.rand(count, generator=generator) < self.probability,
            "area": between(*AREA),
            "aspect": between(*(math.log(end) for end in ASPECT)).exp(),
            "y": torch.rand(count, generator=generator),
            "x": torch.rand(count, generator=generator),
            "noise": torch.randint(1 << 62, (count,), generator=generator),
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        height, width = images.shape[2:]
        area, aspect = drawn["area"] * height * width, drawn["aspect"]
        rows = _run(drawn["y"], (area * aspect).sqrt(), height)
        columns = _run(drawn["x"], (area / aspect).sqrt(), width)
        inside = drawn["erased"][:, None, None] & rows[:, :, None] & columns[:, None, :]
        return torch.where(inside[:, None], _noise(drawn["noise"], images), images)


def _run(corner: Tensor, size: Tensor, length: int) -> Tensor:
    """``bool [B, length]``: so many places in a row, all within the image."""
    size = size.round().clamp(1, length)[:, None]
    start = (corner[:, None] * (length - size + 1)).floor()
    place = torch.arange(length, device=corner.device)
    return (place >= start) & (place < start + size)


def _noise(seeds: Tensor, like: Tensor) -> Tensor:
    """Bytes by ``(seed, place)``: drawn for a whole epoch, they would be as large as all of its images."""
    place = torch.arange(like[0].numel(), device=like.device)
    mixed = seeds[:, None] + place * _ODD[0]  # int64 wraps around
    for shift, odd in ((30, _ODD[1]), (27, _ODD[2])):
        mixed = (mixed ^ (mixed >> shift)) * odd
    return ((mixed >> 32) & 255).to(torch.uint8).view_as(like)
