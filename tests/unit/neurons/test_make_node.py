"""Neurons from their configuration."""

import pytest
from torch import nn

from bitspike.bits import Bits
from bitspike.errors import UserError
from bitspike.neurons import (
    ATan,
    IFNode,
    LIFNode,
    MultiBitLIFNode,
    MultiBitSettings,
    ParametricLIFNode,
    ParametricLIFSettings,
    QuantLIFNode,
    Sigmoid,
    StraightThrough,
    Triangle,
    make_node,
    neuron_settings,
)
from bitspike.neurons.integrate import LeakyIntegrate, ParametricLeakyIntegrate, RetainIntegrate
from bitspike.neurons.membrane import QuantizedCharge
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer

KINDS = {
    "multibit": MultiBitLIFNode,
    "if": IFNode,
    "lif": LIFNode,
    "plif": ParametricLIFNode,
    "quant-lif": QuantLIFNode,
}
SURROGATES = {"multibit": StraightThrough, "quant-lif": Triangle}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    node = make_node(neuron_settings(kind=kind, v_reset=None, detach_reset=False), Bits(16, 1, 3))
    assert type(node) is KINDS[kind]
    assert (node.T, node.staircase.lo, node.staircase.hi) == (3, 0, 1)
    assert node.staircase.v_threshold == 1.0
    assert (node.v_reset, node.detach_reset) == (None, False)
    assert type(node.surrogate_function) is SURROGATES.get(kind, Sigmoid)


@pytest.mark.parametrize("spike_bits", range(1, 9))
def test_an_alphabet_of_any_width_spans_zero_to_two(spike_bits):
    staircase = make_node(neuron_settings(), Bits(2, spike_bits, 1)).staircase
    assert (staircase.lo, staircase.hi) == (0, 2**spike_bits - 1)
    assert (staircase.hi + 1) * staircase.v_threshold == 2.0
    assert staircase.scale == staircase.v_threshold


def test_constants_reach_the_node():
    config = neuron_settings(
        kind="lif", tau=4.0, decay_input=True, v_threshold=0.75, v_reset=-0.5, surrogate_function="atan"
    )
    node = make_node(config, Bits(2, 1, 2))
    assert isinstance(node.integrate, LeakyIntegrate)
    assert (node.integrate.tau, node.integrate.decay_input, node.integrate.v_rest) == (4.0, True, -0.5)
    assert (node.staircase.v_threshold, node.v_reset, node.detach_reset) == (0.75, -0.5, True)
    assert isinstance(node.surrogate_function, ATan)
    learned = make_node(ParametricLIFSettings(**config.model_dump(exclude={"kind"})), Bits(2, 1, 2))
    assert isinstance(learned.integrate, ParametricLeakyIntegrate)
    assert learned.integrate.retention == pytest.approx(1 - 1 / 4)
    graded = make_node(MultiBitSettings(tau=4.0, v_threshold=0.75, v_reset=-0.5), Bits(2, 2, 2))
    assert (graded.integrate.retention, graded.staircase.scale) == (0.25, 0.75)


@pytest.mark.parametrize("kind", ["if", "lif", "plif", "quant-lif"])
def test_a_binary_neuron_sends_one_bit(kind):
    with pytest.raises(UserError, match=f"spike bits: got 2; the {kind} neuron sends 1"):
        make_node(neuron_settings(kind=kind), Bits(2, 2, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("u", range(2, 17))
def test_every_neuron_takes_membrane_bits(kind, u):
    node = make_node(neuron_settings(kind=kind), Bits(2, 1, 2, u))
    assert type(node) is KINDS[kind]
    assert type(node.store) is MembraneQuantizer
    assert node.membrane_bits == node.store.bits == u
    floats = make_node(neuron_settings(kind=kind), Bits(2, 1, 2))
    assert type(floats.store) is nn.Identity
    assert floats.membrane_bits is None


@pytest.mark.parametrize(
    ("reading", "store", "charge"),
    [
        ("carry", MembraneQuantizer, RetainIntegrate),
        ("carry-tanh", TanhMembraneQuantizer, RetainIntegrate),
        ("charge", nn.Identity, QuantizedCharge),
    ],
)
def test_the_reading_says_where_the_membrane_is_quantized(reading, store, charge):
    node = make_node(neuron_settings(kind="quant-lif", membrane=reading), Bits(1, 1, 2, 4))
    assert (type(node.store), type(node.integrate)) == (store, charge)
    assert node.membrane_bits == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reading", ["carry", "carry-tanh", "charge"])
def test_membrane_bits_are_2_to_16(kind, reading):
    config = neuron_settings(kind=kind, membrane=reading)
    with pytest.raises(UserError, match=r"membrane bits: got 1; want 2 to 16: .*its only level is 0"):
        make_node(config, Bits(2, 1, 1, 1))
    with pytest.raises(UserError, match="membrane bits: got 17; want a whole number from 2 to 16"):
        make_node(config, Bits(2, 1, 1, 17))


def test_misspellings_are_refused():
    with pytest.raises(UserError, match="did you mean 'sigmoid'"):
        make_node(neuron_settings(surrogate_function="sigmod"), Bits(2, 1, 1))
    with pytest.raises(UserError, match=r"^neuron\.kind: got 'izhikevich'; known: adaptive, "):
        neuron_settings(kind="izhikevich")
    with pytest.raises(UserError, match=r"^neuron\.membrane: got 'tanh'"):
        neuron_settings(membrane="tanh")
    with pytest.raises(UserError, match=r"^neuron\.v_thresold: got 1\.0; neuron\.kind=multibit does not read it"):
        neuron_settings(v_thresold=1.0)
