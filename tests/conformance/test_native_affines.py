"""Multiplications, shifts and additions in the native backend, of numbers of any size that a graph may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bitspike import native
from bitspike.backends import backend, oracle
from bitspike.backends.native import elements, structs
from bitspike.backends.native.plan import plan
from bitspike.backends.native.structs import Kind, Type
from bitspike.errors import UserError
from bitspike.ir import Add, Affine, Edge, FrozenGraph, Graph, Input, Node, Readout

LEVELS = [level for level in native.Level if level <= native.detected() != native.Level.neon] or [native.Level.scalar]
SHOWN = np.random.default_rng(0).integers(0, 256, (3, 2, 3, 4), dtype=np.uint8)
pytestmark = pytest.mark.skipif(structs.library() is None, reason="no C library")


def network(numbers: list[tuple[list[int], list[int], int]], added: bool) -> FrozenGraph:
    """An image that is multiplied, shifted and added to in turn, a multiplier and an offset for each channel; where
    ``added``, the first edge is added to the last."""
    edge = Edge(shape=(2, 3, 4), T=1, lo=-3, hi=252, scale=1.0)
    nodes: list[Node] = [Input(name="image", inputs=(), edge=edge)]
    tensors: dict[str, Any] = {}
    for at, (multiplier, offset, shift) in enumerate(numbers):
        nodes.append(Affine(name=f"a{at}", inputs=(nodes[-1].name,), fraction_bits=0, shift=shift))
        tensors |= {f"a{at}.multiplier": np.array(multiplier), f"a{at}.offset": np.array(offset)}
    if added:
        nodes.append(Add(name="sum", inputs=(nodes[-1].name, "a0")))
    nodes.append(Readout(name="logits", inputs=(nodes[-1].name,)))
    return FrozenGraph(Graph("affines", tuple(nodes)), tensors)


def differs(net: FrozenGraph, level: native.Level) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.VARIABLE, level.name)
        return not np.array_equal(backend("native", threads=1).run(net, SHOWN), oracle.logits(net, SHOWN))


def whole(most_bits: int) -> st.SearchStrategy[int]:
    """Numbers of either sign, as many of each size."""
    return st.integers(0, most_bits).flatmap(lambda bits: st.integers(-(2**bits), 2**bits))


AFFINE = st.tuples(
    st.lists(whole(45), min_size=2, max_size=2), st.lists(whole(45), min_size=2, max_size=2), st.integers(0, 30)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(AFFINE, min_size=1, max_size=3), st.booleans(), st.sampled_from(LEVELS))
def test_any_numbers(numbers: list[tuple[list[int], list[int], int]], added: bool, level: native.Level) -> None:
    try:
        net = network(numbers, added)
    except UserError:  # its sums leave 64 bits
        assume(False)
    assert not differs(net, level)


FAR = [([1 << 40, 1], [0, 0], 0), ([-3, -3], [0, 0], 30)]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_a_negative_multiplier_of_a_sum_of_64_bits(level: native.Level) -> None:
    """Of the two parts of such a multiplier one is almost 2^shift: its product would leave 64 bits."""
    net = network(FAR, added=False)
    assert Type.I64 in {code.type for code in plan(net, level).codes}
    assert not differs(net, level)


def test_a_product_of_parts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the backend did once, in 64 bits too."""

    def parts(row: Any, code: Any, node: Affine) -> int:
        m, b = (code.net.integers(f"{node.name}.{part}") for part in ("multiplier", "offset"))
        struct = structs.Affine(half=elements.half(node.shift), shift=node.shift, steps=1)
        rest = {"multiplier": m & ((1 << node.shift) - 1), "whole": m >> node.shift, "offset": b}
        number: int = row._emit(code, node, Kind.AFFINE, struct, rest if node.shift else {"multiplier": m, "offset": b})
        return number

    monkeypatch.setattr(elements.Multiplied, "write", parts)
    assert differs(network(FAR, added=False), native.Level.scalar)
