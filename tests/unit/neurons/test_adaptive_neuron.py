"""The neuron of paper 001, step by step, and its gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower
from bitspike.neurons.adaptive import AdaptiveIFNode


def node(T: int = 2, bits: int = 2, step: float = 0.5, **options) -> AdaptiveIFNode:
    made = AdaptiveIFNode(T, 4, bits, 6, **options)
    with torch.no_grad():
        made.quantizer.step.fill_(step)
        made.quantizer.started.fill_(True)
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
    made = node(T, bits, step, tau=tau, rounds=rounds, squeeze=False)
    sent = made(torch.full((1, 1, 1), x, dtype=torch.float64))
    assert sent.flatten().tolist() == by_hand(x, T, bits, step, tau, rounds)
    squeezed = node(T, bits, step, tau=tau, rounds=rounds)(torch.full((1, 1, 1), x, dtype=torch.float64))
    assert squeezed.shape == (1, 1, 1)
    assert float(squeezed.detach()) == pytest.approx(sum(by_hand(x, T, bits, step, tau, rounds)) / T, rel=1e-15)


def test_the_gradient_to_the_steps_is_that_of_a_mean():
    made = node(T=2)
    x = torch.rand(1, 50, 3, dtype=torch.float64)
    total = float(super(AdaptiveIFNode, made).forward(x).detach().sum())
    made(x).sum().backward()
    assert float(made.learned_T.grad) == pytest.approx(-total / 4, rel=1e-12)


def test_the_residual_is_detached_and_every_step_reaches_the_current():
    """Inside the alphabet each of the T spikes has slope 1 to its own step's current: T/T in the mean."""
    made = node(T=3, bits=6, step=0.25)
    x = (torch.rand(1, 20, dtype=torch.float64) + 0.3).requires_grad_()  # no residual takes it below 0
    made(x).sum().backward()
    assert torch.allclose(x.grad, torch.ones_like(x))


def test_steps_and_alphabet_follow_what_is_learned():
    made = node(T=2, bits=2)
    assert (made.T, made.staircase.lo, made.staircase.hi, made.staircase.scale) == (2, 0, 3, 0.5)
    with torch.no_grad():
        made.learned_T.fill_(3.4)
        made.quantizer.learned_bits.fill_(4.6)
    assert (made.T, made.staircase.hi) == (3, 31)


def test_without_squeezing_the_steps_are_fixed():
    assert not node(squeeze=False).learned_T.requires_grad


@pytest.mark.parametrize("most_T", [1, True, 2.5])
def test_a_bound_below_the_start_is_refused(most_T):
    with pytest.raises(UserError, match="most_T"):
        AdaptiveIFNode(2, most_T, 4, 6)


def test_the_graph_refuses_it_by_name_as_long_as_it_has_no_op_for_it():
    model = torch.nn.Sequential(
        Encoder(), AdaptiveIFNode(2, 3, 4, 6), OverTime(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    )
    with pytest.raises(UserError, match="neuron 1: got 'AdaptiveIFNode'"):
        lower(model, (1, 2, 2))
