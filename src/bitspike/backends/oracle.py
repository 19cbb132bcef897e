"""What a frozen graph means: NumPy, exact integers. Every other backend equals this, spike for spike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.intmath import saturate, shift_right, shift_right_round
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Fire,
    FrozenGraph,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    SumPool,
    SumTime,
)  # fmt: skip
from bitspike.ir.frozen import largest_array

__all__ = ["carry", "fire", "logits", "run", "step"]

Int = NDArray[np.int64]
ELEMENTS_AT_A_TIME = 2**22
EXACT_32, EXACT = 24, 53
"""Float32 and float64 hold every signed integer of so many bits: products of such accumulators may go through BLAS."""


def run(net: FrozenGraph, images: NDArray[np.uint8]) -> dict[str, Int]:
    """Every edge of the network for a batch of images.

    Args:
        net: the network.
        images: pixels ``[N, C, H, W]``, 0..255.

    Returns:
        ``[T, N, *shape]`` for each op, by name.
    """
    edges: dict[str, Int] = {}
    for node in net.graph.nodes:
        edges[node.name] = step(net, node, images, *(edges[name] for name in node.inputs))
    return edges


def logits(net: FrozenGraph, images: NDArray[np.uint8]) -> Int:
    """The network's answer ``[N, K]``: the class is the first largest. Runs as many images at once as fit in memory."""
    readout = net.graph.nodes[-1].name
    widest = max(largest_array(net.graph, node) for node in net.graph.nodes)
    size = max(1, min(100, ELEMENTS_AT_A_TIME // widest))
    batches = (images[i : i + size] for i in range(0, max(len(images), 1), size))
    return np.concatenate([run(net, batch)[readout][0] for batch in batches])


def step(net: FrozenGraph, node: Node, images: NDArray[np.uint8], *x: Int) -> Int:
    """The output edge of one op, given its input edges ``x``."""
    match node:
        case Input(edge=edge):
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != edge.shape or edge.lo is None:
                raise UserError("images", (images.dtype.name, images.shape), f"want uint8 [N, {edge.shape}]")
            return images[None].astype(np.int64) + edge.lo
        case Conv():
            places = net.graph.edges[node.name].shape[1:]
            return _conv(node, x[0], net.tensors[f"{node.name}.weight"], places, net.ranges[node.name].signed_bits)
        case Linear():
            weight = net.tensors[f"{node.name}.weight"]
            return _product(x[0], weight.T, net.ranges[node.name].signed_bits)
        case Affine():
            per_channel = (-1, *(1 for _ in x[0].shape[3:]))
            multiplier, offset = (net.tensors[f"{node.name}.{part}"] for part in ("multiplier", "offset"))
            y = shift_right_round(x[0] * multiplier.reshape(per_channel), node.shift)
            y[: node.steps] += offset.reshape(per_channel)
            return y
        case Release():
            y = np.zeros((node.T, *x[0].shape[1:]), dtype=np.int64)
            y[: node.steps] = x[0]
            return y
        case Fire():
            return fire(node, x[0])[0]
        case Add():
            return x[0] + x[1]
        case SumPool():
            return _windows(x[0], node.kernel_size, node.stride, node.padding, 0).sum((-2, -1))
        case MaxPool():
            return _windows(x[0], node.kernel_size, node.stride, node.padding, np.iinfo(np.int64).min).max((-2, -1))
        case Reshape(shape=shape):
            return x[0].reshape(*x[0].shape[:2], *shape)
        case Relu():
            return np.maximum(x[0], 0)
        case Readout() | SumTime():
            return x[0].sum(0, keepdims=True)
    raise node.refuse(type(node).__name__, "has no meaning in integers")


def fire(node: Fire, current: Int) -> tuple[Int, Int]:
    """`bitspike.ir.Dynamics`, step by step: the levels sent, and the potentials ``u`` that they were sent at."""
    d = node.dynamics
    assert d is not None  # a FrozenGraph has them
    half = 1 << d.fraction_bits >> 1 if d.rounds else 0
    v = np.full(current.shape[1:], d.v_init, dtype=np.int64)
    sent = np.zeros_like(v)
    levels, potentials = (np.empty((node.T, *v.shape), dtype=np.int64) for _ in range(2))
    for t in range(node.T):
        u = potentials[t] = shift_right(v * d.leak_multiplier, d.leak_shift) + current[t if len(current) > 1 else 0]
        levels[t] = saturate(shift_right(u + half, d.fraction_bits), node.lo, node.hi)
        if d.tracer is not None:
            levels[t] = saturate(sent + levels[t], 0, d.tracer) - sent
            sent += levels[t]
        v = carry(node, u, levels[t])
    return levels, potentials


def carry(node: Fire, u: Int, level: Int) -> Int:
    """The potential ``v`` that goes into the next step: reset, and stored where the membrane is quantized."""
    d = node.dynamics
    assert d is not None  # a FrozenGraph has them
    v: Int = u - (level << d.fraction_bits) if d.v_reset is None else np.where(level != 0, d.v_reset, u)
    if d.store is None:
        return v
    code = saturate(shift_right_round(v * d.store.multiplier, d.store.shift), -node.top, node.top)
    return shift_right_round(code * d.store.step, d.store.step_shift)


def _conv(node: Conv, x: Int, weight: Int, places: tuple[int, ...], bits: int) -> Int:
    (rows, columns), (high, wide) = node.padding, node.kernel_size
    (down, right), (far, apart) = node.stride, node.dilation
    channels_last = np.moveaxis(x, 2, 4).astype(_exact(bits))
    padded = np.pad(channels_last, ((0, 0), (0, 0), (rows, rows), (columns, columns), (0, 0)))
    (T, N, *_), (H, W) = padded.shape, places
    made = []
    for part, w in zip(np.split(padded, node.groups, axis=4), np.split(weight, node.groups), strict=True):
        y = np.zeros((T * N * H * W, len(w)), dtype=padded.dtype)
        for i, j in np.ndindex(high, wide):  # one matrix product for each tap: no copy of all windows
            top, left = i * far, j * apart
            seen = part[:, :, top : top + (H - 1) * down + 1 : down, left : left + (W - 1) * right + 1 : right]
            y += seen.reshape(len(y), seen.shape[-1]) @ w[:, :, i, j].T.astype(y.dtype)
        made.append(y.reshape(T, N, H, W, len(w)))
    return np.moveaxis(np.concatenate(made, axis=-1), -1, 2).astype(np.int64)


def _product(x: Int, weight: Int, bits: int) -> Int:
    """Matrix product over the last axis."""
    exact = _exact(bits)
    return (x.astype(exact) @ weight.astype(exact)).astype(np.int64)


def _exact(bits: int) -> type[np.generic]:
    """What holds every signed integer of an accumulator, and so every partial sum; BLAS if it may be floats."""
    return np.float32 if bits <= EXACT_32 else np.float64 if bits <= EXACT else np.int64


def _windows(x: Int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], fill: int) -> Int:
    """``[T, N, C, H, W]`` to ``[T, N, C, H_out, W_out, kh, kw]``."""
    rows, columns = padding
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (rows, rows), (columns, columns)), constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(3, 4))
    return seen[:, :, :, :: stride[0], :: stride[1]]
