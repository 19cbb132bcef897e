"""A network at another size has the same integers; what depends on the size is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.ir import (
    Affine,
    Concat,
    Conv,
    Delay,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Permute,
    Readout,
    Reshape,
    SumPool,
    Upsample,
    load,
    resized,
    save,
    tensor_shapes,
)

PLAIN = Dynamics(fraction_bits=8, leak_multiplier=1, leak_shift=0, v_reset=0)


def one(name: str, source: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputs": (source,), **fields}


def network(size: tuple[int, int] = (8, 12), *more: Node) -> FrozenGraph:
    """Down, up again, joined; an output of each scale."""
    window: dict[str, Any] = {"kernel_size": (3, 3), "padding": (1, 1)}
    nodes: tuple[Node, ...] = (
        Input(name="image", inputs=(), edge=Edge(shape=(3, *size), T=1, lo=-128, hi=127, scale=0.0078125)),
        Conv(**one("stem", "image", out_channels=4, weight_bits=3, **window)),
        Affine(**one("stem.current", "stem", fraction_bits=8)),
        Fire(**one("one", "stem.current", T=2, lo=0, hi=3, scale=0.5, dynamics=PLAIN)),
        MaxPool(**one("pool", "one", kernel_size=(2, 2), stride=(2, 2))),
        Conv(**one("deep", "pool", out_channels=5, weight_bits=3, **window)),
        Affine(**one("deep.current", "deep", fraction_bits=8)),
        Fire(**one("two", "deep.current", T=2, lo=0, hi=1, scale=0.5, dynamics=PLAIN)),
        Upsample(**one("up", "two", factor=(2, 2))),
        Concat(name="both", inputs=("up", "one")),
        Linear(**one("head", "both", out_channels=6, weight_bits=3)),
        Affine(**one("head.current", "head", fraction_bits=8)),
        *more,
        Readout(**one("large", "head.current")),
        Readout(**one("small", "two", over="last")),
    )
    return filled(nodes)


def filled(nodes: tuple[Node, ...]) -> FrozenGraph:
    graph, rng = Graph("net", nodes), np.random.default_rng(0)
    shapes = {name: shape for node in nodes for name, shape in tensor_shapes(graph, node).items()}
    tensors = {name: rng.integers(-3, 4, shape) for name, shape in shapes.items()}
    return FrozenGraph(graph, tensors, "digits")


@settings(max_examples=25)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_it_is_the_network_of_that_size(rows: int, columns: int) -> None:
    net, size = network(), (2 * rows, 2 * columns)
    found = resized(net, size)
    assert found.sample.shape == (3, *size)
    assert [edge.shape for edge in found.graph.outputs] == [(6, *size), (5, rows, columns)]
    assert {name: values.tolist() for name, values in found.tensors.items()} == {
        name: values.tolist() for name, values in net.tensors.items()
    }
    assert found.ranges == net.ranges
    images = np.random.default_rng(rows).integers(0, 256, (2, 3, *size), dtype=np.uint8)
    for ours, theirs in zip(oracle.outputs(found, images), oracle.outputs(network(size), images), strict=True):
        assert np.array_equal(ours, theirs)


def test_an_image_in_a_larger_one_gives_the_same_far_from_the_border() -> None:
    net, image = network((16, 16)), np.random.default_rng(1).integers(0, 256, (1, 3, 24, 24), dtype=np.uint8)
    large = oracle.outputs(resized(net, (24, 24)), image)[0]
    small = oracle.outputs(net, image[:, :, 4:20, 4:20])[0]
    assert np.array_equal(large[:, :, 12:16, 12:16], small[:, :, 8:12, 8:12])


def test_it_comes_back_from_its_file(tmp_path: Any) -> None:
    found = resized(network(), (4, 6))
    save(found, tmp_path / "net.bitspike")
    assert load(tmp_path / "net.bitspike").graph == found.graph
    assert resized(found, (8, 12)).graph == network().graph


def behind(*nodes: Node) -> FrozenGraph:
    """The network with other ops at its end."""
    net = network()
    kept = net.graph.nodes[:-2]
    return filled((*kept, *nodes, Readout(**one("answer", nodes[-1].name))))


REFUSED = {
    "a shape": (
        behind(Reshape(**one("flat", "two", shape=(5 * 24,)))),
        (8, 14),
        r"reshape flat: got \(120,\); .*numbers",
    ),
    "a mean over the map": (
        behind(SumPool(**one("mean", "two", kernel_size=(4, 6), stride=(1, 1)))),
        (16, 16),
        r"sumpool mean: got \(4, 6\); it is the mean over the whole map",
    ),
    "an axis": (
        behind(Permute(**one("turned", "two", axes=(2, 0, 1)))),
        (8, 16),
        "permute turned: .*its channels depend",
    ),
    "sides that do not meet": (network(), (7, 12), "concat both: .*channels alone"),
    "a window that does not fit": (
        behind(MaxPool(**one("window", "two", kernel_size=(3, 3), stride=(2, 2)))),
        (4, 4),
        "maxpool window: .*3x3 window is larger",
    ),
    "no size": (network(), (0, 12), r"size: got \(0, 12\)"),
    "half a size": (network(), (8.0, 12), "size: got"),
    "one side": (network(), (8,), "size: got"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_size_is_refused_by_name(name: str) -> None:
    net, size, says = REFUSED[name]
    with pytest.raises(UserError, match=says):
        resized(net, size)  # type: ignore[arg-type]


def test_loops_and_signals_have_one_size() -> None:
    shape = (4, 8, 12)
    edge = Edge(shape=shape, T=2, lo=0, hi=3, scale=0.5)
    delay = Delay(name="before", inputs=(), of="one", edge=edge)
    net = network()
    looped = FrozenGraph(Graph("net", (net.graph.nodes[0], delay, *net.graph.nodes[1:])), dict(net.tensors))
    with pytest.raises(UserError, match=r"delay before: .* a network with loops has one size"):
        resized(looped, (16, 16))
    signal = replace(net.graph.nodes[0], edge=Edge(shape=(3, 12), T=1, lo=0, hi=255))
    plain = FrozenGraph(Graph("net", (signal, Readout(**one("answer", "image")))), {})
    with pytest.raises(UserError, match=r"input image: got \(3, 12\); want an input of shape \(C, H, W\)"):
        resized(plain, (4, 4))
