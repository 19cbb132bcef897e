"""The ST-BIF neuron of paper 003: its equation, step by step, and what it has sent once it is silent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.neurons import IFNode, STBIFNode

THRESHOLD = 0.5


def by_equation(currents: list[float], threshold: float, S_max: int, v: float) -> list[int]:
    """Spikes of one neuron, as Eq. 1 is printed."""
    sent, spikes = 0, []
    for x in currents:
        u = v + x
        z = 1 if u >= threshold and sent < S_max else -1 if u < 0 and sent > 0 else 0
        v, sent = u - threshold * z, sent + z
        spikes.append(z)
    return spikes


def in_quarters(numbers: list[int]) -> torch.Tensor:
    """Currents that floats hold exactly, ties among them: multiples of a quarter of the threshold."""
    return torch.tensor(numbers, dtype=torch.float64)[:, None] * THRESHOLD / 4


@settings(max_examples=300)
@given(quarters=st.lists(st.integers(-12, 12), min_size=1, max_size=20), S_max=st.integers(1, 5))
def test_every_step_is_the_equation(quarters, S_max):
    currents = in_quarters(quarters)
    node = STBIFNode(len(quarters), THRESHOLD, S_max)
    wanted = by_equation(currents[:, 0].tolist(), THRESHOLD, S_max, THRESHOLD / 2)
    assert (node(currents)[:, 0] / THRESHOLD).tolist() == wanted


@settings(max_examples=300)
@given(quarters=st.lists(st.integers(-12, 12), min_size=1, max_size=12), n=st.integers(1, 8))
def test_once_silent_it_has_sent_the_quantized_relu_of_all_it_received(quarters, n):
    """Lemma 1, in any order of the input: ``n`` steps after its end."""
    T = len(quarters) + n + 1
    currents = torch.cat([in_quarters(quarters), torch.zeros(n + 1, 1, dtype=torch.float64)])
    spikes = STBIFNode(T, THRESHOLD, n)(currents)
    assert not spikes[-1].any()
    total = currents.sum() / THRESHOLD
    assert spikes.sum() / THRESHOLD == torch.floor(total + 0.5).clamp(0, n)


def test_every_total_up_to_8_bits_ties_among_them():
    """For all levels of n = 255: a total of k/4 thresholds is rounded half up, and clipped."""
    quarters = torch.arange(-8, 4 * 257, dtype=torch.float64)
    currents = torch.zeros(300, len(quarters), dtype=torch.float64)
    currents[0] = quarters * THRESHOLD / 4
    sent = STBIFNode(300, THRESHOLD, 255)(currents).sum(0) / THRESHOLD
    assert sent.tolist() == [min(max((int(q) + 2) // 4, 0), 255) for q in quarters]


def test_one_step_by_hand():
    node = STBIFNode(4, 1.0, 2)
    v, s = torch.tensor([0.5]), torch.tensor([0.0])
    spikes, (v, s) = node.step(torch.tensor([0.5]), (v, s))
    assert (spikes.item(), v.item(), s.item()) == (1, 0, 1)  # u = V_thr fires
    spikes, (v, s) = node.step(torch.tensor([0.0]), (v, s))
    assert (spikes.item(), v.item(), s.item()) == (0, 0, 1)  # u = 0 takes nothing back
    spikes, (v, s) = node.step(torch.tensor([-0.25]), (v, s))
    assert (spikes.item(), v.item(), s.item()) == (-1, 0.75, 0)
    spikes, (v, s) = node.step(torch.tensor([-3.0]), (v, s))
    assert (spikes.item(), v.item(), s.item()) == (0, -2.25, 0)  # nothing is left to take back


def test_state_is_fresh_in_every_call():
    node, currents = STBIFNode(5, 0.3, 3), torch.randn(5, 4, 6)
    assert torch.equal(node(currents), node(currents))


def test_a_state_that_is_carried_over_is_seen():
    """Condition 1: samples that start where another ended are not converted exactly."""
    node, currents = STBIFNode(6, 1.0, 3), torch.full((6, 1), 0.4)
    state, sent = node.initial_state(currents[0]), []
    for _ in range(2):
        sent.append(torch.zeros(1))
        for t in range(6):
            spikes, state = node.step(currents[t], state, t)
            sent[-1] = sent[-1] + spikes
    assert sent[0] == node(currents).sum(0) != sent[1]


def test_without_taking_back_and_without_a_limit_it_is_an_if_neuron():
    currents = torch.randn(12, 3, 50)
    node = STBIFNode(12, 1.0, None, bipolar=False)
    shifted = currents.clone()
    shifted[0] += 0.5  # V_0
    assert torch.equal(node(currents), IFNode(12, v_reset=None)(shifted))


def test_a_held_current_is_the_same_at_every_step():
    x = torch.randn(1, 4, 5)
    node = STBIFNode(6, 0.5, 3)
    assert torch.equal(node(x), node(x.expand(6, -1, -1)))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 1.0, 3), "T"), ((True, 1.0, 3), "T"), ((4, 0.0, 3), "v_threshold"), ((4, 1.0, 0), "S_max")],
)
def test_what_makes_no_neuron_is_named(arguments, named):
    with pytest.raises(UserError, match=f"^{named}: "):
        STBIFNode(*arguments)


def test_steps_that_do_not_fit_are_named():
    with pytest.raises(UserError, match="time steps"):
        STBIFNode(4, 1.0, 3)(torch.zeros(3, 2))
