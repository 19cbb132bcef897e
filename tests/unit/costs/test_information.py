"""Entropies: what weights and spikes carry, from counts to the report."""

import json
from dataclasses import replace
from math import log, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.costs import Activity, NeuronActivity, SynapseActivity, WeightCodes, cost, entropy
from bitspike.errors import UserError
from bitspike.ir import Conv, Edge, Fire, Graph, Input, Linear, Readout, Reshape


@pytest.mark.parametrize(
    ("counts", "bits"),
    [
        ((), 0.0),
        ((0, 0), 0.0),
        ((7,), 0.0),
        ((7, 0), 0.0),
        ((5, 5), 1.0),
        ((1, 1, 1, 1), 2.0),
        ((1, 3), 2 - 0.75 * log2(3)),
        ((4, 2, 1, 1), 1.75),
        ((1,) * 255, log2(255)),
    ],
)
def test_entropy_by_hand(counts, bits):
    assert entropy(*counts) == pytest.approx(bits, abs=1e-12)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_of_two_outcomes_it_is_equation_12_over_the_logarithm_of_2(ones, zeros):
    if ones + zeros == 0:
        return
    p = ones / (ones + zeros)
    printed = -sum(share * log(share) for share in (p, 1 - p) if share > 0)
    assert entropy(ones, zeros) == pytest.approx(printed / log(2), abs=1e-9)
    assert entropy(ones, zeros) == entropy(zeros, ones)
    assert 0 <= entropy(ones, zeros) <= 1 + 1e-12


CODES = WeightCodes(elements=10, positive=4, negative=5, entropy=1.36)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"elements": 0, "positive": 0, "negative": 0}, "0 of 0"),
        ({"elements": 8}, "9 of 8"),
        ({"positive": -1}, "whole numbers"),
        ({"negative": -1, "positive": 2}, "whole numbers"),
        ({"positive": 4.0}, "whole numbers"),
        ({"elements": True, "positive": 0, "negative": 0}, "whole numbers"),
        ({"entropy": -0.1}, "0 to 16 bits"),
        ({"entropy": 16.1}, "0 to 16 bits"),
        ({"entropy": float("nan")}, "0 to 16 bits"),
    ],
)
def test_impossible_counts_of_weights_are_refused(wrong, says):
    with pytest.raises(UserError, match=f"activity: got .*{says}"):
        replace(CODES, **wrong)


def net(widths=(8, 1, 1, 16)):
    first, second, third, last = widths
    return Graph(
        "net",
        (
            Input(name="image", inputs=(), edge=Edge(shape=(1, 4, 4), T=1, lo=0, hi=1, scale=1.0)),
            Conv(name="first", inputs=("image",), out_channels=2, weight_bits=first, kernel_size=(1, 1)),
            Fire(name="fire1", inputs=("first",), T=2, lo=0, hi=1, scale=1.0),
            Conv(name="second", inputs=("fire1",), out_channels=3, weight_bits=second, kernel_size=(1, 1)),
            Fire(name="fire2", inputs=("second",), T=2, lo=0, hi=1, scale=1.0),
            Reshape(name="flat", inputs=("fire2",), shape=(48,)),
            Linear(name="third", inputs=("flat",), out_channels=5, weight_bits=third),
            Fire(name="fire3", inputs=("third",), T=2, lo=0, hi=1, scale=1.0),
            Linear(name="last", inputs=("fire3",), out_channels=2, weight_bits=last),
            Readout(name="readout", inputs=("last",)),
        ),
    )


def activity(graph: Graph) -> Activity:
    """Of three images; rates of 1/2, 1/4 and 0."""
    edges = graph.edges
    synapses = {n.name: graph.input_edge(n) for n in graph.synapses()}
    sent = {"fire1": 96 * 2 // 2, "fire2": 144 * 2 // 4, "fire3": 0}
    return Activity(
        images=3,
        source="three",
        synapses={name: SynapseActivity(3 * edge.T * edge.size, 0, 0, 0) for name, edge in synapses.items()},
        neurons={n: NeuronActivity(3 * edges[n].T * edges[n].size, count, count) for n, count in sent.items()},
        weights={
            "first": WeightCodes(2, 1, 1, 1.0),
            "second": WeightCodes(6, 3, 3, 1.0),
            "third": WeightCodes(240, 60, 180, entropy(60, 180)),
        },
    )


def test_the_report_has_entropies_by_layer_and_their_means():
    graph = net()
    report = cost(graph, "exact", activity(graph))
    layers, neurons = ({part.name: part for part in parts} for parts in (report.layers, report.neurons))
    quarter = entropy(1, 3)
    assert {name: layer.weight_entropy for name, layer in layers.items()} == {
        "first": 1.0, "second": 1.0, "third": quarter, "last": None,
    }  # fmt: skip
    assert {name: layer.positive for name, layer in layers.items()} == {
        "first": 0.5, "second": 0.5, "third": 0.25, "last": None,
    }  # fmt: skip
    assert [neurons[name].entropy for name in ("fire1", "fire2", "fire3")] == pytest.approx([1.0, quarter, 0.0])
    assert [neurons[name].sparsity for name in ("fire1", "fire2", "fire3")] == [0.5, 0.75, 1.0]
    # over the weights of one bit (6 and 240), and over the neurons (32, 48 and 5)
    assert report.total.weight_entropy == pytest.approx((6 + 240 * quarter) / 246)
    assert report.total.spike_entropy == pytest.approx((32 + 48 * quarter) / 85)
    assert json.loads(json.dumps(report.to_dict()))["total"]["weight_entropy"] == report.total.weight_entropy


def test_without_weights_of_one_bit_there_is_no_mean_of_their_entropy():
    graph = net((8, 2, 2, 8))
    report = cost(graph, "exact", activity(graph))
    assert report.total.weight_entropy is None
    assert report.total.spike_entropy is not None


def test_an_activity_written_before_weights_were_counted_still_loads():
    raw = json.loads(json.dumps(activity(net()).to_dict()))
    del raw["weights"]
    old = Activity.from_dict(raw)
    assert old.weights == {}
    report = cost(net(), "exact", old)
    assert {layer.weight_entropy for layer in report.layers} == {None}
    assert report.total.weight_entropy is None
    assert report.total.spike_entropy is not None


def test_nothing_measured_is_not_an_entropy_of_zero():
    report = cost(net())
    assert {report.total.weight_entropy, report.total.spike_entropy} == {None}
    assert {neuron.entropy for neuron in report.neurons} == {None}
    assert {(layer.weight_entropy, layer.positive) for layer in report.layers} == {(None, None)}


@pytest.mark.parametrize(
    "weights",
    [
        [],
        {"second": None},
        {"second": {"elements": 6}},
        {"second": {**CODES.__dict__, "zeros": 1}},
        {"second": "codes"},
    ],
)
def test_malformed_weights_are_refused(weights):
    raw = {**activity(net()).to_dict(), "weights": weights}
    with pytest.raises(UserError, match=r"activity\.weights(\.second)?: got"):
        Activity.from_dict(raw)


def test_weights_read_back_what_was_written():
    written = activity(net())
    assert Activity.from_dict(json.loads(json.dumps(written.to_dict()))) == written
    assert written.weights["third"].positive == 60
