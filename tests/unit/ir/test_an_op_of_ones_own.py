"""Ops that are not of bitspike: written here, known for a test, and then in graphs, files, ranges, runs and costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from bitspike.backends import oracle
from bitspike.costs import Activity, NeuronActivity, SynapseActivity, cost
from bitspike.errors import UserError
from bitspike.ir import (
    OPS,
    Add,
    Affine,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    Node,
    Readout,
    Reshape,
    Synapse,
    load,
    save,
)
from bitspike.ir.netfile import to_bytes
from bitspike.ir.ops import Int
from bitspike.ir.ranges import Bounds, Range, Tensors
from bitspike.ir.stream import Stream


@dataclass(frozen=True, kw_only=True)
class Times(Node):
    """Every level so many times as high.

    Args:
        factor: at least 1.
    """

    op: ClassVar[str] = "times"

    factor: int = 2

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise self.refuse(self.factor, "wants a factor of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.bounds is None:
            return edge
        lo, hi = self.range({}, edge.bounds)
        return Edge(shape=edge.shape, T=edge.T, lo=lo, hi=hi, scale=edge.scale)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return Stream(spikes[0].events, self.infer(*edges).highest, None)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(*(end * self.factor for end in x[0].each))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0] * self.factor


@dataclass(frozen=True, kw_only=True)
class Diagonal(Synapse):
    """A weight for each element."""

    op: ClassVar[str] = "diagonal"

    @property
    def fan(self) -> int:
        return 1

    def infer(self, *edges: Edge) -> Edge:
        if edges[0].shape != (self.out_channels,):
            raise self.refuse(edges[0].shape, f"wants {self.out_channels} elements")
        return edges[0].unquantized()

    def weight_shape(self, edge: Edge) -> tuple[int, ...]:
        return (edge.size,)

    def macs(self, edge: Edge) -> int:
        return edge.size

    def fan_out(self, edge: Edge) -> NDArray[np.int64]:
        return np.ones(1, dtype=np.int64)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0] * tensors["weight"]


LIVE = Dynamics(fraction_bits=3, leak_multiplier=1, leak_shift=0, v_reset=None)
NODES: tuple[Node, ...] = (
    Input(name="image", inputs=(), edge=Edge(shape=(1, 2, 3), T=1, lo=-128, hi=127, scale=1 / 128)),
    Fire(name="first", inputs=("image",), T=3, lo=0, hi=3, scale=0.5, dynamics=LIVE),
    Times(name="tripled", inputs=("first",), factor=3),
    Add(name="joined", inputs=("first", "tripled")),
    Reshape(name="flat", inputs=("joined",), shape=(6,)),
    Diagonal(name="each", inputs=("flat",), out_channels=6, weight_bits=3),
    Affine(name="current", inputs=("each",), fraction_bits=3),
    Fire(name="second", inputs=("current",), T=3, lo=0, hi=1, scale=1.0, dynamics=LIVE),
    Linear(name="head", inputs=("second",), out_channels=2, weight_bits=4),
    Readout(name="answer", inputs=("head",)),
)
TENSORS = {
    "each.weight": np.array([3, -3, 2, 1, 0, -1]),
    "current.multiplier": np.array([2, 1, 1, 1, 1, -1]),
    "current.offset": np.zeros(6, dtype=np.int64),
    "head.weight": np.array([[1, 2, 3, 4, 5, 6], [-1, 7, -7, 0, 1, 0]]),
}
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 1, 2, 3), dtype=np.uint8)


@pytest.fixture
def known() -> Iterator[None]:
    with OPS.added(Times.op, Times), OPS.added(Diagonal.op, Diagonal):
        yield


def net() -> FrozenGraph:
    return FrozenGraph(Graph("own", NODES), TENSORS)


def test_it_has_edges_and_ranges() -> None:
    made = net()
    assert made.graph.edges["tripled"] == Edge(shape=(1, 2, 3), T=3, lo=0, hi=9, scale=0.5)
    assert made.graph.edges["joined"].hi == 12
    assert made.ranges["tripled"] == (0, 9)
    assert made.ranges["each"] == (-36, 36)  # weights of -3 and 3, levels to 12
    with pytest.raises(UserError, match=r"diagonal each: got \(5,\); wants 6 elements"):
        NODES[5].infer(Edge(shape=(5,), T=1))


def test_the_oracle_runs_it() -> None:
    edges = oracle.run(net(), IMAGES)
    assert np.array_equal(edges["tripled"], 3 * edges["first"])
    assert edges["first"].any()
    assert np.array_equal(edges["each"], (4 * edges["first"]).reshape(3, 9, 6) * TENSORS["each.weight"])
    for name, (lo, hi) in net().ranges.items():
        assert lo <= edges[name].min()
        assert edges[name].max() <= hi


@pytest.mark.usefixtures("known")
def test_a_file_keeps_it(tmp_path: Path) -> None:
    save(net(), tmp_path / "own.bitspike")
    back = load(tmp_path / "own.bitspike")
    assert back.graph == net().graph
    assert to_bytes(back) == to_bytes(net())
    assert np.array_equal(oracle.logits(back, IMAGES), oracle.logits(net(), IMAGES))


def test_a_file_of_an_op_that_is_not_known(tmp_path: Path) -> None:
    with OPS.added(Times.op, Times), OPS.added(Diagonal.op, Diagonal):
        save(net(), tmp_path / "own.bitspike")
    with pytest.raises(UserError, match=r"graph nodes\[2\].op: got 'times'"):
        load(tmp_path / "own.bitspike")
    with pytest.raises(UserError, match=r"times tripled: got 'times'; .* register its class"):
        to_bytes(net())


def test_another_op_of_its_name_is_refused() -> None:
    with OPS.added(Times.op, Diagonal), pytest.raises(UserError, match="times tripled: got 'times'"):
        to_bytes(net())


@pytest.mark.usefixtures("known")
def test_its_own_checks_are_those_of_a_file(tmp_path: Path) -> None:
    from test_netfile import file_of, parts

    content = file_of(*parts(to_bytes(net())))
    (tmp_path / "own.bitspike").write_bytes(content.replace(b'\\"factor\\": 3', b'\\"factor\\": 0'))
    with pytest.raises(UserError, match=r"graph nodes\[2\]: times tripled: got 0; wants a factor of at least 1"):
        load(tmp_path / "own.bitspike")


def test_it_costs() -> None:
    graph = net().graph
    measured = Activity(
        images=1,
        source="made",
        synapses={"each": SynapseActivity(18, 8, 8, 20), "head": SynapseActivity(18, 5, 10, 10)},
        neurons={"first": NeuronActivity(18, 8, 10), "second": NeuronActivity(18, 5, 5)},
    )
    report = cost(graph, "exact", measured, energy_model="lemaire")
    layer = report.layers[0]
    assert (layer.op, layer.weights, layer.macs, layer.w, layer.s, layer.t) == ("diagonal", 6, 6, 3, 4, 3)
    assert layer.s_ace == 6 * 3 * 4 * 3
    assert report.total.weights == 6 + 12
    assert report.paths is not None
    (join,) = report.paths.joins
    assert (join.direct, join.residual, join.joined) == (8, 8, 16)
    assert report.energy is not None
    assert report.energy.snn is not None
    assert all(layer.total > 0 for layer in report.energy.snn.layers)
    assert cost(graph, "paper-000").layers[0].s == 2  # the spikes that arrive, through the op


def test_an_op_without_integers_is_refused_by_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Plain(Node):
        def infer(self, *edges: Edge) -> Edge:
            return edges[0]

    graph = Graph("plain", (NODES[0], Plain(name="odd", inputs=("image",))))
    flat = Reshape(name="flat", inputs=("odd",), shape=(6,))
    answer = Readout(name="answer", inputs=("flat",))
    with pytest.raises(UserError, match="plain odd: got 'Plain'; has no meaning in integers"):
        FrozenGraph(Graph("plain", (*graph.nodes, flat, answer)), {})
