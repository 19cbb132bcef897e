"""Pooling: each window of an image, or of a signal, as its sum or its largest level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from typing import Any, ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.window import Pair, channels_last, check_window, padded_size, places, shape_of, taps
from bitspike.ir.ranges import INT64, Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["MaxPool", "Pool", "SpikingMaxPool", "SumPool"]


@dataclass(frozen=True, kw_only=True)
class Pool(Node):
    """An op that makes one number of each window.

    Args:
        kernel_size: rows and columns of the window.
        stride: from one window to the next.
        padding: rows and columns around the image, fewer than the window has.
    """

    kernel_size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def __post_init__(self) -> None:
        check_window(self, self.kernel_size, self.stride, self.padding)
        if any(pad >= side for pad, side in zip(self.padding, self.kernel_size, strict=True)):
            wanted = "wants padding smaller than the window, so that none lies outside"
            raise self.refuse((self.kernel_size, self.padding), wanted)

    def _shape(self, edge: Edge) -> tuple[int, ...]:
        return shape_of(edge, edge.shape[0], self._places(edge))

    def _places(self, edge: Edge) -> Pair:
        return places(self, edge, self.kernel_size, self.stride, self.padding)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return Stream(seen, self.infer(*edges).highest, None)

    def _largest(self, x: Int) -> Int:
        """The largest element of each window; what is around the image never is."""
        return self._of_windows(np.maximum, x, np.iinfo(x.dtype).min)

    def largest_array(self, *edges: Edge) -> int:
        made = super().largest_array(*edges)
        return max(made * prod(self.kernel_size), padded_size(edges[0], self.padding))

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)

    def _of_windows(self, both: Callable[[Int, Int], Int], x: Int, fill: int) -> Int:
        """What ``both`` makes of the elements of each window, one after the other; around the image is ``fill``."""
        image, places = channels_last(x, self.padding, fill, x.dtype), self._places(Edge(shape=x.shape[2:], T=len(x)))
        made = reduce(both, (seen for _, _, seen in taps(image, places, self.kernel_size, self.stride)))
        y = np.moveaxis(made, 4, 2)
        return y if x.ndim == 5 else y[:, :, :, 0]


@dataclass(frozen=True, kw_only=True)
class SumPool(Pool):
    """Average pooling as a sum over each window; the divisor goes into the scale.

    Equation: ``y[c,i,j] = sum_{a,b} x[c, stride*i + a - padding, the same of j and b]``, where ``x`` is 0 outside the
    image; as many places as ``conv`` without dilation.

    Units: the input's, divided by the elements of a window.

    Range: the input's (with 0, if there is padding) times the elements of a window.

    Args:
        padding: rows and columns of zeros on each side, fewer than the window has.
    """

    op: ClassVar[str] = "sum_pool"

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        shape = self._shape(edge)
        if edge.bounds is None:
            return edge.unquantized(shape)
        lo, hi = self.range({}, edge.bounds)
        scale = None if edge.scale is None else edge.scale / prod(self.kernel_size)
        return Edge(shape=shape, T=edge.T, lo=lo, hi=hi, scale=scale)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return self._summed(x[0].each)

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return self._summed(x[0].total)

    def _summed(self, x: Range) -> Range:
        lo, hi = x.including(0) if any(self.padding) else x
        return Range(lo * prod(self.kernel_size), hi * prod(self.kernel_size))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return self._of_windows(np.add, x[0], 0)


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool):
    """The largest level of each window; padding never wins.

    Equation: ``y[c,i,j] = max_{a,b} x[c, stride*i + a - padding, the same of j and b]`` over what lies within the
    image; as many places as ``conv`` without dilation.

    Units: the input's.

    Range: the input's.

    Args:
        padding: rows and columns that a window may overhang on each side, fewer than it has.
    """

    op: ClassVar[str] = "max_pool"

    def infer(self, *edges: Edge) -> Edge:
        return edges[0].reshaped(self._shape(edges[0]))

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return self._largest(x[0])


@dataclass(frozen=True, kw_only=True)
class SpikingMaxPool(Pool):
    """The largest of what each window has sent so far, as spikes: what that has grown by since the step before.

    Equation: ``y[t] = m(a[t]) - m(a[t-1])`` with ``a[t] = x[0] + ... + x[t]``, ``a[-1] = 0`` and ``m`` the maximum of
    ``max_pool``; from a fresh ``a`` for each image. The steps add up to the maximum of what the input's add up to.

    Units: the input's.

    Range: the input's, at each step and in all: no window's maximum grows by more than its elements do.

    Args:
        padding: rows and columns that a window may overhang on each side, fewer than it has; they never win.
    """

    op: ClassVar[str] = "spiking_max_pool"

    def infer(self, *edges: Edge) -> Edge:
        return edges[0].reshaped(self._shape(edges[0]))

    def carried(self, *edges: Edge) -> Edge | None:
        (edge,) = edges
        if edge.T == 1:
            return None
        lo, hi = edge.bounds.total if edge.bounds else (None, None)
        return replace(edge, T=1, lo=lo, hi=hi)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        if x[0].total.reach >= INT64:
            raise self.refuse(tuple(x[0].total), "what its steps add up to could overflow 64 bits")
        return x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return super().met(tensors, proven, *x).joined(x[0].total)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        largest = self._largest(x[0].cumsum(0, dtype=x[0].dtype))
        return np.diff(largest, axis=0, prepend=0)

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        sent, was = (0, 0) if state is None else state
        largest = self._largest(sent + x[0])
        return largest - was, (sent + x[0], largest)
