"""Neurons from their configuration."""

import pytest
from pydantic import ValidationError

from bitspike.bits import Bits
from bitspike.errors import UserError
from bitspike.neurons import (
    ATan,
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    NeuronConfig,
    ParametricLIFNode,
    Sigmoid,
    StraightThrough,
    make_node,
)
from bitspike.neurons.integrate import LeakyIntegrate, ParametricLeakyIntegrate

KINDS = {"multibit": MultiBitLIFNode, "if": IFNode, "lif": LIFNode, "plif": ParametricLIFNode}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    node = make_node(NeuronConfig(kind=kind, v_reset=None, detach_reset=False), Bits(16, 1, 3))
    assert type(node) is KINDS[kind]
    assert (node.T, node.staircase.lo, node.staircase.hi) == (3, 0, 1)
    assert node.staircase.v_threshold == 1.0
    assert (node.v_reset, node.detach_reset) == (None, False)
    assert type(node.surrogate_function) is (StraightThrough if kind == "multibit" else Sigmoid)


@pytest.mark.parametrize("spike_bits", range(1, 9))
def test_an_alphabet_of_any_width_spans_zero_to_two(spike_bits):
    staircase = make_node(NeuronConfig(), Bits(2, spike_bits, 1)).staircase
    assert (staircase.lo, staircase.hi) == (0, 2**spike_bits - 1)
    assert (staircase.hi + 1) * staircase.v_threshold == 2.0
    assert staircase.scale == staircase.v_threshold


def test_constants_reach_the_node():
    config = NeuronConfig(
        kind="lif", tau=4.0, decay_input=True, v_threshold=0.75, v_reset=-0.5, surrogate_function="atan"
    )
    node = make_node(config, Bits(2, 1, 2))
    assert isinstance(node.integrate, LeakyIntegrate)
    assert (node.integrate.tau, node.integrate.decay_input, node.integrate.v_rest) == (4.0, True, -0.5)
    assert (node.staircase.v_threshold, node.v_reset, node.detach_reset) == (0.75, -0.5, True)
    assert isinstance(node.surrogate_function, ATan)
    learned = make_node(config.model_copy(update={"kind": "plif"}), Bits(2, 1, 2))
    assert isinstance(learned.integrate, ParametricLeakyIntegrate)
    assert learned.integrate.retention == pytest.approx(1 - 1 / 4)
    graded = make_node(config.model_copy(update={"kind": "multibit"}), Bits(2, 2, 2))
    assert (graded.integrate.retention, graded.staircase.scale) == (0.25, 0.75)


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
def test_a_binary_neuron_sends_one_bit(kind):
    with pytest.raises(UserError, match=f"spike bits: got 2; the {kind} neuron sends 1"):
        make_node(NeuronConfig(kind=kind), Bits(2, 2, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_no_neuron_here_has_membrane_bits(kind):
    with pytest.raises(UserError, match="membrane bits: got 8"):
        make_node(NeuronConfig(kind=kind), Bits(2, 1, 1, 8))


def test_misspellings_are_refused():
    with pytest.raises(UserError, match="did you mean 'sigmoid'"):
        make_node(NeuronConfig(surrogate_function="sigmod"), Bits(2, 1, 1))
    with pytest.raises(ValidationError):
        NeuronConfig(kind="izhikevich")
    with pytest.raises(ValidationError):
        NeuronConfig(v_thresold=1.0)
