"""The oracle computes each op in the narrowest type that its proof allows: no edge is another than in int64.

Random graphs have every op, wide and narrow numbers. A word or a kept type that is too narrow is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pytest
from random_graphs import FAMILIES, family, images, random_graph

from bitspike.backends import oracle
from bitspike.ir import FrozenGraph
from bitspike.ir.ranges import Int, Range

GRAPHS = 120


def wide_run(net: FrozenGraph, shown: np.ndarray) -> dict[str, Int]:
    """Every edge, with nothing but int64 from the weights to the logits."""
    edges: dict[str, Int] = {}
    for node in net.graph.nodes:
        tensors = net.graph.tensors_of(node, net.tensors)
        wide = {part: values.astype(np.int64) for part, values in tensors.items()}
        read = [edges[name] for name in node.inputs] if node.arity else [shown]
        edges[node.name] = node.step(wide, net.ranges[node.name], *read).astype(np.int64, casting="safe")
    return edges


def wrong_edges(net: FrozenGraph, shown: np.ndarray) -> list[str]:
    """The edges in which the oracle is not the run in int64, or beyond what was proven."""
    found, wanted = oracle.run(net, shown), wide_run(net, shown)
    return [
        name
        for name, (lo, hi) in net.ranges.items()
        if not np.array_equal(found[name], wanted[name]) or wanted[name].min() < lo or wanted[name].max() > hi
    ]


def with_words(net: FrozenGraph, words: Mapping[str, np.dtype]) -> FrozenGraph:
    object.__setattr__(net, "words", MappingProxyType(words))
    return net


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_a_random_graph_is_the_same_in_int64(seed: int) -> None:
    net = random_graph(seed)
    assert wrong_edges(net, images(net, seed)) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_the_same_in_int64(name: str) -> None:
    net = family(name, "2/2/1")
    assert wrong_edges(net, images(net)) == []
    kept = {values.dtype.name for values in oracle.run(net, images(net)).values()}
    assert "int8" in kept
    assert "int64" not in kept
    weights = [net.tensors[f"{node.name}.weight"] for node in net.graph.synapses()]
    assert {values.dtype.name for values in weights} == {"int8"}


def test_a_word_that_is_too_narrow_is_found() -> None:
    found = 0
    for seed in range(GRAPHS // 4):
        net = random_graph(seed)
        narrower = {name: np.dtype(f"int{max(8, word.itemsize * 4)}") for name, word in net.words.items()}
        try:
            found += bool(wrong_edges(with_words(net, narrower), images(net, seed)))
        except OverflowError:  # a constant of a neuron that the type does not hold is refused
            found += 1
    assert found > GRAPHS // 8


def test_the_narrowest_type_of_a_range() -> None:
    for bits in (8, 16, 32, 64):
        lo, hi = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        assert Range(lo, 0).dtype == Range(0, hi).dtype == Range(lo, hi).dtype == np.dtype(f"int{bits}")
        if bits < 64:
            assert Range(lo - 1, 0).dtype == Range(0, hi + 1).dtype == np.dtype(f"int{2 * bits}")
