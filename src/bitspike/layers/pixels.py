"""How images were normalised, as torchvision's ``Normalize`` has it, in whole levels of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bitspike.errors import UserError

__all__ = ["Normalization", "PixelLevels"]

MOST_PARTS = 512
"""Of a pixel, that a level may be."""
NEAR = 1 / 16
"""Of a pixel, that a level may be off."""
MOST_LEVELS = 2**20
LARGEST_STD = 10.0


@dataclass(frozen=True)
class PixelLevels:
    """``multiplier * pixel + offset``, whole levels of value ``scale``, for each channel or with one number for all."""

    multiplier: tuple[int, ...]
    offset: tuple[int, ...]
    scale: float

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest level of pixels 0..255."""
        ends = [m * 255 + b for m, b in zip(self.multiplier, self.offset, strict=True)]
        return min(self.offset), max(ends)

    @property
    def plain(self) -> bool:
        """Whether a level is a pixel and the same for all channels, so that no multiplier is needed."""
        return set(self.multiplier) == {1} and len(set(self.offset)) == 1


@dataclass(frozen=True)
class Normalization:
    """``(pixel/255 - mean)/std``, for each channel or with one number for all.

    Raises:
        UserError: no numbers that pixels can have, or not as many of the one as of the other.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        wanted = "in units of pixel/255, as torchvision's Normalize has it"
        if not self.mean or not all(0 <= mean <= 1 for mean in self.mean):
            raise UserError("mean", self.mean, f"want 0 to 1 for each channel, {wanted}")
        if not self.std or not all(0 < std <= LARGEST_STD for std in self.std):
            raise UserError("std", self.std, f"want numbers above 0, to {LARGEST_STD:g}, for each channel, {wanted}")
        if len({len(self.mean), len(self.std)} - {1}) > 1:
            raise UserError("mean and std", (self.mean, self.std), "want one number, or as many of both as channels")

    @classmethod
    def of(cls, mean: float | Sequence[float] | None, std: float | Sequence[float] | None) -> Normalization | None:
        """One of what was given, as numbers or sequences; a mean that is left out is 0, a std 1; without both, none."""
        if mean is None and std is None:
            return None
        return cls(_each(0.0 if mean is None else mean), _each(1.0 if std is None else std))

    @property
    def channels(self) -> list[tuple[float, float]]:
        """Mean and std of each channel; of one, where all have the same."""
        count = max(len(self.mean), len(self.std))
        mean, std = (part * count if len(part) == 1 else part for part in (self.mean, self.std))
        return [*zip(mean, std, strict=True)]

    def levels(self) -> PixelLevels:
        """The coarsest whole levels that are as near as 1/16 of a pixel; else the nearest of 512 for each pixel.

        Zeros that a convolution puts around the image stay zeros, so the mean has to be a level.

        Raises:
            UserError: channels too unlike for one unit.
        """
        made = [self._levels(parts) for parts in range(1, MOST_PARTS + 1)]
        fit = [found for found in made if max(map(abs, found.range)) < MOST_LEVELS]
        if not fit:
            raise UserError("std", self.std, "its channels are too unlike for levels of one unit")
        near = (found for found in fit if self._off(found) <= NEAR)
        return next(near, None) or min(fit, key=self._off)

    def _levels(self, parts: int) -> PixelLevels:
        widest = max(self.std)
        multiplier = [round(parts * widest / std) for _, std in self.channels]
        offset = [-round(m * 255 * mean) for m, (mean, _) in zip(multiplier, self.channels, strict=True)]
        return PixelLevels(tuple(multiplier), tuple(offset), 1 / (255 * widest * parts))

    def _off(self, made: PixelLevels) -> float:
        """The most that levels are off, in pixels of their channel."""
        worst = 0.0
        for m, b, (mean, std) in zip(made.multiplier, made.offset, self.channels, strict=True):
            for pixel in (0, 255):
                worst = max(worst, abs((m * pixel + b) * made.scale - (pixel / 255 - mean) / std) * 255 * std)
        return worst


def _each(value: float | Sequence[float]) -> tuple[float, ...]:
    try:
        each = tuple(float(part) for part in (value if isinstance(value, Sequence) else (value,)))
    except (TypeError, ValueError) as wrong:
        raise UserError("mean or std", value, "want a number, or one for each channel") from wrong
    if not all(math.isfinite(part) for part in each):
        raise UserError("mean or std", value, "want finite numbers")
    return each
