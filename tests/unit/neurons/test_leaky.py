"""snnTorch's leaky neuron: its equations step by step, ties that do not fire, its gradient, and its integers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitspike import UserError
from bitspike.ir import LeakyDynamics
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze
from bitspike.neurons import IFNode, LeakyNode, LeakyReset, describe
from bitspike.quant import quantize_weights

RESETS = get_args(LeakyReset)


def by_hand(currents: list[float], beta: float, threshold: float, reset: str) -> list[int]:
    """The equations of the class, with numbers that floats hold exactly."""
    v, sent = 0.0, []
    for x in currents:
        r = int(v > threshold)
        u = beta * ((1 - r) * v if reset.startswith("zero") else v) + x
        u -= r * threshold if reset.startswith("subtract") else 0
        s = int(u > threshold)
        v = u - (s - r) * (threshold if reset == "subtract-at-once" else u) if reset.endswith("at-once") else u
        sent.append(s)
    return sent


currents = st.lists(st.integers(-8, 24).map(lambda k: k / 8), min_size=1, max_size=8)


@given(currents, st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from(RESETS))
def test_spikes_are_those_of_the_equations(x, beta, threshold, reset):
    node = LeakyNode(len(x), beta, threshold, reset)
    sent = node(torch.tensor(x).view(-1, 1, 1)).flatten().int().tolist()
    assert sent == by_hand(x, beta, threshold, reset)


@given(currents, st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from(RESETS))
def test_integers_are_those_of_the_equations(x, beta, threshold, reset):
    F = 8
    whole = LeakyDynamics(
        fraction_bits=F, leak_multiplier=round(beta * 4), leak_shift=2, reset=reset.replace("zero-at-once", "zero")
    )
    given_ = np.array([[int(one / threshold * 2**F)] for one in x])
    (levels,) = whole.program(0, 1, 0).run(given_, len(x), "level")
    assert levels.flatten().tolist() == by_hand(x, beta, threshold, reset)


def test_a_tie_does_not_fire_and_the_reset_comes_a_step_later():
    one = torch.tensor([1.0, 1.5, 0.0, 0.0]).view(-1, 1, 1)
    assert IFNode(4, v_reset=None)(one).flatten().tolist() == [1, 1, 0, 0]
    assert LeakyNode(4, 1.0)(one).flatten().tolist() == [0, 1, 1, 0]  # 1, 2.5, 1.5, 0.5
    assert LeakyNode(4, 0.5)(one).flatten().tolist() == [0, 1, 0, 0]  # 1, 2, 0 (the 1 it loses does not decay), 0
    assert LeakyNode(4, 1.0, reset="zero")(one).flatten().tolist() == [0, 1, 0, 0]
    assert LeakyNode(4, 1.0, reset="none")(one).flatten().tolist() == [0, 1, 1, 1]


def test_it_steps_as_it_runs():
    x = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0))
    node = LeakyNode(5, 0.9, 0.4, scale=0.5)
    state, sent = node.initial_state(x[0]), []
    for one in x:
        spikes, state = node.step(one, state)
        sent.append(spikes)
    assert torch.equal(torch.stack(sent), node(x))


def test_beta_learns_where_it_is_to():
    x = torch.randn(6, 4, 9, generator=torch.Generator().manual_seed(0))
    node = LeakyNode(6, 0.9, learn_beta=True)
    node(x).sum().backward()
    (beta,) = node.parameters()
    assert beta.grad is not None
    assert beta.grad != 0
    assert not list(LeakyNode(6, 0.9).parameters())


@pytest.mark.parametrize("reset", RESETS)
def test_it_freezes(reset):
    torch.manual_seed(0)
    net = nn.Sequential(
        Encoder(mean=0, std=1),
        OverTime(nn.Flatten(), nn.Linear(36, 20)),
        LeakyNode(5, 0.9, 0.3, reset),
        OverTime(nn.Linear(20, 10)),
        LeakyNode(5, 0.95, 0.2, reset, scale=0.5),
    )
    quantize_weights(net, 4)
    images = torch.randint(0, 256, (40, 1, 6, 6), dtype=torch.uint8)
    found = agreement(net.eval(), freeze(net, (1, 6, 6)), [images])
    assert max(layer.rate for layer in found.layers) < 0.002
    other = nn.Sequential(*net[:2], LeakyNode(5, 0.9, 0.6, reset), *net[3:])
    assert max(layer.rate for layer in agreement(other, freeze(net, (1, 6, 6)), [images]).layers) > 0.01


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"T": 0}, "T"), ({"reset": "hard"}, "reset"), ({"scale": 0.0}, "scale"), ({"v_threshold": 0.0}, "v_threshold")],
)
def test_what_it_cannot_be_is_refused(wrong, says):
    with pytest.raises(UserError, match=says):
        LeakyNode(**({"T": 2, "beta": 0.5} | wrong))


def test_beta_is_between_0_and_1_as_it_is_used():
    assert describe(LeakyNode(2, 1.5)).retention == 1.0
    assert describe(LeakyNode(2, -0.5)).retention == 0.0


@pytest.mark.parametrize("wrong", [{"fraction_bits": 31}, {"leak_multiplier": 5}, {"reset": "soft"}])
def test_integers_that_no_neuron_has_are_refused(wrong):
    with pytest.raises(UserError):
        LeakyDynamics(**({"fraction_bits": 4, "leak_multiplier": 1, "leak_shift": 2, "reset": "zero"} | wrong))
