"""Models of SpikingJelly 2.0 and snnTorch 1.0, taken in: the same spikes at every layer and step, and C as the oracle.

Networks are compared in float64, where no sum of these weights comes near enough to a threshold to be rounded over it;
neurons alone on a coarse grid too, so that potentials meet the threshold exactly.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bitspike
from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.lowering import freeze
from bitspike.neurons import BaseNode, LeakyNode
from bitspike.quant import quantize_weights

pytestmark = pytest.mark.peer
REASON = "not installed here: `make test-peers` makes an environment that has it"
snntorch = pytest.importorskip("snntorch", reason=f"snntorch: {REASON}", exc_type=ImportError)
jelly = pytest.importorskip("spikingjelly.activation_based", reason=f"spikingjelly: {REASON}", exc_type=ImportError)
from snntorch import utils  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron, surrogate  # noqa: E402

IMAGES = torch.randint(0, 256, (1000, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tutorials(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return pytest.importorskip("peer_models")


def wide(net: nn.Module) -> nn.Module:
    """With weights that make its neurons fire."""
    torch.manual_seed(3)
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            fan = part.weight[0].numel()
            nn.init.normal_(part.weight, 0.5 / fan, 2 / fan**0.5)
    return net.eval()


@pytest.mark.parametrize("framework", ["snntorch", "spikingjelly"])
def test_a_tutorials_network_sends_the_same_spikes_and_ships(framework, tutorials):
    theirs, logits = tutorials.TUTORIALS[framework]()
    found = tutorials.compared(wide(theirs), logits, IMAGES, torch.float64, as_read=False)
    assert found["images_with_another_spike"] == 0
    rates = [made["spikes"] / made["elements"] for made in found["layers"].values()]
    assert all(0.01 < rate < 0.99 for rate in rates)
    ours = quantize_weights(bitspike.adopt(theirs), 4)
    tutorials.train(ours, lambda net, x: net(x).mean(0), IMAGES, torch.arange(1000) % 10, 3, lambda x: x, 1e-3)
    net = freeze(ours, (1, 28, 28))
    pixels = IMAGES[:100].numpy()
    assert np.array_equal(oracle.logits(net, pixels), backend("c").run(net, pixels))


def test_the_comparison_sees_another_neuron(tutorials, monkeypatch):
    theirs, logits = tutorials.TUTORIALS["snntorch"]()
    adopt = bitspike.adopt

    def other(model):
        made = adopt(model)
        made.get_submodule("1.lif2").mechanism = "zero"
        return made

    monkeypatch.setattr(bitspike, "adopt", other, raising=False)
    found = tutorials.compared(wide(theirs), logits, IMAGES[:100], torch.float64, as_read=False)
    assert found["layers"]["1.lif1"]["different"] == 0
    assert found["layers"]["1.lif2"]["different"] > 0


@pytest.mark.parametrize("grid", [True, False])
@pytest.mark.parametrize(("mechanism", "delay"), [*product(["subtract", "zero", "none"], [True, False])])
def test_leaky_neurons_send_the_same_spikes_and_learn_the_same(mechanism, delay, grid):
    draw = torch.Generator().manual_seed(0)
    for beta, threshold in product([0.95, 0.5, 1.0, 0.0], [1.0, 0.5, 0.37]):
        x = 1.5 * torch.randn(12, 5, 50, generator=draw)
        x = (x * 2).round() / 2 if grid else x
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        theirs = snntorch.Leaky(beta, threshold, reset_mechanism=mechanism, reset_delay=delay, learn_beta=True)
        mem, sent = theirs.reset_mem(), []
        for one in a:
            spikes, mem = theirs(one, mem)
            sent.append(spikes)
        model = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), theirs.requires_grad_())
        theirs.init_hidden = True
        (ours,) = (part for part in bitspike.adopt(model, T=12).modules() if isinstance(part, LeakyNode))
        made = ours(b)
        assert torch.equal(torch.stack(sent), made)
        weights = torch.randn(made.shape, generator=draw)
        ours_, theirs_ = ((y * weights).sum() for y in (made, torch.stack(sent)))
        mine = torch.autograd.grad(ours_, [b, *ours.parameters()])
        peers = torch.autograd.grad(theirs_, [a, theirs.beta])
        torch.testing.assert_close(mine, peers, rtol=1e-4, atol=1e-5)


JELLY = {
    "if": lambda reset: neuron.IFNode(0.8, reset, surrogate.ATan(), True),
    "lif": lambda reset: neuron.LIFNode(3.0, False, 0.7, reset, surrogate.Sigmoid()),
    "plif": lambda reset: neuron.ParametricLIFNode(2.5, True, 0.5, reset, surrogate.PiecewiseQuadratic()),
}


@pytest.mark.parametrize("kind", JELLY)
@pytest.mark.parametrize("reset", [None, 0.0, -0.3])
@pytest.mark.parametrize("mode", ["s", "m"])
def test_spikingjelly_neurons_keep_what_they_are(kind, reset, mode):
    theirs = nn.Sequential(layer.Flatten(), layer.Linear(784, 40), JELLY[kind](reset))
    wide(theirs)
    functional.set_step_mode(theirs, mode)
    ours = bitspike.adopt(theirs, T=5) if mode == "s" else bitspike.adopt(Repeated(theirs))
    x = ours.encoder(IMAGES[:200])[0]
    functional.reset_net(theirs)
    wanted = torch.stack([theirs(x) for _ in range(5)]) if mode == "s" else theirs(x[None].repeat(5, 1, 1, 1, 1))
    made = ours(IMAGES[:200])
    assert float((made != wanted).double().mean()) < 1e-4  # float32
    assert 0.02 < made.mean() < 0.98


class Repeated(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.unsqueeze(0).repeat(5, 1, 1, 1, 1))


def test_steps_that_a_container_merges():
    theirs = wide(
        nn.Sequential(
            layer.SeqToANNContainer(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)),
            neuron.IFNode(step_mode="m"),
            layer.SeqToANNContainer(nn.Flatten(), nn.Linear(4 * 26 * 26, 10)),
            neuron.LIFNode(step_mode="m"),
        )
    )
    ours = bitspike.adopt(Repeated(theirs))
    x = ours.encoder(IMAGES[:50])[0]
    made = ours(IMAGES[:50])
    assert float((made != theirs(x[None].repeat(5, 1, 1, 1, 1))).double().mean()) < 1e-3  # float32
    assert 0.02 < made.mean() < 0.98


def test_a_convolutional_network_of_a_sequential_with_hidden_states():
    theirs = wide(
        nn.Sequential(
            nn.Conv2d(1, 12, 5),
            snntorch.Leaky(0.5, init_hidden=True, reset_mechanism="zero"),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 5),
            snntorch.Leaky(0.5, init_hidden=True, graded_spikes_factor=0.5),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 10),
            snntorch.Leaky(0.5, init_hidden=True, output=True),
        )
    )
    ours = bitspike.adopt(theirs, T=6)
    x = ours.encoder(IMAGES[:50])[0]
    utils.reset(theirs)
    wanted = torch.stack([theirs(x)[0] for _ in range(6)])
    assert float((ours(IMAGES[:50]) != wanted).double().mean()) < 0.01  # float32
    net = freeze(quantize_weights(ours, 4), (1, 28, 28))
    pixels = IMAGES[:20].numpy()
    assert np.array_equal(oracle.logits(net, pixels), backend("c").run(net, pixels))
    assert sum(isinstance(part, BaseNode) for part in ours.modules()) == 3


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (lambda: snntorch.Synaptic(0.9, 0.8, init_hidden=True), "Synaptic of snntorch is not taken in"),
        (lambda: snntorch.RLeaky(0.9, init_hidden=True, linear_features=10), "RLeaky of snntorch is not taken in"),
        (lambda: snntorch.Leaky(torch.rand(10), init_hidden=True), "beta: got '10 numbers'"),
        (lambda: snntorch.Leaky(0.9, init_hidden=True, state_quant=lambda x: x), "state_quant"),
        (lambda: snntorch.Leaky(0.9, init_hidden=True, spike_grad=torch.sigmoid), "spike_grad"),
        (lambda: neuron.QIFNode(), "QIFNode of spikingjelly is not taken in"),
        (lambda: neuron.IzhikevichNode(), "IzhikevichNode of spikingjelly is not taken in"),
        (lambda: neuron.IFNode(surrogate_function=surrogate.ATan(spiking=False)), "surrogate_function"),
        (lambda: neuron.IFNode(step_mode="m"), "step_mode='m'"),
    ],
)
def test_what_has_no_counterpart_is_refused(part, says):
    with pytest.raises(UserError, match=says):
        bitspike.adopt(nn.Sequential(nn.Flatten(), nn.Linear(784, 10), part()), T=3)
