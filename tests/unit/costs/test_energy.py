"""Energy: each formula by plain arithmetic on small layers, what holds on all, and the published 1.02 mJ."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.bits import BitPlan, Bits
from bitspike.costs import ENERGIES, Activity, NeuronActivity, SynapseActivity, ann_energy, energy, energy_model
from bitspike.costs.energy_lemaire import Arithmetic, Lemaire, Memories, ram
from bitspike.errors import UserError
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Edge,
    Fire,
    Graph,
    Input,
    Linear,
    MaxPool,
    Readout,
    Relu,
    Reshape,
    SumPool,
    SumTime,
)
from bitspike.lowering import lower
from bitspike.models import build_model

FIFO = 13.2 + 1.09e-5 * 1000 * 16  # pJ of an access to the buffer of spikes
PARTS = ("potentials", "weights", "bias", "in_out", "synaptic", "addressing")


def conv(name, source, channels, kernel=3, **options):
    options = {"padding": (kernel // 2,) * 2, "weight_bits": 16, **options}
    return Conv(name=name, inputs=(source,), out_channels=channels, kernel_size=(kernel, kernel), **options)


def fire(name, source, T=2, levels=3):
    return Fire(name=name, inputs=(source,), T=T, lo=0, hi=levels, scale=1 / levels)


def image(channels=2, side=4):
    return Input(name="x", inputs=(), edge=Edge(shape=(channels, side, side), T=1, lo=-128, hi=127, scale=1 / 64))


SMALL = Graph(
    "small",
    (
        image(),
        conv("a", "x", 3),
        Affine(name="a.norm", inputs=("a",)),
        fire("a.fire", "a.norm"),
        conv("b", "a.fire", 5, stride=(2, 2), bias=True),
        fire("b.fire", "b"),
        Reshape(name="flat", inputs=("b.fire",), shape=(20,)),
        Linear(name="c", inputs=("flat",), out_channels=7, weight_bits=16),
        Readout(name="out", inputs=("c",)),
    ),
)
"""2x4x4 pixels; a: 3 channels of 4x4, batch normed; b: 5 channels of 2x2, with a bias; c: 20 to 7, without."""

MEASURED = Activity(
    images=2,
    source="by hand",
    synapses={  # of both images and, but for the pixels, both steps
        "a": SynapseActivity(elements=64, events=48, sops=1000, additions=9000),
        "b": SynapseActivity(elements=192, events=60, sops=400, additions=600),
        "c": SynapseActivity(elements=80, events=16, sops=112, additions=224),
    },
    neurons={
        "a.fire": NeuronActivity(elements=192, spikes=60, level_sum=90),
        "b.fire": NeuronActivity(elements=80, spikes=16, level_sum=32),
    },
)


def by_name(network):
    return {layer.name: layer for layer in network.layers}


def check(layer, **picojoules):
    """Each part is as worked out, and the sums are sums."""
    assert set(picojoules) <= set(PARTS)
    for part in PARTS:
        expected = picojoules.get(part)
        got = getattr(layer, part)
        assert (got is None) == (expected is None), part
        assert got is None or got == pytest.approx(expected / 1000, rel=1e-12), part
    memory = [picojoules.get(part) or 0 for part in PARTS[:4]]
    assert (layer.memory or 0) == pytest.approx(sum(memory) / 1000)
    assert layer.total == pytest.approx(sum(picojoules.values()) / 1000)


def test_an_access_is_a_line_through_three_srams():
    """8 kB, 32 kB, 1 MB: 10, 20, 100 pJ in 45 nm; the published line has three digits."""
    bits = np.array([8e3, 32e3, 1e6]) * 8
    slope, base = np.polyfit(bits, [10, 20, 100], 1)
    assert (round(base, 1), round(slope, 7)) == (13.2, 1.09e-5)
    assert ram(1000, 16) == FIFO == pytest.approx(13.3744)


def test_an_analog_convolution_by_hand():
    """3/4 of the pixels are not 0: 0.75 * 2*3*9*16 multiply-accumulates, once; potentials as if at both steps."""
    layer = by_name(energy(SMALL, "lemaire", MEASURED).snn)["a"]
    macs = 0.75 * 2 * 3 * 9 * 16  # 648
    neurons = 2 * 3 * 4 * 4  # 96: T times 48 outputs
    check(
        layer,
        potentials=2 * (2 * macs + neurons) * (13.2 + 1.09e-5 * 48 * 16),
        weights=macs * (13.2 + 1.09e-5 * (3 * 2 * 9) * 16),
        bias=neurons * (13.2 + 1.09e-5 * 3 * 16),
        in_out=(24 + 30) * FIFO,  # pixels that are not 0, spikes sent
        synaptic=macs * 3.2 + neurons * 0.1 + 30 * 0.1,
        addressing=24 * (2 * 3.2 + 9 * 0.1),
    )


def test_a_spiking_convolution_by_hand():
    """30 spikes of up to 3 levels meet 5 channels of 3x3 at stride 2: 45 potentials each, but 4 * 5 outputs."""
    layer = by_name(energy(SMALL, "lemaire", MEASURED).snn)["b"]
    touched, neurons = 30 * 5 * 9, 2 * 5 * 2 * 2
    check(
        layer,
        potentials=2 * (touched + neurons) * (13.2 + 1.09e-5 * 20 * 16),
        weights=touched * (13.2 + 1.09e-5 * (5 * 3 * 9) * 16),
        bias=neurons * (13.2 + 1.09e-5 * 5 * 16),
        in_out=(30 + 8) * FIFO,
        synaptic=30 * (2 * 2) * 5 * 3 * 0.1 + neurons * 0.1 + 8 * 0.1,
        addressing=30 * (2 * 3.2 + 9 * 3 * 0.1),
    )


def test_a_spiking_linear_layer_by_hand():
    """Without a bias and without neurons behind it."""
    layer = by_name(energy(SMALL, "lemaire", MEASURED).snn)["c"]
    check(
        layer,
        potentials=2 * (8 * 7 + 2 * 7) * (13.2 + 1.09e-5 * 7 * 16),
        weights=8 * 7 * (13.2 + 1.09e-5 * 140 * 16),
        bias=0,
        in_out=8 * FIFO,
        synaptic=8 * 7 * 3 * 0.1,
        addressing=8 * 7 * 3 * 0.1,
    )


def test_an_ann_convolution_by_hand():
    macs, outputs = 5 * 3 * 9 * 4, 20
    check(
        by_name(ann_energy(SMALL, "lemaire"))["b"],
        weights=macs * (13.2 + 1.09e-5 * 135 * 16),
        bias=outputs * (13.2 + 1.09e-5 * 5 * 16),
        in_out=macs * (13.2 + 1.09e-5 * 48 * 16) + outputs * (13.2 + 1.09e-5 * 20 * 16),
        synaptic=macs * 3.2 + outputs * 0.1,
        addressing=(48 + 20 + 5 * 9) * 0.1,
    )


def test_an_ann_linear_layer_by_hand():
    check(
        by_name(ann_energy(SMALL, "lemaire"))["c"],
        weights=140 * (13.2 + 1.09e-5 * 140 * 16),
        bias=0,
        in_out=20 * (13.2 + 1.09e-5 * 20 * 16) + 7 * (13.2 + 1.09e-5 * 7 * 16),
        synaptic=140 * 3.2,
        addressing=140 * 0.1,
    )


def test_totals_are_sums():
    for name in ENERGIES:
        report = energy(SMALL, name, MEASURED)
        for network in (report.ann, report.snn):
            for part in (*PARTS, "memory", "total"):
                parts = [getattr(layer, part) for layer in network.layers]
                total = getattr(network.total, part)
                assert total is None if None in parts else total == pytest.approx(sum(parts))
        assert report.ratio == report.snn.total.total / report.ann.total.total


def test_constants_by_hand():
    """8-bit arithmetic, 8-bit memory, a fifo of 10, memories shared by the network, measured levels, a leak."""
    eight = by_name(energy(SMALL, "lemaire-int8", MEASURED).snn)["b"]
    assert eight.synaptic * 1000 == pytest.approx((30 * 4 * 5 * 3 + 40 + 8) * 0.03)
    small = by_name(energy(SMALL, energy_model("lemaire", memory_width=8, fifo=10), MEASURED).snn)["b"]
    assert small.in_out * 1000 == pytest.approx(38 * (13.2 + 1.09e-5 * 10 * 8))
    assert small.bias * 1000 == pytest.approx(40 * (13.2 + 1.09e-5 * 5 * 8))
    shared = Lemaire(memories=Memories(potentials=65536, weights=32768, biases=512))
    layer = by_name(energy(SMALL, shared, MEASURED).snn)["b"]
    assert layer.potentials * 1000 == pytest.approx(2 * (1350 + 40) * (13.2 + 1.09e-5 * 65536 * 16))
    assert layer.weights * 1000 == pytest.approx(1350 * (13.2 + 1.09e-5 * 32768 * 16))
    assert layer.bias * 1000 == pytest.approx(40 * (13.2 + 1.09e-5 * 512 * 16))
    level = by_name(energy(SMALL, energy_model("lemaire", spike_cost="level"), MEASURED).snn)["b"]
    assert level.synaptic * 1000 == pytest.approx((30 * 4 * 5 * 600 / 400 + 40 + 8) * 0.1)
    leaky = by_name(energy(SMALL, energy_model("lemaire", leak=True), MEASURED).snn)["b"]
    assert leaky.synaptic * 1000 == pytest.approx((30 * 4 * 5 * 3 + 40 + 8) * 0.1 + 40 * 3.2)
    assert Arithmetic(add=1, mul=2).mac == 3


def test_operations_alone_by_hand():
    snn = by_name(energy(SMALL, "horowitz", MEASURED).snn)
    check(snn["a"], synaptic=2 * 3 * 9 * 16 * 4.6)  # every pixel
    check(snn["b"], synaptic=200 * 0.9)
    check(by_name(energy(SMALL, "horowitz-int", MEASURED).snn)["b"], synaptic=200 * 0.1)
    check(by_name(energy(SMALL, "sop-77fj", MEASURED).snn)["b"], synaptic=200 * 0.077)
    for name, pj in (("horowitz", 4.6), ("horowitz-int", 3.2), ("sop-77fj", 25)):
        check(by_name(ann_energy(SMALL, name))["b"], synaptic=540 * pj)


def test_the_ann_of_paper_003():
    """40.82 M multiply-accumulates, two operations of 12.5 pJ each: 1.0205 mJ, with the 100 classes of CIFAR-100."""
    model = build_model("resnet20-thin", BitPlan(Bits(16, 1, 1)), sample=(3, 32, 32), num_classes=100)
    total = ann_energy(lower(model, (3, 32, 32)), "sop-77fj").total
    assert round(total.synaptic / 25e-3 / 1e6, 2) == 40.82
    assert round(total.total / 1e6, 4) == 1.0205


def residual(*behind):
    """Two paths of spikes, a from 2x4x4 pixels and b from a, added; then what the test puts behind."""
    return Graph(
        "residual",
        (
            image(),
            conv("a", "x", 3),
            fire("a.fire", "a"),
            conv("b", "a.fire", 3),
            fire("b.fire", "b"),
            Add(name="sum", inputs=("b.fire", "a.fire")),
            *behind,
        ),
    )


def activity(graph, rate=0.5, level=2):
    """Everything fires at ``rate``, as far as whole numbers go."""
    synapses, neurons = {}, {}
    for node in graph.synapses():
        edge = graph.input_edge(node)
        events = round(edge.size * edge.T * rate)
        synapses[node.name] = SynapseActivity(edge.size * edge.T, events, 5 * events, 5 * level * events)
    for node in graph.neurons():
        size = graph.edges[node.name].size * node.T
        neurons[node.name] = NeuronActivity(size, round(size * rate), level * round(size * rate))
    return Activity(images=1, source="made", synapses=synapses, neurons=neurons)


def test_both_paths_reach_the_layer_behind_a_sum():
    """48 + 48 spikes, not the 48 places and steps where one of them is; each of at most 3 levels, not 6."""
    graph = residual(conv("c", "sum", 2, 1), Readout(name="out", inputs=("c",)))
    layer = by_name(energy(graph, "lemaire", activity(graph)).snn)["c"]
    assert layer.in_out * 1000 == pytest.approx(96 * FIFO)
    assert layer.synaptic * 1000 == pytest.approx(96 * 2 * 3 * 0.1)
    level = by_name(energy(graph, energy_model("lemaire", spike_cost="level"), activity(graph)).snn)["c"]
    assert level.synaptic * 1000 == pytest.approx(48 * 2 * 2 * 0.1)  # as many levels as were measured


def test_a_barrier_by_hand():
    """Neurons that add spikes: 96 events each touch one potential; no weights, no bias."""
    graph = residual(fire("barrier", "sum"), conv("c", "barrier", 2, 1), Readout(name="out", inputs=("c",)))
    made = activity(graph)
    assert [layer.name for layer in energy(graph, "lemaire", made).snn.layers] == ["a", "b", "barrier", "c"]
    expected = {
        "potentials": 2 * (96 + 96) * (13.2 + 1.09e-5 * 48 * 16),
        "weights": 0,
        "bias": 0,
        "in_out": (96 + 48) * FIFO,
        "synaptic": (96 * 3 + 48) * 0.1,
        "addressing": 96 * (2 * 3.2 + 3 * 0.1),
    }
    check(by_name(energy(graph, "lemaire", made).snn)["barrier"], **expected)
    expected |= {"synaptic": (96 * 2 + 48) * 0.1, "addressing": 96 * (2 * 3.2 + 2 * 0.1)}
    check(by_name(energy(graph, energy_model("lemaire", spike_cost="level"), made).snn)["barrier"], **expected)
    for name in ("horowitz", "sop-77fj"):
        check(by_name(energy(graph, name, made).snn)["barrier"], synaptic=0)
    assert [layer.name for layer in ann_energy(graph, "lemaire").layers] == ["a", "b", "c"]


def test_a_shortcut_of_currents_is_a_layer_and_its_neurons_fire_once():
    graph = Graph(
        "shortcut",
        (
            image(),
            conv("a", "x", 3),
            fire("a.fire", "a"),
            conv("b", "a.fire", 3),
            fire("b.fire", "b"),
            conv("c", "b.fire", 3),
            conv("short", "a.fire", 3, 1),
            Add(name="sum", inputs=("c", "short")),
            fire("c.fire", "sum"),
        ),
    )
    layers = by_name(energy(graph, "lemaire", activity(graph)).snn)
    assert layers["short"].in_out * 1000 == pytest.approx(48 * FIFO)
    assert layers["c"].in_out * 1000 == pytest.approx((48 + 48) * FIFO)
    assert layers["short"].potentials * 1000 == pytest.approx(2 * (48 * 3 + 96) * (13.2 + 1.09e-5 * 48 * 16))


def test_a_pool_costs_nothing_and_its_reader_sees_what_comes_through():
    def graph(pool):
        nodes = (image(), conv("a", "x", 3), fire("f", "a"), pool, conv("b", "pool", 2), fire("g", "b"))
        return Graph("pooled", nodes)

    window = {"name": "pool", "inputs": ("f",), "kernel_size": (2, 2), "stride": (2, 2)}
    for pool, levels in ((MaxPool(**window), 3), (SumPool(**window), 12)):
        snn = energy(graph(pool), "lemaire", activity(graph(pool))).snn
        assert [layer.name for layer in snn.layers] == ["a", "b"]
        layer = by_name(snn)["b"]
        assert layer.in_out * 1000 == pytest.approx((12 + 8) * FIFO)
        assert layer.synaptic * 1000 == pytest.approx((12 * 9 * 2 * levels + 8) * 0.1)


def test_a_squeezed_map_is_read_once_and_held_by_neurons_of_other_steps():
    """Events as the reader saw them, of up to 2 * 3 levels; its neurons update at each of their own five steps."""
    nodes = (
        image(),
        fire("f", "x"),
        SumTime(name="s", inputs=("f",)),
        conv("a", "s", 3, 1),
        Relu(name="r", inputs=("a",)),
        fire("g", "r", T=5),
        Add(name="sum", inputs=("r", "r")),
        fire("h", "sum", T=4),
    )
    graph = Graph("squeezed", nodes)
    layer = by_name(energy(graph, "lemaire", activity(graph)).snn)["a"]
    events, sent = 16, 120 + 96
    check(
        layer,
        potentials=2 * (events * 3 + 5 * 48) * (13.2 + 1.09e-5 * 48 * 16),
        weights=events * 3 * (13.2 + 1.09e-5 * 6 * 16),
        bias=0,
        in_out=(events + sent) * FIFO,
        synaptic=(events * 3 * 6 + sent) * 0.1,
        addressing=events * (2 * 3.2 + 6 * 0.1),
    )


def test_activations_behind_neurons_are_multiplied_at_every_step():
    """Sums of spikes of different scales are on no grid: multiply-accumulates, at both steps."""
    nodes = (
        image(),
        conv("a", "x", 3),
        fire("f", "a"),
        fire("g", "a", levels=2),
        Add(name="sum", inputs=("f", "g")),
        MaxPool(name="pool", inputs=("sum",), kernel_size=(2, 2), stride=(2, 2)),
        conv("b", "pool", 2, 1),
        fire("h", "b"),
    )
    layer = by_name(energy(Graph("mixed", nodes), "lemaire", activity(Graph("mixed", nodes))).snn)["b"]
    macs = 0.5 * 3 * 2 * 4 * 2
    assert layer.synaptic * 1000 == pytest.approx(macs * 3.2 + 8 * 0.1)
    assert layer.potentials * 1000 == pytest.approx(2 * (macs + 16) * (13.2 + 1.09e-5 * 8 * 16))


def test_a_network_that_does_not_spike():
    nodes = (image(), conv("a", "x", 3), Relu(name="r", inputs=("a",)), Readout(name="out", inputs=("r",)))
    report = energy(Graph("plain", nodes), "lemaire")
    assert (report.snn, report.ratio, report.activity) == (None, None, None)
    assert report.ann.total.total > 0


@settings(deadline=None, max_examples=60)
@given(
    rates=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: sorted(r / 20 for r in pair)),
    name=st.sampled_from(sorted(ENERGIES)),
    spikes=st.sampled_from(["worst", "level"]),
)
def test_more_spikes_never_cost_less(rates, name, spikes):
    graph = residual(fire("barrier", "sum"), conv("c", "barrier", 2, 1, stride=(2, 2)), fire("d", "c"))
    by = energy_model(name, spike_cost=spikes if name.startswith("lemaire") else None)
    fewer, more = (energy(graph, by, activity(graph, rate)).snn for rate in rates)
    for a, b in zip(fewer.layers, more.layers, strict=True):
        assert a.total <= b.total
        assert all((getattr(a, part) or 0) <= (getattr(b, part) or 0) for part in PARTS)
    assert (fewer.total.total < more.total.total) == (rates[0] < rates[1])


@settings(deadline=None, max_examples=60)
@given(steps=st.integers(1, 6), levels=st.integers(1, 6))
def test_what_steps_and_levels_change(steps, levels):
    """The bias grows with the steps alone; the worst case with the levels alone, in operations and addresses."""

    def at(T, N):
        nodes = (image(), conv("a", "x", 3), fire("f", "a", T, N), conv("b", "f", 2, bias=True), fire("g", "b", T, N))
        graph = Graph("n", nodes)
        made = activity(graph, rate=0)
        made = replace(made, neurons={**made.neurons, "f": replace(made.neurons["f"], spikes=10, level_sum=10)})
        return by_name(energy(graph, "lemaire", made).snn)["b"]

    one, many, high = at(1, 1), at(steps, 1), at(1, levels)
    assert many.bias == pytest.approx(steps * one.bias)
    assert many.weights == one.weights == high.weights
    assert high.potentials == one.potentials
    for part in ("synaptic", "addressing"):
        assert getattr(high, part) >= getattr(one, part)
        assert (getattr(high, part) > getattr(one, part)) == (levels > 1)


@pytest.mark.parametrize(
    "planted",
    [
        {"spread": 9},  # the stride forgotten
        {"fan": 3},  # input channels for output channels
        {"taps": 3},
        {"biased": False},
        {"outputs": 80},  # places before the stride
        {"weights": 45},
    ],
    ids=str,
)
def test_a_planted_error_is_caught(monkeypatch, planted):
    """The arithmetic by hand of the spiking convolution fails where the shape is wrong."""
    layers = importlib.import_module("bitspike.costs.energy_layers")
    original = layers._layer
    test_a_spiking_convolution_by_hand()
    monkeypatch.setattr(layers, "_layer", lambda *a: replace(original(*a), **planted))
    with pytest.raises(AssertionError):
        test_a_spiking_convolution_by_hand()


def test_refusals():
    with pytest.raises(UserError, match="energy: got 'lemair'; did you mean 'lemaire'"):
        energy(SMALL, "lemair", MEASURED)
    with pytest.raises(UserError, match="energy: got 'lemaire'; energy needs measured spikes"):
        energy(SMALL, "lemaire")
    with pytest.raises(UserError, match="fifo: got 500; horowitz counts operations alone"):
        energy_model("horowitz", fifo=500)
    with pytest.raises(UserError, match="memory width: got 0; want 1 to 64 bits"):
        energy_model("lemaire", memory_width=0)
    with pytest.raises(UserError, match="fifo of the memory: got 0"):
        energy_model("lemaire", fifo=0)
    with pytest.raises(UserError, match="spike cost: got 'mean'; want worst"):
        energy_model("lemaire", spike_cost="mean")
    unknown = replace(MEASURED.synapses["b"], additions=None)
    without = replace(MEASURED, synapses={**MEASURED.synapses, "b": unknown})
    with pytest.raises(UserError, match="spike cost of b: got 'level'; the levels that it reads were not measured"):
        energy(SMALL, energy_model("lemaire", spike_cost="level"), without)
