"""What one input of a network is: an image, or a train of steps, as unsigned codes of levels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

from bitspike.errors import UserError, whole_number

__all__ = ["MOST_CODE", "AnySample", "Sample", "as_sample"]

MOST_CODE = 255
"""The largest code: codes are bytes."""


@dataclass(frozen=True)
class Sample:
    """Shape, steps and levels of one input.

    It is given as codes ``0 .. hi - lo`` in uint8, of which the level is ``code + lo``: of an image
    ``[C, H, W]`` and of a train of several steps ``[T, C, H, W]`` (`array_shape`). In a batch ``N`` comes first.

    >>> Sample.parse("16@2x48x48", lo=0, hi=15).array_shape
    (16, 2, 48, 48)

    Args:
        shape: at one step, without batch: ``(C, H, W)``, ``(C, L)`` or ``(D,)``.
        T: steps; 1 is an image, held for as long as the network runs.
        lo, hi: levels, both included; by default those of a pixel, -128..127.

    Raises:
        UserError: an axis or a number of steps below 1, or more levels than a byte has.
    """

    shape: tuple[int, ...]
    T: int = 1
    lo: int = -128
    hi: int = 127

    def __post_init__(self) -> None:
        if not 1 <= len(self.shape) <= 3:
            raise UserError("sample", self.shape, "want 1 to 3 axes, as 3x32x32")
        for name, value in (*(("sample axis", side) for side in self.shape), ("sample steps", self.T)):
            whole_number(name, value)
        if not self.lo < self.hi <= self.lo + MOST_CODE:
            raise UserError("sample levels", (self.lo, self.hi), f"want lo < hi, at most {MOST_CODE} apart")

    @classmethod
    def parse(cls, text: str, lo: int = -128, hi: int = 127) -> Sample:
        """``3x32x32`` of an image; ``16@2x48x48`` of 16 steps; ``1301@4`` of 1301 steps of 4 numbers.

        Raises:
            UserError: another text.
        """
        found = re.fullmatch(r"(?:([0-9]{1,6})@)?([0-9]{1,6}(?:x[0-9]{1,6}){0,2})", text)
        if found is None:
            raise UserError("sample", text, "want CxHxW, for example 3x32x32, or steps before it, 16@2x48x48")
        return cls(tuple(int(side) for side in found[2].split("x")), int(found[1] or 1), lo, hi)

    def __str__(self) -> str:
        return ("" if self.T == 1 else f"{self.T}@") + "x".join(map(str, self.shape))

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of the codes of one sample."""
        return self.shape if self.T == 1 else (self.T, *self.shape)

    @property
    def size(self) -> int:
        """Codes of one sample, which are its bytes."""
        return prod(self.array_shape)

    @property
    def dark(self) -> int:
        """The code of nothing: black of an image; of a train, level 0, or the one next to it."""
        return 0 if self.is_image else min(max(-self.lo, 0), self.hi - self.lo)

    @property
    def is_image(self) -> bool:
        """Whether it is one of 8-bit pixels ``[C, H, W]``."""
        return self.T == 1 and len(self.shape) == 3 and (self.lo, self.hi) == (-128, 127)


AnySample = Sample | tuple[int, int, int]
"""What stands for a sample: one, or the shape ``(C, H, W)`` of an image."""


def as_sample(given: AnySample) -> Sample:
    """The sample that ``given`` stands for.

    Raises:
        UserError: a shape that no image has.
    """
    if isinstance(given, Sample):
        return given
    if len(given) != 3:
        raise UserError("image shape", tuple(given), "want (C, H, W), or a bitspike.sample.Sample of anything else")
    return Sample(tuple(given))
