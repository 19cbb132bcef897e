"""Products of two edges in the native backend: every form of them, of any shape, is the oracle's."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import differences

from bitspike import native
from bitspike.backends import backend, oracle
from bitspike.backends.native import products, structs
from bitspike.backends.native.plan import plan
from bitspike.backends.native.structs import Form, Kind
from bitspike.ir import Affine, Edge, FrozenGraph, Graph, Input, MatMul, Node, Permute, Readout, Reshape

LEVELS = [level for level in native.Level if level <= native.detected() != native.Level.neon] or [native.Level.scalar]
pytestmark = pytest.mark.skipif(structs.library() is None, reason="no C library")


def network(shape: tuple[int, ...], lo: int, hi: int, T: int = 2, sign: int = 1, split: bool = False) -> FrozenGraph:
    """A train ``x``, times ``sign``, times itself turned round, and that times the train: wider and wider.

    Args:
        split: whether the train comes with its heads and rows on one axis, which a reshape takes apart.
    """
    heads, rows, columns = shape if len(shape) == 3 else (1, *shape)
    turned = (0, 2, 1) if len(shape) == 3 else (1, 0)
    came = (heads * rows, columns) if split else shape
    nodes: list[Node] = [Input(name="in", inputs=(), edge=Edge(shape=came, T=T, lo=lo, hi=hi, scale=1.0))]
    nodes += [
        Reshape(name="x", inputs=("in",), shape=shape),
        Affine(name="signed", inputs=("x",), fraction_bits=0),
        Permute(name="turned", inputs=("x",), axes=turned),
        MatMul(name="scores", inputs=("signed", "turned"), inner=columns),
        MatMul(name="mixed", inputs=("scores", "x"), inner=rows),
        Permute(name="back", inputs=("mixed",), axes=turned),
        *([MatMul(name="more", inputs=("back", "scores"), inner=rows)] if abs(sign) <= 3 else []),
        Reshape(name="flat", inputs=("more" if abs(sign) <= 3 else "back",), shape=(heads * rows * columns,)),
        Readout(name="logits", inputs=("flat",)),
    ]
    tensors = {"signed.multiplier": np.full(shape[0], sign), "signed.offset": np.zeros(shape[0], dtype=np.int64)}
    return FrozenGraph(Graph("products", tuple(nodes)), tensors)


def codes(net: FrozenGraph, count: int = 3) -> Any:
    sample = net.sample
    draw = np.random.default_rng(1)
    made = draw.integers(0, sample.hi - sample.lo + 1, (count, *sample.array_shape), dtype=np.uint8)
    made[0] = sample.hi - sample.lo
    return made


def forms(net: FrozenGraph, level: native.Level) -> list[Form]:
    made = [one for code in plan(net, level).codes for one in code.made if one.kind == Kind.MATMUL]
    return [Form(one.data[0].form) for one in made]


def check(net: FrozenGraph, level: native.Level) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.VARIABLE, level.name)
        shown = codes(net)
        wanted, logits = oracle.run(net, shown), oracle.logits(net, shown)
        runs = (
            threads
            for threads in (1, 2)
            if not np.array_equal(backend("native", threads=threads).run(net, shown), logits)
        )
        wrong = [f"logits by {threads} threads" for threads in runs]
        return wrong + list(differences(net, wanted, *backend("native").trace(net, shown)))


CASES = {  # shape, lo, hi, sign, split: form of the first product, by vector instructions and without them
    "spikes": (((8, 9, 16), 0, 1, 1, False), Form.BYTES, Form.SHORTS),
    "signed spikes": (((2, 5, 7), 0, 255, -1, False), Form.SHORTS, Form.SHORTS),
    "negative rows": (((3, 6, 5), 0, 60, -1, True), Form.BYTES_TURNED, Form.SHORTS),
    "negative lanes": (((4, 5), 0, 60, -1, False), Form.BYTES, Form.SHORTS),
    "both signs": (((16, 3, 9), -8, 7, 1, True), Form.SHORTS, Form.SHORTS),
    "one head": (((1, 33, 6), 0, 3, 1, False), Form.BYTES, Form.SHORTS),
    "full bytes": (((5, 4, 4), 0, 127, 1, False), Form.BYTES, Form.SHORTS),
    "wide": (((2, 4, 5), 0, 255, 300, False), Form.INTS, Form.INTS),
    "wider": (((3, 4, 5), 0, 255, 100_000, False), Form.LONGS, Form.LONGS),
}


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("name", CASES)
def test_every_form_is_the_oracle(name: str, level: native.Level) -> None:
    (shape, lo, hi, sign, split), vectors, plain = CASES[name]
    net = network(shape, lo, hi, sign=sign, split=split)
    assert not check(net, level)
    assert forms(net, level)[0] == (plain if level == native.Level.scalar else vectors)


@pytest.mark.skipif(native.detected() < native.Level.avx2, reason="no AVX2")
def test_sums_of_two_products_that_leave_16_bits_are_no_bytes_by_avx2() -> None:
    net = network((2, 4, 4), 0, 128, sign=-1)
    assert forms(net, native.Level.avx2)[0] == Form.SHORTS
    assert not check(net, native.Level.avx2)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_shape_and_range(data: st.DataObject) -> None:
    rank = data.draw(st.integers(2, 3))
    shape = tuple(data.draw(st.integers(1, most)) for most in (20, 9, 9)[:rank])
    lo = data.draw(st.sampled_from([0, 0, -1, -5, -128]))
    hi = lo + data.draw(st.integers(max(1, -lo), 255))
    sign = data.draw(st.sampled_from([1, -1, 3, -128, 40_000]))
    net = network(shape, lo, hi, data.draw(st.integers(1, 3)), sign, data.draw(st.booleans()) and rank == 3)
    assert not check(net, data.draw(st.sampled_from(LEVELS)))


def test_factors_are_read_where_they_were_made() -> None:
    """No stage puts them in order before; but one whose steps along an axis differ is needed."""
    stages = [[node.name for node in code.group.nodes] for code in plan(network((8, 9, 16), 0, 1), LEVELS[-1]).codes]
    assert not any("turned" in names for names in stages)
    net = network((4, 5), 0, 3)
    graph = net.graph
    mixed = Reshape(name="odd", inputs=("turned",), shape=(4, 5))
    nodes = [*graph.nodes[:4], mixed, Permute(name="again", inputs=("odd",), axes=(1, 0))]
    nodes += [
        MatMul(name="scores", inputs=("signed", "again"), inner=5),
        Reshape(name="flat", inputs=("scores",), shape=(16,)),
    ]
    nodes += [Readout(name="logits", inputs=("flat",))]
    other = FrozenGraph(Graph("odd", tuple(nodes)), net.tensors)
    assert any("turned" in [node.name for node in code.group.nodes] for code in plan(other, LEVELS[-1]).codes)
    for level in LEVELS:
        assert not check(other, level)


@pytest.mark.parametrize("part", ["apart", "term", "head", "first"])
def test_a_planted_error_is_seen(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def wrong(*given: Any) -> ctypes.Structure:
        made = original(*given)
        setattr(made, part, getattr(made, part) + 1)
        return made

    original = products._factor
    monkeypatch.setattr(products, "_factor", wrong)
    assert check(network((8, 9, 16), 0, 3, T=3), LEVELS[-1])
