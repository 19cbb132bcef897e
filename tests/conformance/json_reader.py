"""Runs a network from its JSON document alone: NumPy, the document's own words, and nothing of bitspike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

PRIMITIVES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "shift": lambda a, n: a >> n,
    "clip": np.clip,
    "select": lambda which, a, b: np.where(which != 0, a, b),
}


def run(text: str, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every edge, ``[T, N, *shape]``, of inputs given as codes from 0."""
    edges: dict[str, np.ndarray] = {}
    for node in json.loads(text)["nodes"]:
        tensors = {part: np.array(values, dtype=np.int64) for part, values in node["tensors"].items()}
        read = [edges[name] for name in node["inputs"]]
        edges[node["name"]] = OPS[node["op"]](node, tensors, *(read or [codes]))
    return edges


def windows(
    x: np.ndarray, kernel: Any, stride: Any, padding: Any, dilation: Any = (1, 1), empty: int = 0
) -> np.ndarray:
    """``[T, N, C, rows, columns, a, b]``: what each window sees."""
    around = [(0, 0)] * 3 + [(p, p) for p in padding]
    x = np.pad(x, around, constant_values=empty)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(3, 4))
    return seen[:, :, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def per_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (x.ndim - 3))


def conv(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    seen = windows(x, node["kernel_size"], node["stride"], node["padding"], node["dilation"])
    weights, groups = tensors["weight"], node["groups"]
    parts = zip(np.split(seen, groups, axis=2), np.split(weights, groups), strict=True)
    return np.concatenate([np.einsum("tncijab,ocab->tnoij", part, w) for part, w in parts], axis=2)


def affine(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    half = 1 << node["shift"] - 1 if node["shift"] else 0
    y = per_channel(tensors["multiplier"], x) * x + half >> node["shift"]
    offset = np.broadcast_to(per_channel(tensors["offset"], x), y.shape).copy()
    if node["steps"] is not None:
        offset[node["steps"] :] = 0
    return y + offset


def fire(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    program, sent = node["program"], []
    state = {name: np.full(x.shape[1:], value) for name, value in program["start"].items()}
    for t in range(node["T"]):
        values = {"x": x[t if len(x) > 1 else 0], **state}
        for result, primitive, operands in program["instructions"]:
            values[result] = PRIMITIVES[primitive](*(values.get(part, part) for part in operands))
        sent.append(np.broadcast_to(values[program["level"]], x.shape[1:]))
        state = {name: values.get(source, source) for name, source in program["carried"].items()}
    return np.stack(sent)


def sum_pool(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    return windows(x, node["kernel_size"], node["stride"], node["padding"]).sum((-2, -1))


def max_pool(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    lowest = np.iinfo(np.int64).min
    return windows(x, node["kernel_size"], node["stride"], node["padding"], empty=lowest).max((-2, -1))


def spiking_max_pool(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    so_far = max_pool(node, tensors, np.cumsum(x, 0))
    return np.diff(so_far, axis=0, prepend=np.zeros_like(so_far[:1]))


def release(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    y = np.repeat(x[:1], node["T"], 0)
    y[node["steps"] :] = 0
    return y


def summed(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    return x.sum(0, keepdims=True)


def coded(node: Any, tensors: Any, codes: np.ndarray) -> np.ndarray:
    steps = codes[None] if node["edge"]["T"] == 1 else np.moveaxis(codes, 1, 0)
    return steps.astype(np.int64) + node["edge"]["lo"]


def read_out(node: Any, tensors: Any, x: np.ndarray) -> np.ndarray:
    return {"sum": x.sum(0, keepdims=True), "last": x[-1:], "each": x}[node.get("over", "sum")]


OPS = {
    "input": coded,
    "release": release,
    "conv": conv,
    "linear": lambda node, tensors, x: np.einsum("oi,tni...->tno...", tensors["weight"], x),
    "affine": affine,
    "relu": lambda node, tensors, x: np.maximum(x, 0),
    "fire": fire,
    "add": lambda node, tensors, a, b: a + b,
    "sum_pool": sum_pool,
    "sum_time": summed,
    "max_pool": max_pool,
    "spiking_max_pool": spiking_max_pool,
    "reshape": lambda node, tensors, x: x.reshape(*x.shape[:2], *node["shape"]),
    "readout": read_out,
    "accumulate": lambda node, tensors, x: np.cumsum(x, 0),
    "difference": lambda node, tensors, x: np.diff(x, axis=0, prepend=np.zeros_like(x[:1])),
    "matmul": lambda node, tensors, a, b: a @ b,
    "permute": lambda node, tensors, x: np.transpose(x, (0, 1, *(axis + 2 for axis in node["axes"]))),
}
