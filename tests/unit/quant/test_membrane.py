"""Membrane potentials in few bits: paper 002's Eqs. 8 to 10, with as many levels as the bits hold."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer

WIDTHS = range(2, 9)
every_width = pytest.mark.parametrize("bits", WIDTHS)


def at(bits: int, peak: float, kind: type[MembraneQuantizer] = MembraneQuantizer) -> MembraneQuantizer:
    """In evaluation, with the maximum ``peak``."""
    quantizer = kind(bits)
    quantizer.peak.fill_(peak)
    quantizer.batches_tracked.fill_(1)
    return quantizer.eval()


def dyadic(bits: int) -> MembraneQuantizer:
    """With levels of exactly 1/8, so that float32 computes without rounding."""
    return at(bits, (2 ** (bits - 1) - 1) / 8)


@every_width
def test_its_levels_are_all_reachable_and_there_is_nothing_else(bits):
    top = 2 ** (bits - 1) - 1
    levels = torch.arange(-top, top + 1) / 8
    assert len(levels) == 2**bits - 1
    assert torch.equal(dyadic(bits)(levels), levels)
    sweep = torch.linspace(-2 * top / 8, 2 * top / 8, 40 * top + 1)
    assert torch.equal(dyadic(bits)(sweep).unique(), levels)
    assert dyadic(bits).step_size() == 1 / 8


@every_width
def test_training_reaches_every_level_too(bits):
    top = 2 ** (bits - 1) - 1
    potentials = torch.arange(-top, top + 1) / 8
    assert torch.equal(MembraneQuantizer(bits)(potentials), potentials)


def eq8(v: float, peak: float, Q: int) -> Fraction:
    """``a/Q * floor(Q clip(v/a, -1, 1) + 1/2)`` in exact arithmetic."""
    a = Fraction(peak)
    return a / Q * floor(Q * max(Fraction(-1), min(Fraction(1), Fraction(v) / a)) + Fraction(1, 2))


@every_width
@pytest.mark.parametrize("training", [True, False])
def test_values_are_the_formula_in_exact_arithmetic(bits, training):
    v = torch.from_numpy(np.random.default_rng(bits).normal(0, 1, 500))  # float64
    peak = v.abs().max() if training else torch.tensor(1.25)
    quantizer = MembraneQuantizer(bits).double() if training else at(bits, 1.25)
    Q = 2 ** (bits - 1) - 1
    expected = [float(eq8(x, float(peak), Q)) for x in v.tolist()]
    np.testing.assert_allclose(quantizer(v).numpy(), expected, rtol=1e-15)
    wrong = [float(eq8(x, float(peak), Q + 1)) for x in v.tolist()]
    assert not np.allclose(quantizer(v).numpy(), wrong, rtol=1e-3)


@every_width
def test_one_bit_more_has_the_levels_of_the_printed_formula(bits):
    """Eq. 8 with "k bits" has Q = 2^k - 1: its 2^(k+1) - 1 values take k + 1 bits."""
    v = torch.from_numpy(np.random.default_rng(bits).uniform(-1.2, 1.2, 4000))
    printed = [float(eq8(x, 1.0, 2**bits - 1)) for x in v.tolist()]
    levels = at(bits + 1, 1.0)(v)
    np.testing.assert_allclose(levels.numpy(), printed, rtol=1e-15)
    assert len(levels.unique()) == 2 ** (bits + 1) - 1
    assert len(at(bits, 1.0)(v).unique()) == 2**bits - 1


@every_width
def test_ties_go_up(bits):
    step = 1 / 8
    ties = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    up = torch.tensor([-1.0, 0.0, 1.0, 2.0]).clamp(max=2 ** (bits - 1) - 1)
    assert torch.equal(dyadic(bits)(ties * step), up * step)
    below = torch.nextafter(ties * step, torch.tensor(-1e9))
    down = torch.tensor([-2.0, -1.0, 0.0, 1.0]).clamp(min=1 - 2 ** (bits - 1))
    assert torch.equal(dyadic(bits)(below), down * step)


@given(st.integers(2, 8), st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=30), st.floats(0.125, 4, width=32))
def test_quantizing_twice_changes_nothing(bits, potentials, peak):
    once = at(bits, peak)(torch.tensor(potentials))
    assert torch.equal(at(bits, peak)(once), once)
    assert once.abs().max() <= peak * (1 + 1e-6)


# The maximum


def test_training_uses_the_maximum_of_the_batch_and_keeps_a_running_mean():
    quantizer = MembraneQuantizer(2, momentum=0.25)
    for batch, largest, running in [
        ([-2.0, 0.5], 2.0, 2.0),  # the first batch sets it
        ([4.0, -1.0], 4.0, 2.5),
        ([1.0, -0.5], 1.0, 2.125),
    ]:
        assert quantizer(torch.tensor(batch)).abs().max() == largest
        assert quantizer.peak == running
    assert quantizer.batches_tracked == 3
    assert quantizer.eval()(torch.tensor([9.0])) == 2.125


def test_evaluation_changes_no_state():
    quantizer = at(3, 1.5)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(torch.randn(100) * 10)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    quantizer.train()(torch.randn(100) * 10)
    assert not torch.equal(quantizer.peak, before["peak"])


@every_width
def test_in_evaluation_an_image_does_not_depend_on_its_batch(bits):
    images = torch.randn(8, 50, generator=torch.Generator().manual_seed(bits))
    quantizer = at(bits, 1.5)
    assert torch.equal(quantizer(images), torch.stack([quantizer(image) for image in images]))
    training = MembraneQuantizer(bits)
    assert not torch.equal(training(images), torch.stack([training(image) for image in images]))  # there it does


def test_evaluation_without_a_maximum_is_refused_on_one_line():
    for use in (lambda q: q(torch.ones(2)), lambda q: q.step_size()):
        with pytest.raises(UserError, match=r"membrane maximum: got 'none'; train first") as refused:
            use(MembraneQuantizer(2).eval())
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@every_width
def test_potentials_that_are_all_zero_stay_zero(bits, dtype):
    quantizer = MembraneQuantizer(bits)
    v = torch.zeros(3, 4, dtype=dtype, requires_grad=True)
    quantized = quantizer(v)
    quantized.sum().backward()
    assert torch.equal(quantized, torch.zeros_like(v))
    assert v.grad.isfinite().all()
    assert torch.equal(quantizer.eval()(v), torch.zeros_like(v))


def test_the_state_survives_saving_and_loading(tmp_path):
    trained = MembraneQuantizer(4)
    for seed in range(3):
        trained(torch.randn(20, generator=torch.Generator().manual_seed(seed)))
    assert trained.state_dict().keys() == {"peak", "batches_tracked"}
    torch.save(trained.state_dict(), tmp_path / "state.pt")
    restored = MembraneQuantizer(4)
    restored.load_state_dict(torch.load(tmp_path / "state.pt"))
    v = torch.randn(50)
    assert (restored.peak, restored.batches_tracked) == (trained.peak, 3)
    assert torch.equal(restored.eval()(v), trained.eval()(v))
    assert not list(restored.parameters())


# Gradients


def slope(quantizer: nn.Module, v: Tensor) -> Tensor:
    v = v.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(v), v, torch.arange(1.0, len(v) + 1, dtype=v.dtype))
    return gradient


@every_width
def test_the_gradient_is_straight_through_within_the_maximum_and_zero_beyond(bits):
    v = torch.tensor([-1.26, -1.25, -0.3, 0.0, 0.7, 1.25, 1.26])
    upstream = torch.arange(1.0, 8)
    inside = torch.tensor([0.0, 1, 1, 1, 1, 1, 0])
    assert torch.equal(slope(at(bits, 1.25), v), upstream * inside)


@pytest.mark.parametrize("bits", [*WIDTHS, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_training_the_maximum_itself_has_its_gradient_too(bits, dtype):
    """Its quotient by the step rounds to beyond Q for some maxima; none may get a gradient of 0 for that."""
    for seed in range(100):
        v = torch.randn(7, generator=torch.Generator().manual_seed(seed)).to(dtype)
        assert torch.equal(slope(MembraneQuantizer(bits), v), torch.arange(1.0, 8, dtype=dtype))


@every_width
def test_the_maximum_gets_no_gradient(bits):
    """With it, the largest potential would gain the sum of all rounding errors."""
    v = torch.tensor([0.4, -1.0, 2.0], requires_grad=True)
    MembraneQuantizer(bits)(v)[0].backward()
    assert torch.equal(v.grad, torch.tensor([1.0, 0.0, 0.0]))


# Of which bits, and of which numbers


@pytest.mark.parametrize("bits", [0, -1, 17, 2.5, "2", None])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(UserError, match=f"membrane bits: got {bits!r}; want a whole number from 2 to 16"):
        MembraneQuantizer(bits)


def test_a_truth_value_is_no_width():
    with pytest.raises(UserError, match="membrane bits: got True"):
        MembraneQuantizer(True)


def test_one_bit_is_refused_with_the_reason():
    with pytest.raises(UserError, match=r"membrane bits: got 1; want 2 to 16: .* its only level is 0") as refused:
        MembraneQuantizer(1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("momentum", [0, -0.1, 1.1, float("nan")])
def test_a_momentum_that_is_no_share_is_refused(momentum):
    with pytest.raises(UserError, match="momentum: got"):
        MembraneQuantizer(2, momentum)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", [MembraneQuantizer, TanhMembraneQuantizer])
@every_width
def test_the_dtype_is_kept_and_no_level_is_added(bits, kind, dtype):
    v = torch.linspace(-1.5, 1.5, 3001).to(dtype)
    quantizer = kind(bits)
    for quantized in (quantizer(v), quantizer.eval()(v)):
        assert quantized.dtype == dtype
        assert len(quantized.unique()) <= 2**bits - 1
        assert len(quantized.unique()) >= 2**bits - 1 - (dtype == torch.bfloat16)  # 8 bits of 8: a tie of quotients
    assert quantizer.peak.dtype == torch.float32


# tanh


@every_width
def test_the_variant_of_the_papers_code_takes_tanh_first(bits):
    v = torch.randn(200, generator=torch.Generator().manual_seed(bits), dtype=torch.float64)
    variant, plain = TanhMembraneQuantizer(bits), MembraneQuantizer(bits)
    assert torch.equal(variant(v), plain(torch.tanh(v)))
    assert variant.peak == plain.peak == torch.tanh(v).abs().max().float()
    assert torch.equal(variant.eval()(v), plain.eval()(torch.tanh(v)))
    assert not torch.equal(variant(v), plain(v))


def test_its_gradient_is_that_of_tanh():
    v = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64)
    upstream = torch.arange(1.0, 6, dtype=torch.float64)
    torch.testing.assert_close(slope(TanhMembraneQuantizer(2), v), upstream * (1 - torch.tanh(v) ** 2))
    beyond = slope(at(2, 0.5, TanhMembraneQuantizer), v)  # tanh(2) is beyond the maximum, tanh(0.5) within
    assert [bool(g) for g in beyond] == [False, True, True, True, False]


@pytest.mark.parametrize("limit", [0.5, 1.0])
def test_a_limit_bounds_the_maximum_and_clips_what_is_beyond(limit):
    quantizer = MembraneQuantizer(3, limit=limit)
    v = torch.tensor([-4.0, -limit, -0.1 * limit, 0.5 * limit, limit, 7.0])
    assert quantizer(v).tolist() == pytest.approx([-limit, -limit, 0.0, limit * 2 / 3, limit, limit])
    assert float(quantizer.peak) == limit
    assert float(quantizer(v * 0.01).abs().max()) == pytest.approx(0.07, rel=1e-6) or limit < 0.07


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_leaves_nothing_is_refused(limit):
    with pytest.raises(UserError, match="limit"):
        MembraneQuantizer(2, limit=limit)


def test_without_a_limit_two_bits_forget_what_has_not_fired_beside_one_inhibited_neuron():
    """Why `carry-limited` is there: one potential of -3 makes a carry of 0.9 round to 0."""
    v = torch.tensor([0.9, -3.0])
    assert MembraneQuantizer(2)(v).tolist() == [0.0, -3.0]
    assert MembraneQuantizer(2, limit=1.0)(v).tolist() == [1.0, -1.0]
