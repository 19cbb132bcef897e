"""Offset-spike's neuron: a first run says how far the second starts from where the first did."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.neurons import NotDescribedError, OffsetIFNode, STBIFNode, describe, offset_levels

THETA, HALF = 1 << 12, 1 << 11


def fired(x: list[int], start: int) -> tuple[list[int], list[int], int]:
    """Spikes of an IF neuron, its potentials after each step, and the last."""
    spikes, left, v = [], [], start
    for current in x:
        v += current
        spikes.append(int(v >= THETA))
        v -= THETA * spikes[-1]
        left.append(v)
    return spikes, left, v


def as_published(x: list[int], rho: int) -> list[int]:
    """The second run, neuron by neuron, as the paper says it."""
    spikes, left, last = fired(x[:rho], HALF)
    start = HALF
    if last < 0 and any(spikes):
        start -= max(THETA, min(v for v, s in zip(left, spikes, strict=True) if s) + THETA // 1024)
    elif last >= THETA and not all(spikes):
        start += max(THETA, THETA - max(v for v, s in zip(left, spikes, strict=True) if not s))
    return fired(x, start)[0]


CURRENTS = st.lists(st.integers(-3 * THETA, 3 * THETA), min_size=4, max_size=12)


@given(CURRENTS, st.integers(1, 4))
def test_integers_and_floats_do_what_the_paper_says(x: list[int], rho: int) -> None:
    column = torch.tensor(x)[:, None]
    assert offset_levels(column, THETA, HALF, rho)[:, 0].int().tolist() == as_published(x, rho)
    floats = offset_levels(column.double() / THETA, 1.0, 0.5, rho)  # powers of two: exact
    assert floats[:, 0].int().tolist() == as_published(x, rho)


@given(CURRENTS)
def test_what_was_fired_once_too_often_is_fired_less_and_the_other_way_round(x: list[int]) -> None:
    before, _, last = fired(x[:4], HALF)
    after = offset_levels(torch.tensor(x)[:, None], THETA, HALF, 4)[:4, 0].int().tolist()
    if last < 0 and any(before):
        assert sum(after) < sum(before)
    elif last >= THETA and not all(before):
        assert sum(after) > sum(before)
    else:
        assert after == before


def test_it_sends_the_beginning_of_the_second_run_first() -> None:
    node, plain = OffsetIFNode(8, 2.0, 3), STBIFNode(5, 2.0, None, bipolar=False)
    x = torch.tensor([2.5, -3.0, 0.25, 1.0, 1.0, 1.0, 1.0, 1.0]).view(8, 1, 1)
    x[3:6] = x[:3]
    sent = node(x)
    assert sent.shape == x.shape
    assert torch.equal(sent[:3], sent[3:6])
    assert plain(x[3:])[0] == 2.0  # it fires at once, and is left below 0 after three steps
    assert sent[3] == 0.0
    assert torch.equal(node(torch.ones(1, 2, 3)), node(torch.ones(8, 2, 3)))  # held


@pytest.mark.parametrize(("T", "rho"), [(7, 4), (4, 0), (1, 1)])
def test_the_first_run_is_at_most_half_of_the_steps(T: int, rho: int) -> None:
    with pytest.raises(UserError, match="steps"):
        OffsetIFNode(T, 1.0, rho)


def test_no_op_of_a_frozen_network_runs_twice() -> None:
    with pytest.raises(NotDescribedError, match="runs twice on each input"):
        describe(OffsetIFNode(8, 1.0, 4))
