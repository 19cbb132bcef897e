"""The picture of the two paths: what is drawn is what was measured."""

from dataclasses import replace

import pytest

from bitspike.costs import Join, Paths, cost
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, Graph, Input
from bitspike.reports.figures import figure

pytest.importorskip("matplotlib")


def report(*joins):
    """Of a network whose joins have these events: direct, residual, joined."""
    conv = Conv(name="a", inputs=("x",), out_channels=1, weight_bits=1, kernel_size=(1, 1))
    plain = cost(Graph("net", (Input(name="x", inputs=(), edge=Edge(shape=(1, 2, 2), T=1)), conv)))
    found = tuple(
        Join(name=f"{i}.add", direct=direct, residual=residual, joined=joined, barrier=None)
        for i, (direct, residual, joined) in enumerate(joins)
    )
    return replace(plain, activity="made", paths=Paths(joins=found, spikes=1.0, events=1.0))


def heights(axes):
    return [[bar.get_height() for bar in group] for group in axes.containers]


def test_bars_are_as_high_as_the_numbers():
    reports = {"sew": report((10, 20, 30), (5, 30, 35)), "sparse": report((11, 21, 19), (6, 19, 17))}
    drawn = figure("avalanche", reports)
    top, bottom = drawn.axes
    assert heights(top) == [[10, 30, 5, 35], [11, 19, 6, 17]]
    assert heights(bottom) == [[20, 30], [21, 19]]
    assert [label.get_text() for label in top.get_xticklabels()] == ["block_0", "sum_0", "block_1", "sum_1"]
    assert [label.get_text() for label in bottom.get_xticklabels()] == ["res_0", "res_1"]
    assert top.get_ylim()[1] >= 35
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["sew", "sparse"]


def test_what_was_not_measured_leaves_a_gap():
    top, bottom = figure("avalanche", {"one": report((None, 2.0, None))}).axes
    assert (heights(top), heights(bottom)) == ([[0, 0]], [[2]])


def test_a_network_without_sums_of_spikes_is_refused():
    with pytest.raises(UserError, match="run: got 'plain'; net adds no spikes; want a residual network"):
        figure("avalanche", {"sew": report((1, 2, 3)), "plain": report()})
