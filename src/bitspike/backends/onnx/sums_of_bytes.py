"""Convolutions as sums of bytes in 32 bits, which ONNX Runtime adds up faster than floats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.onnx.model import Model
from bitspike.ir import Synapse

__all__ = ["convolution_of_bytes", "is_of_bytes"]

Codes = NDArray[np.signedinteger]
BYTE, SHORT = np.iinfo(np.uint8).max, np.iinfo(np.int16).max


def is_of_bytes(model: Model, node: Synapse) -> bool:
    """Whether levels, and weights once they are shifted, are unsigned bytes, and sums have 32 bits."""
    found, codes = model.net.ranges[node.inputs[0]], model.net.integers(f"{node.name}.weight")
    bytes_all = found.lo >= 0 and found.hi <= BYTE and int(codes.max()) - min(0, int(codes.min())) <= BYTE
    return bytes_all and model.net.ranges[node.name].signed_bits <= 32


def convolution_of_bytes(model: Model, node: Synapse, codes: Codes, group: int = 1, **window: Any) -> None:
    """A product of matrices where that is exact on every processor, else ``ConvInteger``.

    Of unsigned levels and signed weights, older processors add two products in 16 bits.
    """
    signed = np.iinfo(np.int8).min <= codes.min() and codes.max() <= np.iinfo(np.int8).max
    pair = 2 * model.net.ranges[node.inputs[0]].hi * int(np.abs(codes.astype(np.int64)).max())
    if group == 1 and signed and pair <= SHORT:
        _by_product(model, node, codes, **window)
    else:
        _by_convolution(model, node, codes, group=group, **window)


def _by_convolution(model: Model, node: Synapse, codes: Codes, **window: Any) -> None:
    """Weights are shifted until none is below 0: of two unsigned bytes a product is exact on every processor."""
    shift = max(0, -int(codes.min()))
    weight = model.tensor(f"{node.name}.weight", (codes.astype(np.int64) + shift).astype(np.uint8))
    zeros = [model.number(0, "uint8"), model.number(shift, "uint8")]
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "uint8")
        model.emit(node, t, "int32", "ConvInteger", x, weight, *zeros, **window)


def _by_product(
    model: Model,
    node: Synapse,
    codes: Codes,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
) -> None:
    """Channels come last, what each tap reads stands side by side, and weights are the second matrix.

    ONNX Runtime packs that one once; a ``ConvInteger`` is packed anew, windows and all, for each image.
    """
    axes = len(kernel_shape)
    last, first = (0, *range(2, axes + 2), 1), (0, axes + 1, *range(1, axes + 1))
    matrix = np.moveaxis(codes, (0, 1), (-1, -2)).reshape(-1, len(codes))
    weight = model.tensor(f"{node.name}.weight", matrix.astype(np.int8))
    before, after = pads[:axes], pads[axes:]
    for t in model.steps(node):
        x = model.op("Transpose", model.step(node.inputs[0], t, "uint8"), perm=last)
        if any(pads):
            around = np.array([0, *before, 0, 0, *after, 0], dtype=np.int64)
            x = model.op("Pad", x, model.tensor(f"{node.name}.pads", around), model.number(0, "uint8"))
        if set(kernel_shape) | set(strides) != {1}:
            taps = _taps(model, node, kernel_shape, strides, dilations)
            read = [model.op("Slice", x, *bounds) for bounds in taps]
            x = model.op("Concat", *read, axis=axes + 1) if len(read) > 1 else read[0]
        model.emit(node, t, "int32", "Transpose", model.op("MatMulInteger", x, weight), perm=first)


def _taps(
    model: Model,
    node: Synapse,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> Iterator[tuple[str, ...]]:
    """Where each tap of a window reads, in the order of the weights: starts, ends, axes and strides of a ``Slice``."""
    sides = np.array(model.net.graph.edges[node.name].shape[1:])
    stride, dilation = np.array(strides), np.array(dilations)
    over = model.tensor(f"axes/{len(kernel)}", np.arange(1, len(kernel) + 1))
    by = model.tensor(f"strides/{strides}", stride)
    for tap in np.ndindex(*kernel):
        start = np.array(tap) * dilation
        end = start + (sides - 1) * stride + 1
        yield (
            *(model.tensor(f"{node.name}.{what}/{tap}", at) for what, at in (("start", start), ("end", end))),
            over,
            by,
        )
