"""Paper 000's neuron against its Eqs. 6 and 7 in integers: potentials are whole multiples of a power of two."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.neurons import MultiBitLIFNode

UNIT = 2.0**-8


def equations_6_and_7(current, spike_bits: int, tau: int, v_threshold: int, v_reset: int | None) -> list[Fraction]:
    """One neuron's spikes in rational numbers; every argument in units of 2^-8."""
    v, spikes = Fraction(v_reset or 0), []
    for x in current:
        u = v / tau + x
        level = min(max(floor(u / v_threshold), 0), 2**spike_bits - 1)
        spikes.append(Fraction(level * v_threshold))
        v = u - spikes[-1] if v_reset is None else (Fraction(v_reset) if level else u)
    return spikes


@pytest.mark.parametrize("spike_bits", range(1, 9))
@pytest.mark.parametrize("tau", [1, 2, 4])
@pytest.mark.parametrize("v_reset", [None, 0, -64])
@pytest.mark.parametrize("v_threshold", [256, 64, 32])
def test_equals_the_equations(spike_bits, tau, v_reset, v_threshold):
    T, neurons = 4, 40
    span = v_threshold << spike_bits
    x = np.random.default_rng(spike_bits).integers(-span // 4, span, size=(T, neurons)) // 32 * 32
    reset = None if v_reset is None else v_reset * UNIT
    node = MultiBitLIFNode(T, spike_bits, float(tau), v_threshold * UNIT, reset)
    ours = node(torch.from_numpy(x).float() * UNIT).numpy()
    expected = np.array([equations_6_and_7(column, spike_bits, tau, v_threshold, v_reset) for column in x.T]).T
    np.testing.assert_array_equal(ours, (expected * Fraction(UNIT)).astype(np.float32))


def test_the_equations_see_a_wrong_neuron():
    x = [700, 100, 200]
    ours = MultiBitLIFNode(3, 2, 2.0, 1.0, None)(torch.tensor(x)[:, None] * UNIT)[:, 0].tolist()
    assert ours == [float(s) * UNIT for s in equations_6_and_7(x, 2, 2, 256, None)]
    for wrong in [(1, 2, 256, None), (2, 1, 256, None), (2, 2, 256, 0), (2, 2, 128, None)]:
        assert ours != [float(s) * UNIT for s in equations_6_and_7(x, *wrong)]


@given(st.lists(st.integers(-2048, 2048), min_size=1, max_size=6), st.integers(1, 8), st.sampled_from([None, 0]))
def test_any_dyadic_current(current, spike_bits, v_reset):
    node = MultiBitLIFNode(len(current), spike_bits, 2.0, 64 * UNIT, v_reset)
    ours = node(torch.tensor(current, dtype=torch.float64)[:, None] * UNIT)[:, 0]
    expected = equations_6_and_7(current, spike_bits, 2, 64, v_reset)
    assert [Fraction(s) for s in ours.tolist()] == [s * Fraction(UNIT) for s in expected]
