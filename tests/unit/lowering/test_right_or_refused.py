"""Networks that were frozen as something else than they compute: hooks, parts that lie, and what reads no answer."""

import types

import numpy as np
import pytest
import torch
from torch import nn

from bitspike import neurons
from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime, mean_over_time
from bitspike.lowering import freeze, lower
from bitspike.quant import LSQ, UniformSymmetric, quantize_weights

SHAPE = (1, 8, 8)
IMAGES = torch.randint(0, 256, (20, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def lif():
    return neurons.MultiBitLIFNode(T=3, spike_bits=2, v_threshold=0.5)


class Net(nn.Module):
    """A network whose parts and whose end a test chooses."""

    def __init__(self, end=lambda self, spikes: self.head(spikes), neuron=lif, norm=nn.BatchNorm2d, quantizer=LSQ):
        super().__init__()
        torch.manual_seed(0)
        self.end, self.encoder, self.neuron = end, Encoder(), neuron()
        self.stem = OverTime(nn.Conv2d(1, 4, 3, padding=1, bias=False), norm(4))
        self.drop, self.keep = nn.Dropout(), nn.Identity()
        self.head, self.aux = (OverTime(nn.Flatten(), nn.Linear(256, 5)) for _ in range(2))
        quantize_weights(self, 4, quantizer=quantizer)
        self.eval()

    def forward(self, x):
        return self.end(self, self.keep(self.drop(self.neuron(self.stem(self.encoder(x))))))


def logits_apart(net):
    """How far integers are from floats, in parts of the largest logit."""
    frozen = freeze(net, SHAPE)
    with torch.no_grad():
        given = net.eval()(IMAGES)
    want = (mean_over_time(given) if given.ndim == 3 else given).double().numpy()
    assert want.std(0).max() > 0.01
    return np.abs(oracle.logits(frozen, IMAGES.numpy()) * frozen.logit_scale - want).max() / np.abs(want).max()


# Hooks

PARTS = ["neuron", "neuron.integrate", "neuron.store", "drop", "keep", "head.1.parametrizations.weight.0"]


@pytest.mark.parametrize("path", PARTS)
def test_a_hook_that_changes_what_a_part_sends_is_refused(path):
    net = Net()
    net.get_submodule(path).register_forward_hook(lambda module, read, sent: sent * 2)
    with pytest.raises(UserError, match=path.split(".")[0]):
        freeze(net, SHAPE)


@pytest.mark.parametrize("path", ["neuron", "neuron.store", "drop", "keep"])
def test_a_hook_that_changes_what_a_part_reads_is_refused(path):
    net = Net()
    net.get_submodule(path).register_forward_pre_hook(lambda module, read: (read[0] * 2,))
    with pytest.raises(UserError, match=path.split(".")[0]):
        freeze(net, SHAPE)


@pytest.mark.parametrize("path", ["neuron", "neuron.integrate", "stem", ""])
def test_a_hook_that_watches_is_none_of_the_network(path):
    net = Net()
    net.get_submodule(path).register_forward_hook(lambda module, read, sent: None)
    assert logits_apart(net) < 1e-5


class CalledNorm(nn.BatchNorm2d):
    def _call_impl(self, *read, **options):
        return super()._call_impl(*read, **options) * 2


def test_a_layer_that_is_called_otherwise_is_refused():
    with pytest.raises(UserError, match=r"stem\.1.*CalledNorm overrides _call_impl"):
        freeze(Net(norm=CalledNorm), SHAPE)


# What is in training


class Always(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(True)


def test_what_stays_in_training_is_refused_by_path_and_class():
    with pytest.raises(UserError, match=r"stem\.1.*Always"):
        lower(Net(norm=Always), SHAPE)
    net = Net()
    net.drop.train()
    with pytest.raises(UserError, match=r"drop.*Dropout"):
        freeze(net, SHAPE)


def test_a_network_in_training_is_frozen_as_it_evaluates():
    net = Net().train()
    trained = freeze(net, SHAPE)
    assert [net.training, net.drop.training] == [True, True]
    assert np.array_equal(
        oracle.logits(trained, IMAGES.numpy()), oracle.logits(freeze(net.eval(), SHAPE), IMAGES.numpy())
    )


# Neurons


class OtherScale(neurons.IFNode):
    scale = property(lambda self: 2.0)


class Called(neurons.IFNode):
    def _call_impl(self, *read, **options):
        return super()._call_impl(*read, **options) * 2


class Twice(nn.Module):
    retention, gain, offset = 1.0, 1.0, 0.0

    def forward(self, v, x):
        return v + 2 * x


class PerChannel(nn.Module):
    retention, offset = 1.0, 0.0

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, v, x):
        return v + self.gain * x


class Broken(nn.Module):
    retention, gain, offset = 1.0, 1.0, 0.0

    def forward(self, v, x):
        raise ValueError("no")


class Right(nn.Module):
    retention, gain, offset = 0.5, 2.0, 0.125

    def forward(self, v, x):
        return 0.5 * v + 2 * x + 0.125


def charged(integrate):
    node = neurons.IFNode(3)
    node.integrate = integrate
    return node


@pytest.mark.parametrize("part", [OtherScale, Called, Twice, PerChannel, Broken])
def test_neurons_that_do_something_else_than_they_say_are_refused(part):
    node = part(3) if issubclass(part, neurons.IFNode) else charged(part())
    with pytest.raises(UserError, match="neuron"):
        freeze(Net(neuron=lambda: node), SHAPE)


def test_a_charge_step_that_says_what_it_does_is_frozen():
    assert logits_apart(Net(neuron=lambda: charged(Right()))) < 1e-5


# Quantizers


class Louder(LSQ):
    def forward(self, weight):
        return super().forward(weight) * 1.5


class FewCodes(LSQ):
    def codes(self, weight):
        return super().codes(weight).clamp(-1, 1)


class WideStep(LSQ):
    def step_size(self, weight):
        return super().step_size(weight) * 2


class Centred(UniformSymmetric):
    def forward(self, weight):
        return super().forward(weight - weight.mean())


@pytest.mark.parametrize("quantizer", [Louder, FewCodes, WideStep, Centred])
def test_a_quantizer_whose_codes_are_not_its_weights_is_refused(quantizer):
    with pytest.raises(UserError, match=rf"conv stem\.0.*{quantizer.__name__}"):
        freeze(Net(quantizer=quantizer), SHAPE)


def test_one_that_was_given_another_forward_is_refused():
    net = Net()
    attached = net.head[1].parametrizations.weight[0]
    attached.forward = types.MethodType(lambda self, weight: weight, attached)
    with pytest.raises(UserError, match=r"linear head\.1.*LSQ"):
        freeze(net, SHAPE)


# The answer


def _answer_and_other_mean(self, spikes):
    answer = mean_over_time(self.head(spikes))
    self.seen = mean_over_time(self.aux(spikes))
    return answer


def _answer_and_later_layer(self, spikes):
    answer = self.head(spikes)
    self.seen = mean_over_time(self.aux(spikes))
    return answer


def _mean_and_later_sum(self, spikes):
    answer = mean_over_time(self.head(spikes))
    other = self.aux(spikes)
    self.seen = other + other
    return answer


@pytest.mark.parametrize("end", [_answer_and_other_mean, _answer_and_later_layer, _mean_and_later_sum])
def test_what_is_made_beside_the_answer_is_not_in_the_graph(end):
    net = Net(end)
    assert logits_apart(net) < 1e-5
    assert not [node.name for node in lower(net, SHAPE).nodes if node.name.startswith("aux")]


@pytest.mark.parametrize(
    "end",
    [
        lambda self, spikes: torch.relu(mean_over_time(self.head(spikes))),
        lambda self, spikes: mean_over_time(self.head(spikes)) + mean_over_time(self.aux(spikes)),
    ],
    ids=["relu", "sum"],
)
def test_what_reads_the_mean_over_time_is_refused(end):
    with pytest.raises(UserError, match=r"want the mean over time at the very end .in the forward of the model"):
        freeze(Net(end), SHAPE)
