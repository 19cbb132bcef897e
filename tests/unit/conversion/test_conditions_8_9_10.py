"""Conditions 8, 9 and 10 of paper 003's theorem, broken in whole converted networks: the check sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from networks import SHAPE, on_thresholds, pixels, qann
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike import UserError
from bitspike.backends import oracle
from bitspike.conversion import Converted, Equivalence, convert, equivalence, quantized, with_steps
from bitspike.ir import Conv, Fire, FrozenGraph, Graph, Node, Readout, Relu
from bitspike.ir.ranges import Range, Tensors
from bitspike.layers import OverTime, SqueezeTime
from bitspike.lowering import agreement
from bitspike.neurons import STBIFNode

Int = NDArray[np.int64]
IMAGES = pixels()
LABELS = np.arange(len(IMAGES)) % 5
NETWORKS = ["convnet", "resnet8-thin"]


@cache
def converted(name: str) -> Converted:
    return convert(qann(name), SHAPE)


def check(made: Converted, net: FrozenGraph | None = None, images: NDArray[np.uint8] = IMAGES) -> Equivalence:
    return equivalence(made.net if net is None else net, made.levels, images, LABELS)


def with_ops(net: FrozenGraph, edit: Callable[[Node], tuple[Node, ...]]) -> FrozenGraph:
    """The network with other ops in the place of each."""
    nodes = tuple(made for node in net.graph.nodes for made in edit(node))
    return FrozenGraph(Graph(net.graph.name, nodes), net.tensors)


# 8. The output is the sum of logits over time, without a neuron, after enough steps


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_8_too_few_steps_are_seen(name):
    made = converted(name)
    T_eq = check(made).T_eq
    for T in range(1, T_eq):
        assert not check(made, with_steps(made.net, T)).settled, T
    assert not check(made, with_steps(made.net, 2)).equal
    last = check(made, with_steps(made.net, T_eq + 1))
    assert last.equal
    assert last.settled == (T_eq + 1 > 4)


READOUTS = {
    "sum": lambda x: x.sum(0, keepdims=True),
    "mean": lambda x: x.sum(0, keepdims=True) // len(x),
    "last step": lambda x: x[-1:],
    "largest step": lambda x: x.max(0, keepdims=True),
}


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_condition_8_another_readout_than_the_sum_is_seen(monkeypatch, name, readout):
    """At one step, the QANN's, they are all the same."""
    exact = oracle.step

    def step(net: FrozenGraph, node: Node, images: NDArray[np.uint8], *x: Int) -> Int:
        return READOUTS[readout](x[0]) if isinstance(node, Readout) else exact(net, node, images, *x)

    monkeypatch.setattr(oracle, "step", step)
    for stop_when_settled in (False, True):
        made = converted(name)
        found = equivalence(made.net, made.levels, IMAGES, LABELS, stop_when_settled=stop_when_settled)
        assert not any(layer.unequal for layer in found.layers.values())
        assert found.equal == (readout == "sum")
        assert found.logits_equal == (found.images if readout == "sum" else 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_8_the_floats_add_up_and_their_mean_does_not(name):
    made, x = converted(name), torch.from_numpy(IMAGES)
    with torch.no_grad():
        assert torch.allclose(made.snn(x).sum(0), made.qann(x)[0], atol=1e-4)
        assert not torch.allclose(made.snn(x).mean(0), made.qann(x)[0], atol=1e-1)


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_8_a_neuron_at_the_output_is_refused(name):
    made = converted(name)
    spiking = next(node for node in made.net.graph.neurons())

    def edit(node: Node) -> tuple[Node, ...]:
        if not isinstance(node, Readout):
            return (node,)
        return replace(spiking, name="last", inputs=node.inputs), replace(node, inputs=("last",))

    with pytest.raises(UserError, match="neuron: got 'last'; the QANN has none there"):
        check(made, with_ops(made.net, edit))


def test_condition_8_a_mean_inside_of_the_network_is_refused():
    model = qann()
    model.classifier = nn.Sequential(SqueezeTime(), model.classifier)
    with pytest.raises(UserError, match=r"sumtime classifier\.0"):
        convert(model, SHAPE)


# 9. No dropout, no nonlinearity without a neuron; products need an op of their own, which we do not have


@pytest.mark.parametrize("layer", [nn.Dropout(), nn.Dropout2d()])
def test_condition_9_dropout_does_nothing_when_it_is_converted(layer):
    model = qann()
    model.features.insert(3, OverTime(layer))
    made = convert(model.train(), SHAPE)
    assert check(made).equal
    assert not made.snn.training


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_9_dropout_in_the_spiking_network_is_seen(monkeypatch, name):
    """A tenth of the currents of one synapse after the other; the QANN, one step, keeps all."""
    made, exact, drawn = converted(name), oracle.step, np.random.default_rng(0)
    for synapse in (node.name for node in made.net.graph.nodes if isinstance(node, Conv)):

        def step(net: FrozenGraph, node: Node, images: NDArray[np.uint8], *x: Int, at: str = synapse) -> Int:
            y = exact(net, node, images, *x)
            return y * (drawn.random(y.shape) > 0.1) if node.name == at and len(y) > 1 else y

        assert check(made).equal
        with monkeypatch.context() as patch:
            patch.setattr(oracle, "step", step)
            assert not check(made).equal, synapse


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_9_a_nonlinearity_between_neurons_is_seen(name):
    """A relu before a neuron changes nothing in the QANN, whose neurons are relus; step by step it does.

    But for the first neurons: what they read is the same at each step, until it ends.
    """
    made = converted(name)
    for neuron in [node.name for node in made.net.graph.neurons()][1:]:

        def edit(node: Node, at: str = neuron) -> tuple[Node, ...]:
            if node.name != at:
                return (node,)
            return Relu(name="odd", inputs=node.inputs), replace(node, inputs=("odd",))

        wrong = with_ops(made.net, edit)
        same = (quantized(net, made.levels) for net in (made.net, wrong))
        assert np.array_equal(*(oracle.logits(net, IMAGES) for net in same))
        assert not check(made, wrong).equal, neuron


class Applied(nn.Module):
    """A function where a layer is wanted."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: x * x, "mul"),
        (lambda x: torch.bmm(x, x), "bmm"),
        (lambda x: x.softmax(-1), "softmax"),
        (lambda x: F.gelu(x), "gelu"),
        (lambda x: F.relu(x), "relu"),
        (lambda x: F.dropout(x, training=True), "dropout"),
        (lambda x: x.abs(), "abs"),
        (lambda x: x + 1, "add"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_condition_9_functions_are_refused_by_name(function, named):
    model = qann("resnet8-thin")
    model.blocks[0] = nn.Sequential(model.blocks[0], Applied(function))
    with pytest.raises(UserError) as wrong:
        convert(model, SHAPE)
    assert named in str(wrong.value)
    assert "blocks.0.1" in str(wrong.value)


# 10. Floats drift, and flip neurons that sit on a threshold


COARSE = IMAGES // 32 * 32


def sums_of_spikes(model: nn.Module) -> dict[str, Tensor]:
    """What each layer of neurons sends in all, in the floats of a network."""
    sent: dict[str, Tensor] = {}
    neurons = {name: m for name, m in model.named_modules() if hasattr(m, "staircase")}
    for name, module in neurons.items():
        module.register_forward_hook(lambda m, _, y, name=name: sent.update({name: (y.sum(0) / m.scale).round()}))
    with torch.no_grad():
        model(torch.from_numpy(COARSE))
    return sent


@pytest.mark.parametrize("name", NETWORKS)
def test_condition_10_floats_do_not_add_up_where_integers_do(name):
    """Six parts of a current on a threshold do not reach it in float32, in a network that is converted rightly."""
    made = convert(on_thresholds(name), SHAPE)
    snn, network = sums_of_spikes(made.snn), sums_of_spikes(made.qann)
    assert sum(int((snn[layer] != level[0]).sum()) for layer, level in network.items()) > 100
    assert check(made, images=COARSE).equal
    drifted = agreement(made.snn, made.net, [torch.from_numpy(COARSE)])
    assert drifted.layers[0].own > 0
    assert drifted.layers[0].farthest_own < 1e-5  # of a threshold


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_condition_10_neurons_in_floats_are_seen(monkeypatch, dtype):
    """Only the neurons add in floats, with a threshold of 0.1; all else stays in integers."""
    made, exact = convert(on_thresholds("resnet8-thin"), SHAPE), Fire.step

    def step(node: Fire, tensors: Tensors, proven: Range, current: Int) -> Int:
        d = node.dynamics
        if node.T == 1 or d is None:
            return exact(node, tensors, proven, current)
        in_floats = torch.from_numpy(current).to(dtype) * (0.1 / (1 << d.fraction_bits))
        return (STBIFNode(node.T, 0.1, d.tracer)(in_floats) / 0.1).round().long().numpy()

    assert check(made, images=COARSE).equal
    monkeypatch.setattr(Fire, "step", step)
    found = check(made, images=COARSE)
    assert not found.equal
    assert 0 < sum(layer.unequal for layer in found.layers.values()) < 500  # those on a threshold, and those behind
