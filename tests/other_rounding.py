"""Another machine's rounding, on this one.

No BLAS promises how it rounds a sum of floats: the order of the terms, and with it the last bit, changes with the batch
size, the instruction set, the threads and the place in memory. `OtherRounding` is a machine that uses that freedom to
the full: every sum of floats (a convolution, a product, a mean, a norm, and their gradients) is taken in double, and
wherever it is no number of the narrower kind it is rounded to the next one above or below it, as a draw says that
depends on the operation and on the shapes, strides and places of what it reads. The same call rounds alike each time,
sums that are exact stay exact, and a test that demands more than that fails on any machine.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["OtherRounding"]

aten = torch.ops.aten
SUMS = {
    aten.convolution,
    aten.convolution_backward,
    aten.linear,
    aten.addmm,
    aten.mm,
    aten.bmm,
    aten.baddbmm,
    aten.mv,
    aten.dot,
    aten.mean,
    aten.avg_pool2d,
    aten.avg_pool2d_backward,
    aten._adaptive_avg_pool2d,
    aten._adaptive_avg_pool2d_backward,
    aten.native_batch_norm,
    aten.native_batch_norm_backward,
    aten._log_softmax,
    aten._log_softmax_backward_data,
}


class OtherRounding(TorchDispatchMode):
    """While it is entered, sums of float32 round as another machine's might."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket not in SUMS or not _all_float32(args, kwargs):
            return func(*args, **kwargs)
        plain = func(*args, **kwargs)
        wide = func(*tree_map(_wide, args), **tree_map(_wide, kwargs))
        draws = torch.Generator().manual_seed(zlib.crc32(repr((func, tree_map(_place, (args, kwargs)))).encode()))
        return tree_map(lambda one, other: _rounded(one, other, draws), plain, wide)


def _floats(args: Any, kwargs: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


def _all_float32(args: Any, kwargs: Any) -> bool:
    floats = _floats(args, kwargs)
    return bool(floats) and all(leaf.dtype == torch.float32 and leaf.device.type == "cpu" for leaf in floats)


def _wide(leaf: Any) -> Any:
    return leaf.double() if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf


def _place(leaf: Any) -> Any:
    """What a library may choose its order by: all of a tensor but its numbers."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return (tuple(leaf.shape), leaf.stride(), leaf.storage_offset() % 16)


def _rounded(plain: Any, wide: Any, draws: torch.Generator) -> Any:
    """``wide`` as float32, a neighbour of it where it is inexact, written over ``plain`` (its layout and aliases)."""
    if not isinstance(plain, torch.Tensor) or plain.dtype != torch.float32:
        return plain
    near = wide.float()
    toward = torch.where(torch.rand(near.shape, generator=draws) < 0.5, -torch.inf, torch.inf)
    moved = torch.nextafter(near, toward)
    inexact = (near.double() != wide) & near.isfinite()
    return plain.copy_(torch.where(inexact, moved, near))
