"""The ONNX model, run by onnxruntime on the CPU: its logits optimized, its edges as they are written."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.onnx.export import to_onnx
from bitspike.backends.onnx.model import step_name
from bitspike.backends.protocol import Images, Int, checked
from bitspike.errors import UserError, require
from bitspike.ir import FrozenGraph

__all__ = ["Compiled", "trace"]

IMAGES_AT_A_TIME, ELEMENTS_AT_A_TIME = 100, 2**22


class Compiled:
    """Images ``[N, C, H, W]`` to what the network answers, by the model as it is used: optimized, nothing else shown.

    Args:
        net: the network.
        threads: how many run it; None takes as many as the process may use.
        fast: of `to_onnx`.
    """

    def __init__(self, net: FrozenGraph, threads: int | None = None, fast: bool = False) -> None:
        self.net, self.threads, self.fast = net, threads, fast
        self._session = _session(to_onnx(net, fast), True, threads)
        widest = max(edge.size for edge in net.graph.edges.values())
        self._size = max(1, min(IMAGES_AT_A_TIME, ELEMENTS_AT_A_TIME // widest))

    def __call__(self, images: Images) -> tuple[Int, ...]:
        checked(self.net, images)
        batches = (images[i : i + self._size] for i in range(0, max(len(images), 1), self._size))
        found = [self._session.run(None, {"images": batch}) for batch in batches]
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def __reduce__(self) -> Any:  # the runtime's sessions are not copied: a copy has one of its own
        return type(self), (self.net, self.threads, self.fast)


def trace(net: FrozenGraph, images: Images, fast: bool = False) -> tuple[tuple[Int, ...], dict[str, Int]]:
    """The outputs, and every edge ``[T, N, *shape]`` by name, by the model as it is written: not optimized.

    Raises:
        UserError: the runtime made something of an integer that is none.
    """
    onnx, model = require("onnx", "onnx"), to_onnx(net, fast)
    steps = [(name, step_name(net, name, t)) for name, edge in net.graph.edges.items() for t in range(edge.T)]
    outputs = [output.name for output in model.graph.output]
    model.graph.output.extend(onnx.ValueInfoProto(name=step) for _, step in steps)
    session = _session(model, False)
    found = session.run([*outputs, *(step for _, step in steps)], {"images": images})
    answers, values = found[: len(outputs)], found[len(outputs) :]
    edges: dict[str, list[Int]] = {name: [] for name in net.graph.edges}
    for (name, step), value in zip(steps, values, strict=True):
        edges[name].append(_whole(step, value))
    return tuple(answers), {name: np.stack(parts) for name, parts in edges.items()}


def _session(model: Any, optimized: bool, threads: int | None = None) -> Any:
    runtime = require("onnxruntime", "onnx")
    options, levels = runtime.SessionOptions(), runtime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads or _free_cores()  # said, so that it pins none to cores it may not have
    options.log_severity_level = 3
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _free_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _whole(step: str, values: NDArray[Any]) -> Int:
    integers = values.astype(np.int64)
    if (integers != values).any():  # below 2^53: exact
        raise UserError("onnxruntime", step, "it rounds what this model needs exact; use another version of it")
    return integers
