"""The picture of learned bits: every bar is a width of a layer."""

import pytest

from bitspike.costs import Activity, CostReport, NeuronActivity, SynapseActivity, cost
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, Fire, Graph, Input, SumTime
from bitspike.reports.figures import figure

pytest.importorskip("matplotlib")


def report(layers: dict[str, tuple[int, int, int]], measured: bool = True) -> CostReport:
    """A chain of neurons, squeeze and convolution, with these ``w, s, t``."""
    nodes = [Input(name="image", inputs=(), edge=Edge(shape=(1, 2, 2), T=1, lo=0, hi=1, scale=1.0))]
    for name, (w, s, t) in layers.items():
        nodes += [
            Fire(name=f"{name}.fire", inputs=(nodes[-1].name,), T=t, lo=0, hi=2**s - 1, scale=1.0),
            SumTime(name=f"{name}.sum", inputs=(f"{name}.fire",)),
            Conv(name=name, inputs=(f"{name}.sum",), out_channels=1, weight_bits=w, kernel_size=(1, 1)),
        ]
    graph = Graph("net", tuple(nodes))
    activity = Activity(
        images=1,
        source="one",
        synapses={name: SynapseActivity(4, 0, 0, 0) for name in layers},
        neurons={f"{name}.fire": NeuronActivity(4 * layers[name][2], 1, 1) for name in layers},
        weights={},
    )
    return cost(graph, "exact", activity if measured else None)


def heights(axes) -> list[list[float]]:
    return [[bar.get_height() for bar in group] for group in axes.containers]


def ticks(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


ONE = {"a": (6, 3, 2), "b": (1, 4, 3)}
OTHER = {"a": (2, 2, 1), "b": (3, 1, 1)}


def test_bars_are_as_high_as_the_widths():
    drawn = figure("bits", {"2/2/1": report(ONE), "1/1/1": report(OTHER)})
    weights, spikes, steps = drawn.axes
    assert heights(weights) == [[6, 1], [2, 3]]
    assert heights(spikes) == [[3, 4], [2, 1]]
    assert heights(steps) == [[2, 3], [1, 1]]
    assert (ticks(weights), ticks(spikes), ticks(steps)) == (["a", "b"], ["a.fire", "b.fire"], ["a.fire", "b.fire"])
    assert [axes.get_title() for axes in drawn.axes] == ["weight bits", "spike bits", "time steps"]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["2/2/1", "1/1/1"]


def test_no_bar_is_cut():
    for axes in figure("bits", {"one": report(ONE)}).axes:
        assert axes.get_ylim()[1] >= max(map(max, heights(axes)))


def test_a_layer_that_a_run_lacks_leaves_a_gap():
    weights, *_ = figure("bits", {"one": report(ONE), "less": report({"b": (5, 5, 5)})}).axes
    assert heights(weights) == [[6, 1], [0, 5]]


def test_a_run_that_was_not_finished_is_refused():
    with pytest.raises(UserError, match="run: got 'one'; nothing was measured"):
        figure("bits", {"one": report(ONE, measured=False)})
