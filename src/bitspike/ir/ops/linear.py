"""Linear maps: ops that multiply by weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitspike.bits import FULL_PRECISION, signed_range
from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.window import Pair, channels_last, check_window, padded_size, places, shape_of, taps
from bitspike.ir.packing import pack_codes, unpack_codes
from bitspike.ir.ranges import Bounds, Int, Range, Tensors

__all__ = ["Conv", "Linear", "Synapse"]

EXACT_32, EXACT = 24, 53
"""Float32 and float64 hold every signed integer of so many bits: products of such accumulators may go through BLAS."""


@dataclass(frozen=True, kw_only=True)
class Synapse(Node):
    """An op with weights; its output is an accumulator.

    Units: step size of the output channel's weights times the scale of the input.

    Range: smallest and largest ``sum w * x`` of any output channel, each ``x`` free within the input's range or 0.
    (0 is what padding adds, and what a term counts before it is added: partial sums stay in the range too.)

    Args:
        out_channels: output channels (features).
        weight_bits: ``b_w``, bits of one weight.
        bias: whether it adds one number to each output channel; never when frozen, an ``affine`` does it.
    """

    fully_connected: ClassVar[bool] = False
    """Whether every output element reads every input element."""

    out_channels: int
    weight_bits: int
    bias: bool = False

    def __post_init__(self) -> None:
        if self.out_channels < 1 or not 1 <= self.weight_bits <= FULL_PRECISION:
            wanted = f"wants out_channels >= 1 and weight_bits 1 to {FULL_PRECISION}"
            raise self.refuse((self.out_channels, self.weight_bits), wanted)

    # What it costs

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        """Shape of the weights, output channels first."""
        raise NotImplementedError

    def weight_count(self, edge: Edge) -> int:
        """Weights, without bias."""
        return prod(self.weight_shape(edge))

    def macs(self, edge: Edge) -> int:
        """Multiply-accumulates of one image at one step, padding counted as the papers do."""
        raise NotImplementedError

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        """Outputs that one input element feeds, by position: broadcasts to the shape of the input edge."""
        raise NotImplementedError

    @property
    def taps(self) -> int:
        """Weights from one input channel to one output channel: ``k^2`` of a convolution."""
        return 1

    @property
    def spread(self) -> int:
        """Most outputs of one channel that one input element feeds: ``ceil(k / stride)^2`` of a convolution."""
        return 1

    @property
    def fan(self) -> int:
        """Output channels that one input element feeds."""
        return self.out_channels

    def constants(self, *edges: Edge) -> int:
        return self.out_channels if self.bias else 0

    # Its integers

    def tensor_shapes(self, *edges: Edge) -> dict[str, tuple[int, ...]]:
        return {"weight": self.weight_shape(edges[0])}

    def check(self, tensors: Tensors) -> None:
        codes, top = tensors["weight"], signed_range(self.weight_bits)[1]
        if self.weight_bits >= FULL_PRECISION:
            raise self.refuse(f"{self.weight_bits} weight bits", f"want fewer than {FULL_PRECISION}: those are floats")
        lowest, highest = int(codes.min()), int(codes.max())
        if lowest < -top or highest > top or (self.weight_bits == 1 and (codes == 0).any()):
            raise UserError(f"tensor {self.name}.weight", (lowest, highest), f"want codes of {self.weight_bits} bits")
        if self.bias:
            raise self.refuse("a bias", "a frozen synapse has none: it belongs into the affine after it")

    def pack(self, part: str, values: Int) -> NDArray[np.uint8]:
        return pack_codes(values, self.weight_bits)

    def unpack(self, part: str, planes: NDArray[Any], shape: tuple[int, ...]) -> Int:
        if planes.shape[:1] != (self.weight_bits,):
            raise UserError("planes", planes.shape, f"want {self.weight_bits}, as the op's weight_bits")
        return unpack_codes(planes, prod(shape)).reshape(shape)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return _accumulator(tensors["weight"], x[0].each)

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        return _accumulator(tensors["weight"], x[0].total)

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)


@dataclass(frozen=True, kw_only=True)
class Conv(Synapse):
    """Convolution of ``(C, H, W)`` with zero padding, or of ``(C, L)``, which is one row.

    Equation: ``y[o,i,j] = sum_{c,a,b} w[o,c,a,b] * x[g*G + c, stride*i + dilation*a - padding, the same of j and b]``,
    where ``c < G = C / groups``, ``g = floor(o / (out_channels / groups))``, and ``x`` is 0 outside the image. An axis
    has ``floor((side + 2*padding - dilation*(kernel_size - 1) - 1) / stride) + 1`` places.

    Args:
        kernel_size: rows and columns of the window.
        stride: from one window to the next.
        padding: rows and columns of zeros on each side of the image.
        dilation: from one tap of the window to the next.
        groups: runs of channels, of equal length, that see only themselves.
    """

    op: ClassVar[str] = "conv"

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_window(self, self.kernel_size, self.stride, self.padding)
        if min(*self.dilation, self.groups) < 1:
            raise self.refuse((self.dilation, self.groups), "wants dilation and groups of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        shape = shape_of(edge, self.out_channels, self._places(edge))
        if edge.shape[0] % self.groups or self.out_channels % self.groups:
            raise self.refuse(edge.shape[0], f"input and output channels must divide into {self.groups} groups")
        return edge.unquantized(shape)

    def _places(self, edge: Edge) -> Pair:
        rows, columns = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return places(self, edge, (rows, columns), self.stride, self.padding)

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        return (self.out_channels, edge.shape[0] // self.groups, *self.kernel_size)

    def macs(self, edge: Edge) -> int:
        return self.weight_count(edge) * prod(self._places(edge))

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        rows, columns = (self._touches(axis, edge) for axis in (0, 1))
        return np.outer(rows, columns).reshape(1, *edge.shape[1:]) * self.fan

    def _touches(self, axis: int, edge: Edge) -> NDArray[np.int64]:
        """For each input position along one axis: the (output, kernel tap) pairs that read it."""
        side, outputs = edge.plane[1 + axis], self._places(edge)[axis]
        taps = np.arange(self.kernel_size[axis]) * self.dilation[axis] - self.padding[axis]
        read = (np.arange(outputs)[:, None] * self.stride[axis] + taps).ravel()
        return np.bincount(read[(read >= 0) & (read < side)], minlength=side).astype(np.int64)

    @property
    def taps(self) -> int:
        return prod(self.kernel_size)

    @property
    def spread(self) -> int:
        return prod(ceil(k / s) for k, s in zip(self.kernel_size, self.stride, strict=True))

    @property
    def fan(self) -> int:
        return self.out_channels // self.groups

    def largest_array(self, *edges: Edge) -> int:
        return max(super().largest_array(*edges), padded_size(edges[0], self.padding))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        T, N = x[0].shape[:2]
        image = channels_last(x[0], self.padding, 0, _exact(proven))
        weight, made = np.moveaxis(tensors["weight"], 1, -1).astype(image.dtype, order="C"), []
        places = self._places(Edge(shape=x[0].shape[2:], T=T))
        for part, w in zip(np.split(image, self.groups, axis=4), np.split(weight, self.groups), strict=True):
            y = np.zeros((T * N * prod(places), len(w)), dtype=image.dtype)
            for i, j, seen in taps(part, places, self.kernel_size, self.stride, self.dilation):
                y += seen.reshape(len(y), seen.shape[-1]) @ w[:, i, j].T  # tap by tap: no copy of all windows
            made.append(y.reshape(T, N, *places, len(w)))
        y = np.moveaxis(np.concatenate(made, axis=-1), -1, 2).astype(x[0].dtype)
        return y if x[0].ndim == 5 else y[:, :, :, 0]


@dataclass(frozen=True, kw_only=True)
class Linear(Synapse):
    """Fully connected layer; its input is flat.

    Equation: ``y[o] = sum_i w[o,i] * x[i]``.
    """

    op: ClassVar[str] = "linear"
    fully_connected: ClassVar[bool] = True

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if len(edge.shape) != 1:
            raise self.refuse(edge.shape, "wants a flat input; reshape it first")
        return edge.unquantized((self.out_channels,))

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        return (self.out_channels, edge.size)

    def macs(self, edge: Edge) -> int:
        return self.weight_count(edge)

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        return np.full(1, self.out_channels, dtype=np.int64)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        exact = _exact(proven)
        return (x[0].astype(exact) @ tensors["weight"].T.astype(exact)).astype(x[0].dtype)


def _accumulator(weight: Int, x: Range) -> Range:
    """Exact extremes over all inputs within ``x`` and 0, for the worst output channel."""
    lo, hi = x.including(0)  # 0: what padding adds, and every partial sum starts from
    per_channel = weight.reshape(len(weight), -1)
    up, down = (part.sum(1).astype(object) for part in (np.maximum(per_channel, 0), np.minimum(per_channel, 0)))
    return Range((up * lo + down * hi).min(), (up * hi + down * lo).max())


def _exact(proven: Range) -> type[np.generic]:
    """What holds every integer of an accumulator, and so every partial sum; BLAS if it may be floats."""
    bits = proven.signed_bits
    return np.float32 if bits <= EXACT_32 else np.float64 if bits <= EXACT else np.int64
