"""Theorem 1 of paper 001, simulated: how likely a drop of bits makes the error of a value larger, and renewal's answer.

A step that is best for ``b`` bits is ``max(x)/(2^b - 1)``: with ``k`` bits less its alphabet ends at a ``2^-k``-th of
the range, nearly, and what lies beyond is clipped there. (The paper's formulas are missing in our copy: these follow
from its definitions. The share is ``1 - 2^-k`` where ``b`` bits are taken for ``2^b`` steps; they are ``2^b - 1``, and
a value up to half a step beyond the last level is rounded to it as before: ``1 - (2^(b-k) - 1/2)/(2^b - 1)``.)
"""

from __future__ import annotations

import math

import pytest
import torch

from bitspike.bits import signed_range, unsigned_range
from bitspike.quant.adaptive import LearnedQuantizer
from bitspike.quant.lsq import lsq

VALUES = 200_000
DROPS = [(b, k) for b in range(2, 9) for k in range(1, b)]


def uniform(seed: int, signed: bool) -> torch.Tensor:
    """In ``[0, 1]``, or ``[-1, 1]``; the ends are among them."""
    x = torch.rand(VALUES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x[0], x[1] = 0.0, 1.0
    return 2 * x - 1 if signed else x


def reach(bits: int, signed: bool) -> int:
    return signed_range(bits)[1] if signed else unsigned_range(bits)[1]


def errors(x: torch.Tensor, step: float, bits: int, signed: bool) -> torch.Tensor:
    return (lsq(x, torch.tensor(step, dtype=torch.float64), bits, signed=signed) - x).abs()


def share_that_grows(bits: int, k: int, signed: bool) -> float:
    """Of values whose error is larger with ``k`` bits less and the step of before."""
    x, step = uniform(bits, signed), 1 / reach(bits, signed)
    return float((errors(x, step, bits - k, signed) > errors(x, step, bits, signed)).double().mean())


@pytest.mark.parametrize(("bits", "k"), DROPS)
def test_the_error_of_a_value_grows_as_often_as_the_alphabet_loses_levels(bits: int, k: int) -> None:
    exact = 1 - (2 ** (bits - k) - 0.5) / (2**bits - 1)
    spread = 4 * math.sqrt(exact * (1 - exact) / VALUES)
    assert share_that_grows(bits, k, signed=False) == pytest.approx(exact, abs=spread)
    assert abs(exact - (1 - 2**-k)) <= 0.5 / (2**bits - 1), "the paper's probability, but for half a level"


@pytest.mark.parametrize(("bits", "k"), [(8, k) for k in range(1, 7)])
def test_at_many_bits_it_is_the_theorems_probability(bits: int, k: int) -> None:
    """In both domains; it grows with the drop (conclusion I)."""
    assert share_that_grows(bits, k, signed=False) == pytest.approx(1 - 2**-k, abs=0.005)
    assert share_that_grows(bits, k, signed=True) == pytest.approx(1 - 2**-k, abs=0.012)


def test_the_comparison_with_the_theorem_can_fail() -> None:
    assert share_that_grows(8, 2, signed=False) != pytest.approx(1 - 2**-1, abs=0.1)


def dropped(bits: int, k: int, signed: bool, renews: bool) -> tuple[LearnedQuantizer, torch.Tensor]:
    """A quantizer whose step fits ``bits``, then forced to ``k`` bits less, and the errors that it makes."""
    x = uniform(bits, signed)[:20_000].float()
    quantizer = LearnedQuantizer(bits, bits, signed=signed)
    quantizer.start(x)
    with torch.no_grad():
        quantizer.step.fill_(1 / reach(bits, signed))
        quantizer.learned_bits.fill_(bits - k)
    quantizer.renewal.active.fill_(renews)
    return quantizer, (quantizer(x) - x).abs().detach()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "k"), [(4, 1), (4, 2), (6, 1), (6, 3), (8, 4)])
def test_renewal_takes_the_growth_back(bits: int, k: int, signed: bool) -> None:
    """The alphabet spans the range again, and the mean error is that of the fewer bits."""
    stale, clipped = dropped(bits, k, signed, renews=False)
    fresh, renewed = dropped(bits, k, signed, renews=True)
    assert float(stale.step.detach()) == pytest.approx(1 / reach(bits, signed))
    beyond = {q: 1 - float(q.step.detach()) * reach(bits - k, signed) for q in (stale, fresh)}
    assert beyond[stale] == pytest.approx(1 - 2**-k, abs=0.15)
    half_a_step, candidate = float(fresh.step.detach()) / 2, 0.01 + 0.01 * signed
    assert beyond[fresh] < half_a_step + candidate, "what lies beyond is rounded to the last level, not clipped"
    best_possible = 1 / (4 * reach(bits - k, signed))  # of a uniform value, a quarter of a step
    assert float(renewed.mean()) < 1.25 * best_possible
    assert float(clipped.mean()) > 2 * float(renewed.mean())
    assert float(clipped.max()) > 2 * float(renewed.max())
