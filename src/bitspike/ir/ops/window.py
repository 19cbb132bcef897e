"""Windows over the rows and columns of an image: what a convolution and a pool have in common."""

from __future__ import annotations

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Int, Node

__all__ = ["Pair", "check_window", "padded_size", "places", "windows"]

Pair = tuple[int, int]


def check_window(node: Node, kernel: Pair, stride: Pair, padding: Pair) -> None:
    """Refuses a window of no element, a stride of 0, and padding below 0."""
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise node.refuse((kernel, stride, padding), "wants kernel and stride of at least 1, padding of at least 0")


def places(node: Node, edge: Edge, window: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of places where the window fits.

    Raises:
        UserError: the edge is no image, or smaller than the window.
    """
    if len(edge.shape) != 3:
        raise node.refuse(edge.shape, "wants an input of shape (C, H, W)")
    sides = zip(edge.shape[1:], window, stride, padding, strict=True)
    rows, columns = ((side + 2 * p - w) // s + 1 for side, w, s, p in sides)
    if min(rows, columns) < 1:
        raise node.refuse(edge.shape, f"its {window[0]}x{window[1]} window is larger than that, padded by {padding}")
    return rows, columns


def padded_size(edge: Edge, padding: Pair) -> int:
    """Elements of all steps of an image with what is around it."""
    rows, columns = (side + 2 * pad for side, pad in zip(edge.shape[1:], padding, strict=True))
    return edge.shape[0] * edge.T * rows * columns


def windows(x: Int, kernel: Pair, stride: Pair, padding: Pair, fill: int) -> Int:
    """``[T, N, C, H, W]`` to ``[T, N, C, H_out, W_out, kh, kw]``; around the image is ``fill``."""
    rows, columns = padding
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (rows, rows), (columns, columns)), constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(3, 4))
    return seen[:, :, :, :: stride[0], :: stride[1]]
