"""Sizes that a forward asks its tensors for, and the shapes that it makes of them: which axes a view keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from bitspike.frontend.calls import Call
from bitspike.frontend.vocabulary import View

__all__ = ["Shape", "Size", "view"]


@dataclass(frozen=True)
class Size:
    """The size of one axis of what a call made; ``index`` counts from the front."""

    of: Call
    index: int


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
    while kept < len(sizes) and _is_axis(sizes[kept], kept, x):
        kept += 1
    if kept == 0 and len(x.lead) == 1 and len(sizes) > 1 and sizes[0] == -1:
        kept = 1  # what is left is the batch, as long as the rest has the elements of an image, which is checked
    rest = sizes[kept:]
    if kept < len(x.lead) or not rest or not all(type(size) is int for size in rest):
        return None
    if sizes[0] == -1 and -1 in rest:
        return None
    return nn.Flatten(kept) if tuple(rest) == (-1,) else View(kept, rest)


def _is_axis(size: Any, index: int, x: Call) -> bool:
    """Whether a size is certain to be that of the axis ``index`` of ``x``."""
    if not isinstance(size, Size) or size.index != index:
        return False
    return size.of is x or (index < len(x.lead) and x.lead[: index + 1] == size.of.lead[: index + 1])
