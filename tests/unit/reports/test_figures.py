"""Pictures: what is drawn is what was measured, and nothing global is touched."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from seen import faults, texts

from bitspike.costs import Activity, CostReport, NeuronActivity, SynapseActivity, WeightCodes, cost
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, Fire, Graph, Input
from bitspike.reports.figures import FIGURES, figure

pytest.importorskip("matplotlib")


def report(
    layers: tuple[str, ...] = ("a", "b"), w: int = 1, positive: int = 3, spikes: int = 4, measured: bool = True
) -> CostReport:
    """A chain of 1x1 convolutions on one pixel, each of 4 channels with ``positive`` of 4 weights above 0 per input."""
    nodes = [Input(name="image", inputs=(), edge=Edge(shape=(1, 2, 2), T=1, lo=0, hi=1, scale=1.0))]
    for name in layers:
        conv = Conv(name=name, inputs=(nodes[-1].name,), out_channels=1, weight_bits=w, kernel_size=(1, 1))
        nodes += [conv, Fire(name=f"{name}.fire", inputs=(name,), T=2, lo=0, hi=1, scale=1.0)]
    graph = Graph("net", tuple(nodes))
    if not measured:
        return cost(graph)
    edges = {node.name: graph.input_edge(node) for node in graph.synapses()}
    activity = Activity(
        images=2,
        source="two",
        synapses={name: SynapseActivity(2 * edge.T * edge.size, 0, 0, 0) for name, edge in edges.items()},
        neurons={f"{name}.fire": NeuronActivity(16, spikes, spikes) for name in layers},
        weights={name: WeightCodes(4, positive, 4 - positive, 0.5) for name in layers},
    )
    return cost(graph, "exact", activity)


def heights(drawn, row: int, column: int) -> list[list[float]]:
    """The heights of the bars, run by run."""
    return [[bar.get_height() for bar in group] for group in axes(drawn, row, column).containers]


def axes(drawn, row: int, column: int):
    return drawn.axes[2 * row + column]


def ticks(drawn, row: int) -> list[str]:
    return [label.get_text() for label in axes(drawn, row, 0).get_xticklabels()]


def test_bars_are_as_high_as_the_numbers():
    one, other = report(), report(positive=1, spikes=8)
    drawn = figure("information", {"with": one, "without": other})
    assert heights(drawn, 0, 0) == [[0.75, 0.75], [0.25, 0.25]]
    assert heights(drawn, 0, 1) == [[0.5, 0.5], [0.5, 0.5]]
    assert heights(drawn, 1, 0) == [[0.25, 0.25], [0.5, 0.5]]
    assert heights(drawn, 1, 1) == [[n.entropy for n in one.neurons], [1.0, 1.0]]
    assert ticks(drawn, 0) == ["a", "b"]
    assert ticks(drawn, 1) == ["a.fire", "b.fire"]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["with", "without"]


def test_bars_of_runs_stand_beside_each_other():
    drawn = figure("information", {name: report() for name in ("x", "y", "z")})
    edges = sorted(
        (bar.get_x(), bar.get_x() + bar.get_width()) for group in axes(drawn, 1, 0).containers for bar in group
    )
    assert len(edges) == 6
    for (_, end), (start, _) in pairwise(edges):
        assert start >= end - 1e-9
    middles = [sum(edges[i] for i in (0, 1)) / 2 for edges in (edges[1], edges[4])]
    assert middles == pytest.approx([0, 1])


def test_a_layer_that_a_run_lacks_leaves_a_gap():
    drawn = figure("information", {"both": report(("a", "b")), "one": report(("b", "c"))})
    assert ticks(drawn, 0) == ["a", "b", "c"]
    assert heights(drawn, 0, 0) == [[0.75, 0.75, 0.0], [0.0, 0.75, 0.75]]
    assert heights(drawn, 1, 0) == [[0.25, 0.25, 0.0], [0.0, 0.25, 0.25]]


def test_weights_of_more_bits_are_not_shown_among_those_of_one():
    drawn = figure("information", {"signs": report(), "floats": report(w=16)})
    assert heights(drawn, 0, 0) == [[0.75, 0.75], [0.0, 0.0]]
    only = figure("information", {"floats": report(w=16)})
    assert ticks(only, 0) == []
    assert [text.get_text() for text in axes(only, 0, 0).texts] == ["no such layer"]
    assert heights(only, 1, 0) == [[0.25, 0.25]]


def test_a_run_that_was_measured_before_weights_were_counted_leaves_gaps():
    old = report()
    old = replace(old, layers=tuple(replace(layer, positive=None, weight_entropy=None) for layer in old.layers))
    assert heights(figure("information", {"old": old}), 0, 0) == [[0.0, 0.0]]


def test_an_unknown_picture_and_an_unmeasured_run_are_refused():
    with pytest.raises(UserError, match="figure: got 'informations'; did you mean 'information'"):
        figure("informations", {"run": report()})
    with pytest.raises(UserError, match="run: got 'second'; nothing was measured"):
        figure("information", {"first": report(), "second": report(measured=False)})
    assert list(FIGURES) == ["avalanche", "bits", "information"]


def test_no_window_and_no_global_state():
    code = (
        "import sys; from bitspike.reports.figures import information; information({}); "
        "print('matplotlib.figure' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


# What stands beside the bars


def test_faults_are_found():
    drawn = figure("information", {"one": report()})
    assert faults(drawn) == []
    axes(drawn, 1, 1).legend(["here"], loc="center")
    axes(drawn, 0, 1).set_ylabel("")
    drawn.legends[0].set_loc("upper center")
    drawn.legends[0].set_bbox_to_anchor((2, 2))
    assert faults(drawn) == ["out of the picture", "on axis 3", "axis 1 has no label"]


@pytest.mark.parametrize("name", ["information", "bits"])
@pytest.mark.parametrize("length", [1, 40, 250])
@pytest.mark.parametrize("runs", [1, 2, 4, 12])
def test_the_legend_has_room_of_its_own(name: str, runs: int, length: int):
    drawn = figure(name, {f"{index}{'y' * length}": report() for index in range(runs)})
    assert faults(drawn) == []
    assert [text.replace("\n", "") for text in texts(drawn)] == [f"{index}{'y' * length}" for index in range(runs)]


def test_a_name_stands_as_it_is():
    assert texts(figure("bits", {"_a": report(), "$x$": report()})) == ["_a", "$x$"]
    assert faults(figure("bits", {"_a": report(), "$x": report()})) == []


def test_the_picture_says_which_images():
    one, other = report(), replace(report(), activity="5 images: of cifar10")
    assert figure("bits", {"one": one, "two": one}).get_suptitle() == "Bits, layer by layer\n2 images: two"
    assert texts(figure("information", {"one": one, "two": one})) == ["one", "two"]
    drawn = figure("bits", {"one": one, "two": other})
    assert drawn.get_suptitle() == "Bits, layer by layer"
    assert texts(drawn) == ["one (2 images: two)", "two (5 images: of cifar10)"]
