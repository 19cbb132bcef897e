"""Edges: how many bits an integer range takes, and what is no edge."""

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError
from bitspike.ir import Edge

ends = st.lists(st.integers(-(2**20), 2**20), min_size=2, max_size=2).map(sorted)


@given(ends)
def test_bits_tell_every_level_apart(levels):
    lo, hi = levels
    assert Edge(shape=(1,), T=1, lo=lo, hi=hi).bits == max(1, ceil(log2(hi - lo + 1)))


def test_an_unquantized_value_counts_as_sixteen_bits():
    edge = Edge(shape=(2, 3, 4), T=5, lo=0, hi=3, scale=0.5)
    assert edge.size == 24
    assert edge.unquantized() == Edge(shape=(2, 3, 4), T=5)
    assert edge.unquantized((7,)) == Edge(shape=(7,), T=5)
    assert edge.unquantized().bits == FULL_PRECISION
    assert edge.reshaped((24,)) == Edge(shape=(24,), T=5, lo=0, hi=3, scale=0.5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"shape": ()}, "shape"),
        ({"shape": (3, 0)}, "shape"),
        ({"shape": (3, -1)}, "shape"),
        ({"T": 0}, "T"),
        ({"lo": 0}, "both ends or neither"),
        ({"hi": 1}, "both ends or neither"),
        ({"lo": 2, "hi": 1}, "lo <= hi"),
    ],
)
def test_what_is_no_edge(fields, says):
    with pytest.raises(UserError, match=says):
        Edge(**{"shape": (3,), "T": 1, **fields})
