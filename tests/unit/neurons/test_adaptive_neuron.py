"""The neuron of paper 001, step by step, and its gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime, SqueezeTime
from bitspike.lowering import freeze, lower
from bitspike.neurons import AdaptiveIFNode
from bitspike.quant import quantize_weights


def node(T: int = 2, bits: int = 2, step: float = 0.5, **options) -> AdaptiveIFNode:
    made = AdaptiveIFNode(T, 4, bits, 6, **options)
    with torch.no_grad():
        for quantizer in made.quantizers:
            quantizer.step.fill_(step)
            quantizer.started.fill_(True)
    return made.double()


def by_hand(x: float, T: int, bits: int, step: float, tau: float, rounds: bool) -> list[float]:
    """Eqs. 13 and 14 in plain Python, for a current that is held."""
    residual, sent = 0.0, []
    for t in range(T):
        u = residual / tau + x if t else x
        level = min(max(math.floor(u / step + (0.5 if rounds else 0.0)), 0), 2**bits - 1)
        sent.append(level * step)
        residual = u - level * step
    return sent


@given(
    st.integers(-20, 40),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([1.0, 2.0]),
    st.booleans(),
)
def test_spikes_are_the_equations(sixteenths, T, bits, step, tau, rounds):
    x = sixteenths / 16
    made = node(T, bits, step, tau=tau, rounds=rounds)
    sent = made(torch.full((1, 1, 1), x, dtype=torch.float64))
    assert sent.flatten().tolist() == by_hand(x, T, bits, step, tau, rounds)


def test_the_gradient_to_the_steps_is_that_of_a_mean():
    made = node(T=2)
    x = torch.rand(1, 50, 3, dtype=torch.float64)
    sent = made(x)
    SqueezeTime()(sent).sum().backward()
    assert float(made.learned_T.grad) == pytest.approx(-float(sent.detach().sum()) / 4, rel=1e-12)


def test_the_residual_is_detached_and_every_step_reaches_the_current():
    """Inside the alphabet each of the T spikes has slope 1 to its own step's current: T/T in the mean."""
    made = node(T=3, bits=6, step=0.25)
    x = (torch.rand(1, 20, dtype=torch.float64) + 0.3).requires_grad_()  # no residual takes it below 0
    SqueezeTime()(made(x)).sum().backward()
    assert torch.allclose(x.grad, torch.ones_like(x))


def test_steps_and_alphabet_follow_what_is_learned():
    made = node(T=2, bits=2)
    assert (made.T, made.staircase.lo, made.staircase.hi, made.staircase.scale) == (2, 0, 3, 0.5)
    with torch.no_grad():
        made.learned_T.fill_(3.4)
        made.quantizers[0].learned_bits.fill_(4.6)
    assert (made.T, made.staircase.hi) == (3, 31)


def test_each_step_may_have_a_threshold_and_bits_of_its_own():
    made = node(T=3, bits=4, per_step=True).eval()
    with torch.no_grad():
        for quantizer, step, bits in zip(made.quantizers, (0.5, 0.25, 2.0, 1.0), (1, 3, 6, 2), strict=True):
            quantizer.step.fill_(step)
            quantizer.learned_bits.fill_(bits)
    sent = made(torch.full((1, 1, 1), 0.9, dtype=torch.float64)).flatten().tolist()
    assert sent == [0.5, 1.25, 0.0]  # u = 0.9; 1.3; 0.95 of V = 0.5, 0.25, 2
    assert (made.staircase.hi, made.scale) == (63, None)
    with torch.no_grad():
        made.learned_T.fill_(2.0)
    assert made.staircase.hi == 7


def test_a_step_that_no_training_has_set_is_no_known_value():
    fresh = AdaptiveIFNode(2, 3, 4, 6)
    assert fresh.scale is None
    fresh(torch.rand(1, 4, 3))
    assert fresh.scale == float(fresh.quantizers[0].step.detach())


def test_the_eye_keeps_two_bits():
    assert AdaptiveIFNode(1, 1, 1, 1, signed=True).staircase.lo == -1


@pytest.mark.parametrize("most_T", [1, True, 2.5])
def test_a_bound_below_the_start_is_refused(most_T):
    with pytest.raises(UserError, match="most_T"):
        AdaptiveIFNode(2, most_T, 4, 6)


def test_per_step_thresholds_are_lowered_but_do_not_freeze():
    squeezed = torch.nn.Sequential(AdaptiveIFNode(2, 3, 4, 6, per_step=True), SqueezeTime())
    classifier = OverTime(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    model = torch.nn.Sequential(Encoder(), squeezed, classifier)
    assert lower(model, (1, 2, 2)).edges["1.1"].T == 1
    with pytest.raises(UserError, match=r"fire 1\.0: got 'AdaptiveIFNode'"):
        freeze(quantize_weights(model, 4).eval(), (1, 2, 2))
