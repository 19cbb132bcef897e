"""A recurrent layer: its equation step by step, its graph, its integers, its cost."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike import UserError
from bitspike.backends import c, oracle
from bitspike.costs import cost
from bitspike.ir import Delay, FrozenGraph, Graph
from bitspike.layers import Encoder, OverTime, Recurrent, SqueezeTime, mean_over_time
from bitspike.lowering import agreement, freeze, lower, measure
from bitspike.neurons import BaseNode, IFNode, LIFNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

IMAGE = (2, 6, 6)
NODES = {
    "IF": lambda: IFNode(T=4),
    "LIF": lambda: LIFNode(T=4, tau=2.0, v_reset=None),
    "multi-bit": lambda: MultiBitLIFNode(T=4, spike_bits=2),
}


def network(node: str = "LIF", seed: int = 0) -> nn.Module:
    """Three recurrent layers: conv and batch norm, conv alone, linear; with statistics of random images."""
    torch.manual_seed(seed)
    make = NODES[node]
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    model = nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        Recurrent(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)), make()),
        OverTime(conv, nn.BatchNorm2d(4)),
        Recurrent(nn.Conv2d(4, 4, 1, groups=2), make()),
        nn.Flatten(2),
        nn.Linear(144, 8),
        Recurrent(nn.Linear(8, 8, bias=True), make()),
        nn.Linear(8, 3),
    )
    nn.init.uniform_(model[6].weight, -1, 1)
    quantize_weights(model, 4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 0.5)
    with torch.no_grad():
        model(pixels(32))
    return model.eval()


def pixels(count: int) -> Tensor:
    return torch.randint(0, 256, (count, *IMAGE), dtype=torch.uint8)


def by_hand(layer: Recurrent, current: Tensor) -> Tensor:
    """The neurons one step longer each time, fed what they sent before: no state is carried."""
    sent: list[Tensor] = []
    for t in range(layer.T):
        before = [torch.zeros_like(current[0]), *sent]
        fed = torch.stack([current[k % len(current)] + layer.feedback(before[k]) for k in range(t + 1)])
        padded = torch.cat([fed, torch.zeros(layer.T - t - 1, *fed.shape[1:])])
        sent.append(layer.node(padded)[t])
    return torch.stack(sent)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("steps", [1, 4])
def test_it_is_its_equation(node: str, steps: int) -> None:
    torch.manual_seed(0)
    layer = Recurrent(nn.Linear(5, 5), NODES[node]())
    current = torch.randn(steps, 3, 5) * 2
    found = layer(current)
    assert torch.equal(found, by_hand(layer, current))
    assert found.std() > 0
    assert not torch.equal(found, layer.node(current)), "the feedback does something"


def test_a_gradient_comes_back_through_the_loop() -> None:
    torch.manual_seed(0)
    layer = Recurrent(nn.Linear(5, 5), LIFNode(T=4))
    layer(torch.randn(4, 3, 5) * 2)[-1].sum().backward()
    assert layer.feedback.weight.grad is not None
    assert layer.feedback.weight.grad.abs().sum() > 0


def test_what_it_is_not_is_refused() -> None:
    with pytest.raises(UserError, match="node: got 'ReLU'; want neurons"):
        Recurrent(nn.Linear(2, 2), nn.ReLU())  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"feedback: got \(3, 4\); want \(3, 5\), the shape of the current"):
        Recurrent(nn.Linear(5, 4), IFNode(T=2))(torch.zeros(2, 3, 5))
    with pytest.raises(UserError, match="time steps of the current: got 3; the neurons run T=2"):
        Recurrent(nn.Linear(5, 5), IFNode(T=2))(torch.zeros(3, 3, 5))


def test_its_graph_has_a_delay_and_the_feedback_costs_at_each_step() -> None:
    graph = lower(network(), IMAGE)
    assert [delay.of for delay in graph.delays()] == ["2", "4", "7"]
    with torch.device("meta"):
        assert lower(network(), IMAGE).nodes == graph.nodes
    layers = {layer.name: layer for layer in cost(graph).layers}
    feedback = layers["2.feedback.0"]
    assert (feedback.macs, feedback.w, feedback.s, feedback.t) == (9 * 4 * 4 * 36, 4, 1, 4)
    assert feedback.s_ace == feedback.macs * 4 * 4
    assert layers["7.feedback"].macs == 64
    carried = cost(graph).memory[0].membranes
    neurons = 4 * (144 + 144 + 8)
    assert carried == neurons + (144 + 144 + 8) / 8, "what was sent is carried too: one bit each"


def test_its_spikes_are_counted() -> None:
    model, images = network(), pixels(20)
    graph = lower(model, IMAGE)
    activity = measure(model, graph, [images], "random")
    seen: list[int] = []
    model[7].feedback.register_forward_hook(lambda m, x, y: seen.append(int((x[0] != 0).sum())))  # type: ignore[union-attr]
    model(images)
    assert activity.synapses["7.feedback"].events == sum(seen) > 0
    assert len(seen) == 4
    report = cost(graph, activity=activity, energy_model="lemaire")
    assert {layer.name for layer in report.layers} >= {"2.feedback.0", "4.feedback", "7.feedback"}


def frozen(node: str) -> tuple[nn.Module, FrozenGraph, Tensor]:
    model, images = network(node), pixels(100)
    return model, freeze(model, IMAGE, "recurrent"), images


@pytest.mark.parametrize("node", NODES)
def test_its_integers_are_its_floats(node: str) -> None:
    model, net, images = frozen(node)
    found = agreement(model, net, [images])
    assert found.same_class >= 98
    assert all(layer.own <= layer.elements / 1000 for layer in found.layers)
    assert len([*net.graph.delays()]) == 3
    edges = oracle.run(net, images.numpy())
    assert all(np.ptp(edges[delay.name]) for delay in net.graph.delays())


def test_a_loop_of_other_weights_is_found() -> None:
    model, net, images = frozen("LIF")
    wrong = {**net.tensors, "4.feedback.weight": -net.tensors["4.feedback.weight"]}
    found = agreement(model, FrozenGraph(net.graph, wrong), [images])
    assert {layer.name: layer.own > 0 for layer in found.layers} == {"2": False, "4": True, "7": False}


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_c_computes_it() -> None:
    _, net, images = frozen("multi-bit")
    (logits,), edges = c.traced(net, images.numpy(), ["gcc"], "-O2")
    wanted = oracle.run(net, images.numpy())
    assert np.array_equal(logits, wanted[net.graph.nodes[-1].name][0])
    assert all(np.array_equal(edges[name], wanted[name]) for name in edges)
    assert {"2.before", "4.before", "7.before"} <= edges.keys()


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (lambda: Recurrent(nn.Linear(8, 8), IFNode(T=1)), "delay 3.before: got 'one step'; want at least 2"),
        (lambda: Recurrent(nn.Linear(8, 4), IFNode(T=4)), "add 3.add: got .*; wants two inputs of one shape"),
        (lambda: Recurrent(nn.Linear(7, 7), IFNode(T=4)), "linear 3.feedback: got '8 features'; wants 7"),
        (lambda: Recurrent(nn.Sequential(nn.Linear(8, 8), nn.Tanh()), IFNode(T=4)), "3.feedback.1.*Tanh has no op"),
        (lambda: Recurrent(nn.Sequential(nn.Linear(8, 8), IFNode(T=4)), IFNode(T=4)), "neuron 3.feedback.1: got"),
        (lambda: OverTime(Recurrent(nn.Linear(8, 8), IFNode(T=4))), "recurrent layer 3.0: got .*; wants"),
    ],
)
def test_what_has_no_graph_is_refused_by_path(layer: object, says: str) -> None:
    model = nn.Sequential(Encoder(), nn.Flatten(2), nn.Linear(72, 8), layer(), nn.Linear(8, 3))  # type: ignore[operator]
    with pytest.raises(UserError, match=says):
        lower(model, IMAGE)


def test_an_override_is_refused() -> None:
    class Other(Recurrent):
        def step(self, current, state, t=None):  # type: ignore[no-untyped-def]
            return super().step(2 * current, state, t)

    model = nn.Sequential(Encoder(), nn.Flatten(2), nn.Linear(72, 8), Other(nn.Linear(8, 8), IFNode(T=4)))
    with pytest.raises(UserError, match="layer: got '3'; Other overrides step of Recurrent"):
        lower(model, IMAGE)


def test_a_sum_over_time_behind_a_loop_is_not_frozen() -> None:
    loop = Recurrent(nn.Linear(8, 8), IFNode(T=4))
    model = nn.Sequential(Encoder(), nn.Flatten(2), nn.Linear(72, 8), loop, SqueezeTime(), nn.Linear(8, 3))
    quantize_weights(model, 4)
    graph: Graph = lower(model.eval(), IMAGE)
    assert any(isinstance(node, Delay) for node in graph.nodes)
    with pytest.raises(UserError, match="sumtime 4: got 'the sum over 4 steps'; it waits for the last"):
        freeze(model, IMAGE)


class InItsForward(nn.Module):
    """A recurrent layer that is called in a forward of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.linear = Encoder(), nn.Linear(72, 8)
        self.loop, self.head = Recurrent(nn.Linear(8, 8), IFNode(T=4)), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        return mean_over_time(self.head(self.loop(self.linear(self.encoder(images).flatten(2)))))


def test_it_is_read_from_a_forward() -> None:
    model = InItsForward()
    assert isinstance(model.loop.node, BaseNode)
    assert [node.name for node in lower(model, IMAGE).delays()] == ["loop.before"]
