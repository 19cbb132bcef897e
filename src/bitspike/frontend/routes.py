"""Routes through a network as modules: tensors joined along an axis, and a range of one, however it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "Chunk",
    "Concat",
    "Range",
    "Slice",
    "Split",
    "cat",
    "chunk",
    "interpolate",
    "narrow",
    "range_of",
    "split",
]


class Concat(nn.Module):
    """``torch.cat(tensors, dim)``; one of a single step, as the images are, is held for the steps of the others.

    Args:
        dim: the axis along which they are joined, the batch counted.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *tensors: Tensor) -> Tensor:
        most = max(len(one) for one in tensors)
        held = [one.expand(most, *one.shape[1:]) if len(one) == 1 else one for one in tensors]
        return torch.cat(held if self.dim else tensors, self.dim)


class Range(nn.Module):
    """A range of one axis of a tensor, which its size decides.

    Args:
        dim: the axis, the batch counted.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def bounds(self, size: int) -> tuple[int, int]:
        """The first of ``size`` places, and the one behind the last; (0, 0) where there is no such range."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        start, stop = self.bounds(x.shape[self.dim])
        return x.narrow(self.dim, start, stop - start)


class Slice(Range):
    """``x[:, start:stop]``."""

    def __init__(self, dim: int, start: int | None, stop: int | None) -> None:
        super().__init__(dim)
        self.start, self.stop = start, stop

    def bounds(self, size: int) -> tuple[int, int]:
        start, stop, _ = slice(self.start, self.stop).indices(size)
        return start, stop


class Chunk(Range):
    """``x.chunk(chunks, dim)[index]``."""

    def __init__(self, dim: int, chunks: int, index: int) -> None:
        super().__init__(dim)
        self.chunks, self.index = chunks, index

    def bounds(self, size: int) -> tuple[int, int]:
        return _piece(size, -(-size // self.chunks), self.index)


class Split(Range):
    """``x.split(sizes, dim)[index]``, where ``sizes`` is one for all or a list of them."""

    def __init__(self, dim: int, sizes: int | Sequence[int], index: int) -> None:
        super().__init__(dim)
        self.sizes, self.index = sizes, index

    def bounds(self, size: int) -> tuple[int, int]:
        if isinstance(self.sizes, int):
            return _piece(size, self.sizes, self.index)
        at = range(len(self.sizes))[self.index] if -len(self.sizes) <= self.index < len(self.sizes) else None
        if at is None or sum(self.sizes) != size:
            return 0, 0
        return sum(self.sizes[:at]), sum(self.sizes[: at + 1])


def _piece(size: int, each: int, index: int) -> tuple[int, int]:
    starts = range(0, size, each)
    if not -len(starts) <= index < len(starts):
        return 0, 0
    return starts[index], min(starts[index] + each, size)


def range_of(index: Any) -> nn.Module | None:
    """What ``x[index]`` is: a range of one axis, or all of it; ``None`` of any other index."""
    parts = list(index) if isinstance(index, tuple) else [index]
    before = next((place for place, part in enumerate(parts) if part is ...), len(parts))
    axes = [*range(before), ..., *range(before + 1 - len(parts), 0)][: len(parts)]
    found: nn.Module = nn.Identity()
    for axis, part in zip(axes, parts, strict=True):
        if part is ... or (isinstance(part, slice) and part == slice(None)):
            continue
        if (
            not isinstance(part, slice)
            or part.step not in (None, 1)
            or not all(end is None or type(end) is int for end in (part.start, part.stop))
        ):
            return None
        if isinstance(found, Slice) or not isinstance(axis, int):
            return None
        found = Slice(axis, part.start, part.stop)
    return found


def cat(tensors: Any, dim: int = 0) -> nn.Module:
    """``torch.cat``, as a word of the vocabulary is made."""
    if not isinstance(tensors, tuple | list) or len(tensors) < 2:
        raise ValueError("want a list of two or more tensors")
    return Concat(dim)


def interpolate(
    input: Any,  # noqa: A002
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> nn.Module:
    """``F.interpolate``."""
    return nn.Upsample(size, scale_factor, mode, align_corners, recompute_scale_factor)


def narrow(input: Any, dim: int, start: int, length: int) -> nn.Module:  # noqa: A002
    """``torch.narrow``."""
    if start < 0 or length < 1:
        raise ValueError("want a start of at least 0 and a length of at least 1")
    return Slice(dim, start, start + length)


def chunk(input: Any, chunks: int, dim: int = 0, *, index: int) -> nn.Module:  # noqa: A002
    """One of what ``torch.chunk`` gives."""
    if chunks < 1:
        raise ValueError("want at least one chunk")
    return Chunk(dim, chunks, index)


def split(
    tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None, index: int
) -> nn.Module:
    """One of what ``torch.split`` gives."""
    sizes = split_size_or_sections if split_size is None else split_size
    if not all(type(size) is int and size > 0 for size in (sizes if isinstance(sizes, tuple | list) else [sizes])):
        raise ValueError("want sizes that are whole numbers above 0")
    return Split(dim, sizes, index)
