"""Ops of one's own in every backend: a row in its table, from outside, is all that one needs. And none: refused.

`Clamp` is written element by element wherever it stands; `Mirror` reads other places than its own, as a layer.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from library import sanitizes
from numpy.typing import NDArray
from random_graphs import differences, images

from bitspike import UserError
from bitspike.backends import backend, c, native, onnx, oracle
from bitspike.backends.c import Each, Writer
from bitspike.backends.native import Code, Kind, Row
from bitspike.ir import (
    OPS,
    Add,
    Affine,
    Conv,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Node,
    Readout,
    Reshape,
    tensor_shapes,
)  # fmt: skip
from bitspike.ir.ranges import Range

SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True, kw_only=True)
class Clamp(Node):
    """``y = min(max(x, lo), hi)``."""

    lo: int
    hi: int

    def infer(self, *edges: Edge) -> Edge:
        return edges[0].unquantized()

    def range(self, tensors: Any, *x: Any) -> Range:
        return Range(self.lo, self.hi)

    def step(self, tensors: Any, proven: Range, *x: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.clip(x[0], self.lo, self.hi)


@dataclass(frozen=True, kw_only=True)
class Mirror(Node):
    """``y[c,i,j] = x[c,i,W-1-j]``, of levels ``lo..hi``."""

    lo: int
    hi: int

    def infer(self, *edges: Edge) -> Edge:
        return edges[0]

    def range(self, tensors: Any, *x: Any) -> Range:
        return Range(self.lo, self.hi)

    def step(self, tensors: Any, proven: Range, *x: NDArray[np.int64]) -> NDArray[np.int64]:
        return x[0][..., ::-1]


class Mirrored(Writer[Mirror]):
    """The row of `Mirror` in C."""

    stored = True
    gathers = True

    def layer(self, code: c.Code, root: Mirror) -> None:
        edge = code.plan.graph.edges[root.name]
        channels, rows, columns = edge.shape
        source = code.plan.symbols[root.inputs[0]]
        with code.text.loop("t", edge.T), code.places(root), code.text.loop("c", channels):
            there = f"(t * {rows} + row) * {columns} + {columns - 1} - column"
            code.store(root, f"{source}[({there}) * {channels} + c]")


def clamped(node: Clamp, kind: str, x: str) -> str:
    """The row of `Clamp` in C."""
    return f"BITSPIKE_CLIP(({kind}){x}, {node.lo}, {node.hi})"


def clip(model: onnx.Model, node: Clamp) -> None:
    """The row of `Clamp` in ONNX."""
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "float64")
        model.emit(node, t, "float64", "Clip", x, model.number(node.lo), model.number(node.hi))


def mirror(model: onnx.Model, node: Mirror) -> None:
    """The row of `Mirror` in ONNX."""
    columns = model.net.graph.edges[node.name].shape[2]
    order = model.tensor(f"{node.name}.order", np.arange(columns)[::-1].copy())
    for t in model.steps(node):
        x = model.step(node.inputs[0], t)
        model.emit(node, t, model.dtypes[node.inputs[0]], "Gather", x, order, axis=3)


class Clamped(Row[Clamp]):
    """The row of `Clamp` in the native backend."""

    def write(self, code: Code, node: Clamp) -> int:
        return code.emit(Kind.CLIP, a=code.value(node.inputs[0]), x=node.lo, y=node.hi)


class Turned(Row[Mirror]):
    """The row of `Mirror` in the native backend."""

    def gathers(self, graph: Graph, node: Mirror) -> bool:
        return True

    def write(self, code: Code, node: Mirror) -> int:
        source = code.stored[node.inputs[0]]
        rows, columns = source.sides
        there = [source.at(r, columns - 1 - k, c) for r in range(rows) for k in range(columns) for c in range(3)]
        return code.emit(Kind.GATHER, edge=source.name, data=np.array(there, dtype=np.int32))


@pytest.fixture
def rows() -> Iterator[None]:
    with (
        c.WRITERS.added("Clamp", Each(clamped)),
        c.WRITERS.added("Mirror", Mirrored()),
        onnx.WRITERS.added("Clamp", clip),
        onnx.WRITERS.added("Mirror", mirror),
        native.ROWS.added("Clamp", Clamped()),
        native.ROWS.added("Mirror", Turned()),
    ):
        yield


def network() -> FrozenGraph:
    """`Clamp` of a held edge, of a current, of levels; read once, twice, by a window. `Mirror` before a window."""
    dynamics = Dynamics(fraction_bits=5, leak_multiplier=3, leak_shift=2, v_reset=None)
    nodes = (
        Input(name="images", inputs=(), edge=Edge(shape=(2, 5, 4), T=1, lo=-128, hi=127, scale=1.0)),
        Clamp(name="dark", inputs=("images",), lo=-90, hi=60),
        Conv(name="a", inputs=("dark",), out_channels=3, weight_bits=4, kernel_size=(3, 3), padding=(1, 1)),
        Affine(name="current", inputs=("a",), fraction_bits=5),
        Clamp(name="limited", inputs=("current",), lo=-300, hi=1000),
        Fire(name="spikes", inputs=("limited",), T=3, lo=-2, hi=5, dynamics=dynamics),
        Mirror(name="turned", inputs=("spikes",), lo=-2, hi=5),
        Clamp(name="few", inputs=("turned",), lo=0, hi=3),
        Conv(name="b", inputs=("few",), out_channels=3, weight_bits=2, kernel_size=(1, 1)),
        Add(name="sum", inputs=("b", "few")),
        Clamp(name="last", inputs=("sum",), lo=-1, hi=2),
        Reshape(name="flat", inputs=("last",), shape=(60,)),
        Readout(name="logits", inputs=("flat",)),
    )
    graph, draw = Graph("clamped", nodes), np.random.default_rng(3)
    tensors = {}
    for node in nodes:
        for name, shape in tensor_shapes(graph, node).items():
            top = 3 if name.endswith("weight") else 9
            tensors[name] = draw.integers(-top, top + 1, shape) // (3 if name == "b.weight" else 1)
    return FrozenGraph(graph, tensors)


@pytest.mark.parametrize("name", ["dark", "limited", "turned", "few", "last"])
def test_the_own_ops_do_something(name: str) -> None:
    net = network()
    edges = oracle.run(net, images(net))
    assert (edges[name] != edges[net.graph[name].inputs[0]]).any()
    assert np.ptp(edges[name])


@pytest.mark.parametrize("flags", [("-O2",), SANITIZED], ids=["O2", "sanitized"])
@pytest.mark.parametrize("cc", ["gcc", "clang"])
@pytest.mark.usefixtures("rows")
def test_own_ops_in_c_are_the_oracles(cc: str, flags: tuple[str, ...]) -> None:
    if shutil.which(cc) is None or (flags == SANITIZED and not sanitizes(cc)):
        pytest.skip(f"no {cc} for {flags}")
    net = network()
    shown = images(net, count=20)
    (logits,), edges = c.traced(net, shown, [cc], *flags)
    assert {"dark", "turned", "few", "last"} <= edges.keys()
    assert "limited" not in edges, "it is computed on the way to the spikes"
    assert not differences(net, oracle.run(net, shown), logits, edges)


@pytest.mark.parametrize("name", ["onnx", "native"])
@pytest.mark.usefixtures("rows")
def test_own_ops_are_the_oracles(name: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
    net = network()
    shown = images(net, count=20)
    logits, edges = backend(name).trace(net, shown)
    assert edges.keys() == net.graph.edges.keys()
    assert not differences(net, oracle.run(net, shown), logits, edges)


def test_a_wrong_row_is_found() -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    net = network()
    shown = images(net, count=20)
    with c.WRITERS.added("Clamp", Each(lambda node, kind, x: x)), c.WRITERS.added("Mirror", Mirrored()):
        assert differences(net, oracle.run(net, shown), *c.traced(net, shown, ["gcc"], "-O0"))


@pytest.mark.parametrize("name", ["c", "onnx"])
def test_an_op_without_a_row_is_refused_by_name(name: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnx")
    with pytest.raises(UserError, match=rf"^{name}: got 'Clamp \(dark\)'; .* no writer .*Conv, .*Readout$") as refused:
        backend(name).export(network(), "network")
    assert "\n" not in str(refused.value)


def test_an_op_without_a_row_runs_by_no_native_stage() -> None:
    with pytest.raises(UserError, match=r"^native: got 'Clamp \(dark\)'; .* no writer .*Conv, .*Readout$"):
        backend("native").run(network(), images(network()))


@pytest.mark.parametrize("table", [c.WRITERS, onnx.WRITERS, native.ROWS], ids=["c", "onnx", "native"])
def test_every_op_has_a_row(table: Any) -> None:
    by_steps = {"Delay"} if table is native.ROWS else set()  # it computes all steps of a layer at once
    assert set(table) == {kind.__name__ for kind in OPS.values()} - by_steps
