"""Sizes that a forward asks its tensors for, and the shapes that it makes of them: which axes a view keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from bitspike.frontend.calls import Call
from bitspike.frontend.vocabulary import View

__all__ = ["Shape", "Size", "view"]


@dataclass(frozen=True)
class Size:
    """The size of one axis of what a call made, times a number or divided by one; ``index`` is below 0 from the end.

    Attributes:
        others: plain sizes that it is multiplied by too.
    """

    of: Call
    index: int
    times: int = 1
    by: int = 1
    others: tuple[Size, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is the size itself."""
        return self.times == self.by == 1 and not self.others

    def found(self, shape_of: Callable[[Call], Sequence[int]]) -> int:
        """The number, where ``shape_of`` says what calls made behind their leading axes; 0 where there is no such one.

        Where it is divided, there is one if nothing is left.
        """
        shape = shape_of(self.of)
        axis = self.index - len(self.of.lead) if self.index >= 0 else self.index + len(shape)
        whole = shape[axis] * self.times if 0 <= axis < len(shape) else 0
        whole *= prod(other.found(shape_of) for other in self.others)
        return 0 if whole % self.by else whole // self.by


@dataclass(frozen=True)
class Shape:
    """All sizes of what a call made."""

    of: Call


def view(x: Call, sizes: Sequence[Any]) -> nn.Module | None:
    """What ``x.view(*sizes)`` is: a module that keeps the batch (and the steps); ``None`` where that is not certain.

    Args:
        x: what is viewed.
        sizes: whole numbers, `Size`, or one `Shape`.
    """
    if len(sizes) == 1 and isinstance(sizes[0], Shape):
        return nn.Identity() if sizes[0].of is x else None
    kept = 0
    steps: tuple[Call, ...] = ()
    if sizes and _is_steps(sizes[0], x):
        kept, steps = 1, (sizes[0].of,)
    while kept < len(sizes) and _is_axis(sizes[kept], kept, x):
        kept += 1
    if kept == 0 and len(x.lead) == 1 and len(sizes) > 1 and sizes[0] == -1:
        kept = 1  # what is left is the batch, as long as the rest has the elements of an image, which is checked
    rest = sizes[kept:]
    if kept < len(x.lead) or not rest or not all(type(size) is int or _behind_the_batch(size) for size in rest):
        return None
    if sizes[0] == -1 and (-1 in rest or any(isinstance(size, Size) for size in rest)):
        return None
    return nn.Flatten(kept) if tuple(rest) == (-1,) and not steps else View(kept, rest, steps)


def _is_axis(size: Any, index: int, x: Call) -> bool:
    """Whether a size is certain to be that of the axis ``index`` of ``x``."""
    if not isinstance(size, Size) or size.index != index or not size.plain:
        return False
    return size.of is x or (index < min(len(x.lead), len(size.of.lead)) and x.lead[index] == size.of.lead[index])


def _is_steps(size: Any, x: Call) -> bool:
    """Whether a size is that of the time axis of other neurons than those of ``x``: as many, as long as both agree."""
    plain = isinstance(size, Size) and size.index == 0 and size.plain
    return plain and len(x.lead) == len(size.of.lead) == 2 and x.lead[0] != size.of.lead[0]


def _behind_the_batch(size: Any) -> bool:
    """Whether it is the size of an axis of one step, so that its number is known where shapes are."""
    return isinstance(size, Size) and all(
        axis.index < 0 or axis.index >= len(axis.of.lead) for axis in (size, *size.others)
    )
