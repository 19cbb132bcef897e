"""A rule of one's own, from outside: a module becomes an op, and freezing makes of it what the rule says."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.frontend import WORDS, Word
from bitspike.ir import OPS, FrozenGraph, Node, Reshape, Times, TokenLinear
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import RULES, Maker, Reads, Rule, check_freezable, freeze, lower, rule_of
from bitspike.lowering.rules import passes_integers
from bitspike.lowering.values import Kind
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import quantize_weights

SHAPE = (2, 4, 4)


@dataclass(frozen=True, kw_only=True)
class Same(Reshape):
    """An op of one's own; its meaning is that of its base."""


class Squared(nn.Module):
    """A module of one's own, whose forward the front end would not read."""

    def forward(self, x):
        return torch.sqrt(x * x) * torch.sign(x)


def make(module, at):
    return Same(name=at.name, inputs=at.inputs, shape=at.edge.shape)


OWN = Rule(Same, {Squared: Maker(make, Reads.EITHER)}, passes_integers(), reads=Kind.CURRENT)


def network(*between: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return quantize_weights(
        nn.Sequential(
            Encoder(),
            OverTime(nn.Conv2d(2, 3, 3, padding=1, bias=False)),
            MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5),
            *between,
            OverTime(nn.Flatten(), nn.Linear(48, 5, bias=False)),
        ),
        4,
    ).eval()


def test_an_own_module_and_op_lower_and_freeze():
    model = network(Squared())
    with pytest.raises(UserError, match=r"operator: got 'mul'; wants options that are numbers \(in the forward of 3\)"):
        lower(model, SHAPE)
    with RULES.added("same", OWN):
        graph, frozen = lower(model, SHAPE), freeze(model, SHAPE)
    assert isinstance(graph["3"], Same)
    assert isinstance(frozen.graph["3"], Same)
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE), dtype=np.uint8)
    assert np.array_equal(oracle.logits(frozen, images), oracle.logits(freeze(network(), SHAPE), images))
    with pytest.raises(UserError, match="operator"):  # nothing stays
        lower(model, SHAPE)


def test_an_own_function_is_a_module():
    class Calls(nn.Module):
        def __init__(self):
            super().__init__()
            self.front, self.back = network()[:3], network()[3:]

        def forward(self, x):
            return self.back(torch.square(self.front(x)))

    with pytest.raises(UserError, match="operator: got 'square'"):
        lower(Calls(), SHAPE)
    with RULES.added("same", OWN), WORDS.added("square", Word(lambda input: Squared(), (torch.square,))):  # noqa: A006
        assert isinstance(lower(Calls(), SHAPE)["square"], Same)


def test_an_own_module_that_is_a_known_layer_goes_by_its_own_rule():
    class Mine(nn.ReLU):
        def forward(self, x):
            return torch.sqrt(x)

    with RULES.added("same", Rule(Same, {Mine: Maker(make, Reads.EITHER)}, passes_integers())):
        assert isinstance(lower(network(Mine()), SHAPE)["3"], Same)


def test_an_own_module_that_overrides_that_of_a_rule_is_refused():
    class Other(Squared):
        def forward(self, x):
            return x

    with RULES.added("same", OWN), pytest.raises(UserError, match="layer: got '3'; Other overrides forward of Squared"):
        lower(network(Other()), SHAPE)


def test_an_own_module_says_where_time_is():
    rule = Rule(Same, {Squared: Maker(make, Reads.MERGED, "put it elsewhere", "square")}, passes_integers())
    with RULES.added("same", rule):
        with pytest.raises(UserError, match=r"square 3: got '\[T, N, ...\]'; wants \[N, ...\]: put it elsewhere"):
            lower(network(Squared()), SHAPE)
        assert lower(network(OverTime(Squared())), SHAPE)


def test_an_op_without_integers_lowers_and_does_not_freeze():
    rule = Rule(Same, {Squared: Maker(make, Reads.EITHER)})
    with RULES.added("same", rule):
        graph = lower(network(Squared()), SHAPE)
        for freezes in (lambda: check_freezable(graph), lambda: freeze(network(Squared()), SHAPE)):
            with pytest.raises(UserError, match="same 3: got 'same'; cannot be frozen: it has no integer meaning"):
                freezes()


def test_an_op_without_a_rule_is_named():
    @dataclass(frozen=True, kw_only=True)
    class Unknown(Node):
        pass

    with pytest.raises(UserError, match="unknown mine: got 'unknown'; has no lowering rule"):
        rule_of(Unknown(name="mine", inputs=()))


def test_every_op_has_a_rule():
    assert {rule.op for rule in RULES.values()} == {*OPS.values(), Times, TokenLinear}  # these two freeze to others


BETWEEN = {
    "nothing": ((), True),
    "pool": ((OverTime(nn.AvgPool2d(1)),), True),
    "relu": ((nn.ReLU(),), False),
    "conv": ((OverTime(nn.Conv2d(3, 3, 1)),), False),
    "norm": ((OverTime(nn.BatchNorm2d(3)),), False),
    "pool of a sum": ((OverTime(nn.BatchNorm2d(3), nn.AvgPool2d(1)), MultiBitLIFNode(T=2, spike_bits=1)), True),
    "padded pool of a sum": ((OverTime(nn.BatchNorm2d(3), nn.AvgPool2d(3, 1, 1)),), False),
    "maximum of a sum": ((OverTime(nn.BatchNorm2d(3), nn.MaxPool2d(1)),), False),
    "neuron": ((OverTime(nn.BatchNorm2d(3)), MultiBitLIFNode(T=2, spike_bits=1)), True),
}


@pytest.mark.parametrize(("between", "freezes"), BETWEEN.values(), ids=BETWEEN)
def test_the_structure_tells_what_freezes(between, freezes):
    model = network(*between)
    graph = lower(model, SHAPE)
    if freezes:
        check_freezable(graph)
        assert isinstance(freeze(model, SHAPE), FrozenGraph)
        return
    with pytest.raises(UserError, match="got 'a current'") as before:
        check_freezable(graph)
    with pytest.raises(UserError) as after:
        freeze(model, SHAPE)
    assert str(before.value) == str(after.value)
