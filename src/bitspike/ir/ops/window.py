"""Windows over the rows and columns of an image: what a convolution and a pool have in common.

A signal ``(C, L)`` is an image of one row, and its windows are of one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node

__all__ = ["Pair", "channels_last", "check_window", "padded_size", "places", "shape_of", "taps"]

Pair = tuple[int, int]


def check_window(node: Node, kernel: Pair, stride: Pair, padding: Pair) -> None:
    """Refuses a window of no element, a stride of 0, and padding below 0."""
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise node.refuse((kernel, stride, padding), "wants kernel and stride of at least 1, padding of at least 0")


def places(node: Node, edge: Edge, window: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of places where the window fits.

    Raises:
        UserError: the edge is no image and no signal, or smaller than the window.
    """
    if len(edge.shape) not in (2, 3):
        raise node.refuse(edge.shape, "wants an input of shape (C, H, W) or (C, L)")
    if len(edge.shape) == 2 and (window[0], stride[0], padding[0]) != (1, 1, 0):
        raise node.refuse((window, stride, padding), "wants windows of one row, as a signal (C, L) has")
    sides = zip(edge.plane[1:], window, stride, padding, strict=True)
    rows, columns = ((side + 2 * p - w) // s + 1 for side, w, s, p in sides)
    if min(rows, columns) < 1:
        raise node.refuse(edge.shape, f"its {window[0]}x{window[1]} window is larger than that, padded by {padding}")
    return rows, columns


def shape_of(edge: Edge, channels: int, places: Pair) -> tuple[int, ...]:
    """The shape of what windows over an edge make: an image of an image, a signal of a signal."""
    return (channels, *places[3 - len(edge.shape) :])


def padded_size(edge: Edge, padding: Pair) -> int:
    """Elements of all steps of an image with what is around it."""
    rows, columns = (side + 2 * pad for side, pad in zip(edge.plane[1:], padding, strict=True))
    return edge.shape[0] * edge.T * rows * columns


def channels_last(x: NDArray[Any], padding: Pair, fill: int, dtype: DTypeLike) -> NDArray[Any]:
    """``[T, N, C, H, W]`` or ``[T, N, C, L]`` to ``[T, N, H', W', C]``; around the image is ``fill``."""
    image = x if x.ndim == 5 else x[:, :, :, None]
    x, (rows, columns) = np.moveaxis(image, 2, 4), padding
    if not any(padding):
        return x.astype(dtype, copy=False)
    T, N, H, W, C = x.shape
    padded = np.full((T, N, H + 2 * rows, W + 2 * columns, C), fill, dtype)
    padded[:, :, rows : rows + H, columns : columns + W] = x
    return padded


def taps(
    x: NDArray[Any], places: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Row and column of each tap of a window, and what it sees at all places of ``x``, which is `channels_last`."""
    for i, j in np.ndindex(kernel):
        rows, columns = (
            slice(tap * apart, tap * apart + (count - 1) * step + 1, step)
            for tap, apart, count, step in zip((i, j), dilation, places, stride, strict=True)
        )
        yield i, j, x[:, :, rows, columns]
