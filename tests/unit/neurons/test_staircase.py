"""The fire step: every level of every alphabet up to 8 bits, in exact integers, and ties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import signed_range, unsigned_range
from bitspike.errors import UserError
from bitspike.neurons import Staircase, StraightThrough
from bitspike.neurons.fire import fire

GRID = 8  # points for each step of the staircase: 1/8 and its multiples are exact

ALPHABETS = sorted(
    {unsigned_range(b) for b in range(1, 9)}
    | {signed_range(b) for b in range(1, 9)}
    | {(-(1 << b >> 1), (1 << b >> 1) - 1) for b in range(1, 9)}
)


def grid(lo: int, hi: int) -> np.ndarray:
    """Every eighth of a step from well below the alphabet to well above, as whole eighths."""
    return np.arange((lo - 3) * GRID, (hi + 3) * GRID + 1)


def differing(levels: torch.Tensor, eighths: np.ndarray, lo: int, hi: int, shift: float) -> list[float]:
    """The ``v/v_threshold`` at which the levels are not ``clip(floor(v/v_threshold + shift), lo, hi)`` in integers."""
    expected = np.clip((eighths + int(shift * GRID)) // GRID, lo, hi)
    return list(eighths[levels.numpy() != expected] / GRID)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("v_threshold", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize(("lo", "hi"), ALPHABETS)
def test_every_level_of_every_alphabet(lo, hi, shift, v_threshold, dtype):
    eighths = grid(lo, hi)
    v = torch.from_numpy(eighths).to(dtype) / GRID * v_threshold
    levels = Staircase(v_threshold, lo, hi, shift).level(v)
    assert levels.dtype == dtype
    assert differing(levels, eighths, lo, hi, shift) == []
    assert set(levels.tolist()) == set(range(lo, hi + 1))


@pytest.mark.parametrize("wrong", [Staircase(1.0, 0, 2), Staircase(1.0, 0, 3, 0.5), Staircase(1.0, -1, 3)])
def test_the_comparison_sees_a_wrong_staircase(wrong):
    eighths = grid(0, 3)
    assert differing(wrong.level(torch.from_numpy(eighths) / GRID), eighths, 0, 3, 0.0) != []


def test_a_tie_fires():
    v = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert Staircase(1.0).level(v).tolist() == [0, 0, 0, 1, 1]
    assert Staircase(1.0, -2, 2).level(v).tolist() == [-2, -1, 0, 1, 2]
    below = torch.nextafter(v, torch.tensor(-torch.inf))
    assert Staircase(1.0).level(below).tolist() == [0, 0, 0, 0, 1]
    assert Staircase(1.0, -2, 2).level(below).tolist() == [-2, -2, -1, 0, 1]


def test_rounding_takes_halves_up():
    halves = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    assert Staircase(1.0, -2, 2, shift=0.5).level(halves).tolist() == [-1, 0, 1, 2]
    assert Staircase(1.0, 0, 1, shift=0.5).level(halves).tolist() == [0, 0, 1, 1]


@given(st.floats(width=32, allow_nan=False), st.floats(2**-20, 2**20))
def test_the_general_formula_equals_the_comparison(v, v_threshold):
    v = torch.tensor([v])
    general = Staircase(v_threshold, 0, 2).level(v).clamp(max=1)
    assert torch.equal(Staircase(v_threshold).level(v), general)


@given(st.integers(-(2**20), 2**20), st.integers(-8, 8), st.integers(1, 8), st.sampled_from([0.0, 0.5]))
def test_levels_of_any_dyadic_potential(numerator, exponent, bits, shift):
    lo, hi = unsigned_range(bits)
    v_threshold = 2.0**exponent
    exact = min(max((2 * numerator + int(2 * shift) * 1024) // 2048, lo), hi)
    v = torch.tensor(numerator / 1024 * v_threshold)
    assert int(Staircase(v_threshold, lo, hi, shift).level(v)) == exact


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (0, 3), (-2, 2), (-1, 0)])
@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("v_threshold", [1.0, 0.5])
def test_nearest_threshold_by_search(lo, hi, shift, v_threshold):
    staircase = Staircase(v_threshold, lo, hi, shift)
    v = torch.from_numpy(grid(lo, hi)).double() / GRID * v_threshold
    thresholds = torch.tensor([(k - shift) * v_threshold for k in range(lo + 1, hi + 1)]).double()
    nearest = torch.as_tensor(staircase.nearest_threshold(v)).expand_as(v)
    assert torch.isin(nearest, thresholds).all()
    assert torch.equal((v - nearest).abs(), (v[:, None] - thresholds).abs().amin(1))


@pytest.mark.parametrize("staircase", [Staircase(1.0), Staircase(1.0, 0, 7), Staircase(0.5, -3, 3, 0.5, 0.25)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_spike_is_a_level_times_the_scale(staircase, dtype):
    v = torch.linspace(-5, 9, 57, dtype=dtype).reshape(3, 19)
    before = v.clone()
    spikes = fire(v, staircase, StraightThrough())
    assert torch.equal(spikes, staircase.level(v) * staircase.scale)
    assert (spikes.shape, spikes.dtype) == (v.shape, dtype)
    assert torch.equal(v, before)


@pytest.mark.parametrize("v_threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_is_above_zero(v_threshold):
    with pytest.raises(UserError, match="v_threshold"):
        Staircase(v_threshold)


@pytest.mark.parametrize(("lo", "hi"), [(0, 0), (1, 0)])
def test_an_alphabet_has_two_levels(lo, hi):
    with pytest.raises(UserError, match="alphabet"):
        Staircase(1.0, lo, hi)
