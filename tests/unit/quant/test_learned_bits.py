"""Learned bits (paper 001): values and gradients against the formulas, code by code; renewal against its theorem."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import signed_range, unsigned_range
from bitspike.errors import UserError
from bitspike.quant.adaptive import LearnedQuantizer, grid_search, learned_integer
from bitspike.quant.lsq import lsq

ALPHABETS = [(bits, signed) for bits in range(1, 9) for signed in (False, True)]


def every_quarter(bits: int, signed: bool) -> torch.Tensor:
    """``x/step`` on both sides of every code and beyond the ends, never on a tie."""
    lo, hi = signed_range(bits) if signed else unsigned_range(bits)
    return torch.arange(4 * (min(lo, 0) - 2), 4 * (hi + 3), dtype=torch.float64) / 4 + 0.1


@pytest.mark.parametrize(("bits", "signed"), ALPHABETS)
@pytest.mark.parametrize("step", [0.25, 0.7])
def test_values_and_gradients_are_the_formulas_on_every_code(bits, signed, step):
    v = every_quarter(bits, signed)
    lo, hi = signed_range(bits) if signed else unsigned_range(bits)
    upstream = torch.linspace(-1, 1.5, len(v), dtype=torch.float64)
    x = (v * step).requires_grad_()
    a = torch.tensor(step, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(float(bits), dtype=torch.float64, requires_grad=True)
    quantized = lsq(x, a, b, signed=signed)
    (quantized * upstream).sum().backward()

    to_x, to_a, to_b, codes = [], 0.0, 0.0, []
    for value, g in zip(v.tolist(), upstream.tolist(), strict=True):
        sign = 1 if value > 0 else -1
        code = sign if signed and bits == 1 else min(max(math.floor(value + 0.5), lo), hi)
        codes.append(code)
        inside = lo <= value <= hi
        to_x.append(g if inside else 0.0)
        to_a += g * (code - value if inside else code)
        above = value > hi or (signed and value < lo)
        to_b += g * above * sign * step * math.log(2) * (hi + (bits > 1))
    assert quantized.tolist() == pytest.approx([code * step for code in codes], rel=1e-15)
    assert x.grad.tolist() == to_x
    assert float(a.grad) == pytest.approx(to_a / math.sqrt(len(v) * hi), rel=1e-12)
    assert float(b.grad) == pytest.approx(to_b, rel=1e-12)


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_floor_ablation_takes_the_code_below(bits):
    v = every_quarter(bits, False)
    codes = lsq(v, torch.ones((), dtype=torch.float64), bits, signed=False, rounds=False)
    assert torch.equal(codes, v.floor().clamp(0, 2**bits - 1))


@given(st.floats(-20, 20, allow_nan=False), st.integers(1, 8))
def test_learned_integers_round_half_up_within_their_bounds_and_pass_gradients_everywhere(value, most):
    x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    whole = learned_integer(x, 1, most)
    assert float(whole.detach()) == math.floor(min(max(abs(value), 1), most) + 0.5)
    whole.backward()
    assert float(x.grad) == (-1.0 if value < 0 else 1.0)


def test_the_step_starts_from_the_first_batch():
    quantizer = LearnedQuantizer(4, 6, signed=False)
    x = torch.rand(100)
    quantizer(x)
    assert float(quantizer.step.detach()) == pytest.approx(2 * float(x.mean()) / math.sqrt(15), rel=1e-6)
    quantizer(10 * x)
    assert float(quantizer.step.detach()) == pytest.approx(2 * float(x.mean()) / math.sqrt(15), rel=1e-6)


@pytest.mark.parametrize(("bits", "signed"), [(b, s) for b, s in ALPHABETS if b <= 4])
def test_the_grid_search_finds_the_best_of_its_candidates(bits, signed):
    torch.manual_seed(bits)
    x = torch.randn(500) if signed else torch.rand(500) ** 2
    low, high = grid_search(x, bits, signed, candidates=20)
    spread = float(x.max() - x.min())
    hi = signed_range(bits)[1] if signed else unsigned_range(bits)[1]

    def score(reach: float) -> float:
        return float((lsq(x, torch.tensor(reach / hi), bits, signed=signed) - x).abs().pow(2.4).mean())

    best = min((spread * i / 20 for i in range(1, 21)), key=score)
    assert float(high) == pytest.approx(best, rel=1e-6)
    assert float(low) == pytest.approx(-best if signed else 0.0, rel=1e-6)


def quantizer_after_a_drop(renews: bool, seed: int) -> tuple[LearnedQuantizer, torch.Tensor]:
    """Trained at 4 bits on one distribution, then forced to 2."""
    torch.manual_seed(seed)
    quantizer = LearnedQuantizer(4, 6, signed=False)
    x = torch.rand(4096)
    quantizer(x)
    with torch.no_grad():
        quantizer.step.fill_(float(x.max()) / 15)  # what 4 bits learn: the range is covered
        quantizer.learned_bits.fill_(2.0)
        quantizer.renewal.active.fill_(renews)
    return quantizer, x


@pytest.mark.parametrize("seed", range(5))
def test_a_drop_of_bits_without_renewal_clips_what_the_theorem_says_and_with_it_does_not(seed):
    """The old step reaches ``(2^2 - 1)/(2^4 - 1)`` of the range: beyond lies ``1 - 2^-k`` of it, k = 2 bits, nearly."""
    clipped, error = {}, {}
    for renews in (False, True):
        quantizer, x = quantizer_after_a_drop(renews, seed)
        quantized = quantizer(x).detach()
        reach = float(quantizer.step) * quantizer.alphabet[1]
        clipped[renews] = float((x > reach).float().mean())
        error[renews] = float((quantized - x).square().mean())
    assert clipped[False] == pytest.approx(1 - 3 / 15, abs=0.02)
    assert clipped[False] >= 1 - 2**-2
    assert clipped[True] < 0.2
    assert error[True] < error[False] / 10


def test_renewal_acts_once_for_each_change_and_its_state_is_saved():
    quantizer, x = quantizer_after_a_drop(True, 0)
    quantizer(x)
    renewed = float(quantizer.step)
    with torch.no_grad():
        quantizer.step.mul_(1.5)
    quantizer(x)
    assert float(quantizer.step.detach()) == pytest.approx(1.5 * renewed)
    other = LearnedQuantizer(4, 6, signed=False)
    other.load_state_dict(quantizer.state_dict())
    assert (other.bits, int(other.renewal.old_bits)) == (2, 2)
    assert float(other.renewal.high) == float(quantizer.renewal.high)


def test_evaluation_changes_nothing():
    quantizer, x = quantizer_after_a_drop(True, 0)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.eval()(x)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((0, 6, False), "learned bits"), ((7, 6, False), "learned bits"), ((4, 17, False), "most bits")],
)
def test_bounds_that_cannot_be_are_refused(arguments, says):
    with pytest.raises(UserError, match=says):
        LearnedQuantizer(*arguments)
    with pytest.raises(UserError, match="want it rounded"):
        LearnedQuantizer(4, 6, signed=True, rounds=False)
