"""Times the products of spiking self-attention, ``(q @ k.T) @ v`` of every head at every step, in turns.

- ``native``: this backend, the packing of both factors included;
- ``oracle``: the integers of NumPy that define what it computes;
- ``onnxruntime_float``: the same products as an ONNX graph of float32, by ONNX Runtime.

The query, key and value are spikes of one train, cut out of it by reshapes and permutes, as a layer before them would
make them. One thread each; time is the process's own on the processor, so that other work on the machine counts less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import onnxruntime
import typer
from machine import command, commit, processor
from onnx import TensorProto, helper

from bitspike import __version__, native
from bitspike.backends import oracle
from bitspike.backends.native import Native, stage_times
from bitspike.files import write_json
from bitspike.ir import Edge, FrozenGraph, Graph, Input, MatMul, Permute, Readout, Reshape

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "attention.json"
CASES = {  # features, tokens, heads, levels
    "D 128, L 64, 8 heads, spikes": (128, 64, 8, 1),
    "D 128, L 64, 8 heads, 2 bits": (128, 64, 8, 3),
    "D 384, L 64, 12 heads, spikes": (384, 64, 12, 1),
    "D 256, L 196, 8 heads, spikes": (256, 196, 8, 1),
}
T, BATCH = 4, 8
INPUT = "spikes"


def attention(features: int, tokens: int, heads: int, most: int) -> FrozenGraph:
    """The products alone, of one train ``[T, D, L]`` that is query, key and value."""
    each = features // heads
    edge = Edge(shape=(features, tokens), T=T, lo=0, hi=most, scale=1.0)
    nodes = (
        Input(name=INPUT, inputs=(), edge=edge),
        Reshape(name="value", inputs=(INPUT,), shape=(heads, each, tokens)),
        Permute(name="query", inputs=("value",), axes=(0, 2, 1)),
        MatMul(name="scores", inputs=("query", "value"), inner=each),
        MatMul(name="mixed", inputs=("scores", "query"), inner=tokens),
        Reshape(name="flat", inputs=("mixed",), shape=(features * tokens,)),
        Readout(name="logits", inputs=("flat",)),
    )
    return FrozenGraph(Graph("attention", nodes), {})


def by_onnxruntime(x: np.ndarray[Any, Any], heads: int) -> Callable[[], Any]:
    """The products of floats ``[T*N, heads, L, D/heads]``."""
    steps, features, tokens = x.shape
    value = x.reshape(steps, heads, features // heads, tokens).astype(np.float32)
    query = np.ascontiguousarray(value.transpose(0, 1, 3, 2))
    shapes = {"q": query.shape, "k": value.shape, "v": query.shape}
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, query.shape)
    nodes = [helper.make_node("MatMul", ["q", "k"], ["s"]), helper.make_node("MatMul", ["s", "v"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "products", info, [out]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"q": query, "k": value, "v": query})


def microseconds(run: Callable[[], Any]) -> float:
    """Of an image at all steps."""
    began = time.process_time()
    run()
    return (time.process_time() - began) / BATCH * 1e6


def measured(features: int, tokens: int, heads: int, most: int, rounds: int) -> dict[str, Any]:
    net = attention(features, tokens, heads, most)
    codes = np.random.default_rng(0).integers(0, most + 1, (BATCH, T, features, tokens), dtype=np.uint8)
    compiled = Native(1).prepare(net)
    if not np.array_equal(compiled(codes)[0], oracle.logits(net, codes)):
        raise AssertionError("other integers than the oracle")
    products = [net.graph[name] for name in ("scores", "mixed")]
    edges = oracle.run(net, codes)

    def by_oracle() -> None:
        for node in products:
            assert isinstance(node, MatMul)
            node.step({}, net.ranges[node.name], *(edges[name] for name in node.inputs))

    def by_native() -> float:
        stages = stage_times(compiled, codes, 1)
        return 1e6 * sum(stage.seconds for stage in stages if {"scores", "mixed"} & {*stage.ops})

    floats = by_onnxruntime(np.moveaxis(codes, 1, 0).reshape(T * BATCH, features, tokens), heads)
    times: dict[str, list[float]] = {name: [] for name in ("native", "oracle", "onnxruntime_float")}
    for _ in range(rounds):
        times["native"].append(by_native())
        times["oracle"].append(microseconds(by_oracle))
        times["onnxruntime_float"].append(microseconds(floats))
    ratios = {
        name: summary([other / own for other, own in zip(theirs, times["native"], strict=True)])
        for name, theirs in times.items()
        if name != "native"
    }
    macs = 2 * T * features * tokens * tokens
    return {
        "macs": macs,
        "microseconds": {name: summary(values) for name, values in times.items()},
        "native_gmacs": round(macs / statistics.median(times["native"]) / 1e3, 2),
        "times_as_fast_as": ratios,
    }


def summary(values: list[float]) -> dict[str, float]:
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return {name: round(value, 3) for name, value in (("median", middle), ("q1", first), ("q3", third))}


def main(
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each.")] = 15,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times everything in turns and writes microseconds of an image, and how many times as fast ours is."""
    cases = {}
    for name, case in CASES.items():
        cases[name] = measured(*case, rounds)
        print(f"{name:32}", {who: each["median"] for who, each in cases[name]["microseconds"].items()}, flush=True)
    record = {
        "command": command(__file__),
        "machine": processor() | {"level": native.level().name},
        "commit": commit(HERE),
        "versions": {"bitspike": __version__} | {name: metadata.version(name) for name in ("numpy", "onnxruntime")},
        "T": T,
        "batch": BATCH,
        "rounds": rounds,
        "microseconds": "of an image at all steps: processor time of both products, on one thread",
        "cases": cases,
    }
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
