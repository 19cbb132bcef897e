"""Random erasing: a rectangle of an image becomes grey.

Source: Z. Zhong et al., *Random Erasing Data Augmentation*, AAAI 2020 (arXiv:1708.04896).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.data.augment import pixels_of
from bitspike.errors import UserError

__all__ = ["RandomErasing"]

AREA, ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)
"""Share of the image, evenly; height over width, its logarithm evenly."""


@dataclass(frozen=True)
class RandomErasing:
    """With a probability, a rectangle anywhere in the image gets one value, where the paper's has noise.

    Args:
        probability: that an image has one.
        fill: the value.
    """

    probability: float = 0.25
    fill: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UserError("erase", self.probability, "want a probability, 0 to 1")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Whether an image is erased, the size of the rectangle, and where its corner is, as shares."""
        pixels_of("erase", shape)

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        return {
            "erased": torch.rand(count, generator=generator) < self.probability,
            "area": between(*AREA),
            "aspect": between(*(math.log(end) for end in ASPECT)).exp(),
            "y": torch.rand(count, generator=generator),
            "x": torch.rand(count, generator=generator),
        }

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        height, width = images.shape[-2:]
        area, aspect = drawn["area"] * height * width, drawn["aspect"]
        rows = _run(drawn["y"], (area * aspect).sqrt(), height)
        columns = _run(drawn["x"], (area / aspect).sqrt(), width)
        inside = drawn["erased"][:, None, None] & rows[:, :, None] & columns[:, None, :]
        return torch.where(inside[:, None], self.fill, images.flatten(1, -3)).view_as(images)


def _run(corner: Tensor, size: Tensor, length: int) -> Tensor:
    """``bool [B, length]``: so many places in a row, all within the image."""
    size = size.round().clamp(1, length)[:, None]
    start = (corner[:, None] * (length - size + 1)).floor()
    place = torch.arange(length, device=corner.device)
    return (place >= start) & (place < start + size)
