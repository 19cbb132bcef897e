"""LSQ against its equations (001, Eqs. 6 and A.6 to A.13) and against finite differences of its smooth part."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.quant import LSQ

CASES = [(bits, channelwise) for bits in (1, 2, 3, 4, 8, 16) for channelwise in (False, True)]


def setting(bits: int, channelwise: bool, start: float = 0.7) -> tuple[LSQ, Tensor, Tensor]:
    """A quantizer with some weights inside and some outside its range, and an upstream gradient."""
    rng = np.random.default_rng(bits)
    top = signed_range(bits)[1]
    weight = torch.from_numpy(rng.uniform(-1.6, 1.6, (3, 2, 3, 3))) * start * top
    quantizer = LSQ(bits, weight, channelwise)
    spread = torch.linspace(0.8, 1.2, quantizer.step.numel(), dtype=weight.dtype)
    quantizer.step.data = start * spread.reshape(quantizer.step.shape)
    outside = (weight / quantizer.step).abs() > top
    assert 0 < outside.sum() < weight.numel()
    return quantizer, weight.requires_grad_(), torch.from_numpy(rng.normal(size=weight.shape))


def gradients(quantizer: LSQ, weight: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    to_weight, to_step = torch.autograd.grad(quantizer(weight), [weight, quantizer.step], upstream)
    return to_weight, to_step


def slopes(f: Callable[[Tensor], Tensor], x: Tensor, h: float = 1e-4) -> Tensor:
    """Central differences of the number ``f(x)``, one element of ``x`` at a time."""
    slope = torch.empty_like(x)
    for i in range(x.numel()):
        ends = []
        for shift in (h, -h):
            moved = x.detach().clone()
            moved.view(-1)[i] += shift
            ends.append(f(moved))
        slope.view(-1)[i] = (ends[0] - ends[1]) / (2 * h)
    return slope


@pytest.mark.parametrize(("bits", "channelwise"), CASES)
def test_values(bits, channelwise):
    quantizer, weight, _ = setting(bits, channelwise)
    v = (weight / quantizer.step).detach().numpy()
    top = max(2 ** (bits - 1) - 1, 1)
    codes = np.where(v > 0, 1, -1) if bits == 1 else np.clip(np.floor(v + 0.5), -top, top)
    np.testing.assert_array_equal(quantizer.codes(weight).detach().numpy(), codes)
    np.testing.assert_array_equal(quantizer(weight).detach().numpy(), codes * quantizer.step.detach().numpy())


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_code_and_its_ties(bits):
    lo, hi = signed_range(bits)
    quarters = np.arange(4 * (lo - 2), 4 * (hi + 2) + 1)
    weight = torch.from_numpy(quarters).float() / 4 * 0.125
    quantizer = LSQ(bits, weight)
    quantizer.step.data.fill_(0.125)
    expected = np.where(quarters > 0, 1, -1) if bits == 1 else np.clip((quarters + 2) // 4, lo, hi)
    np.testing.assert_array_equal(quantizer.codes(weight).detach().numpy(), expected)


@given(st.integers(1, 16), st.floats(2**-10, 2**10, width=32), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1))
def test_forward_is_codes_times_step(bits, step, values):
    weight = torch.tensor(values)[:, None]
    for channelwise in (False, True):
        quantizer = LSQ(bits, weight, channelwise)
        quantizer.step.data.fill_(-step)  # a step that training has driven below zero still has a size
        codes = quantizer.codes(weight).detach()
        assert torch.equal(quantizer(weight), codes * quantizer.step_size(weight))
        assert torch.equal(codes, codes.round().clamp(-quantizer.top, quantizer.top))


@pytest.mark.parametrize("bits", range(1, 17))
def test_the_step_starts_at_the_formula(bits):
    weight = torch.from_numpy(np.random.default_rng(bits).normal(size=(4, 3, 3, 3)))
    q = max(2 ** (bits - 1) - 1, 1)
    magnitude = np.abs(weight.numpy())
    layer, channels = LSQ(bits, weight), LSQ(bits, weight, channelwise=True)
    assert layer.step.shape == ()
    assert channels.step.shape == (4, 1, 1, 1)
    assert layer.step.item() == pytest.approx(2 * magnitude.mean() / q**0.5)
    np.testing.assert_allclose(channels.step.detach().numpy().ravel(), 2 * magnitude.reshape(4, -1).mean(1) / q**0.5)


@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_weights_of_zero_give_no_nan(bits, channelwise):
    weight = torch.zeros(2, 3, requires_grad=True)
    quantizer = LSQ(bits, weight, channelwise)
    assert quantizer(weight).isfinite().all()
    assert all(g.isfinite().all() for g in gradients(quantizer, weight, torch.ones(2, 3)))


@pytest.mark.parametrize(("bits", "channelwise"), CASES)
def test_gradients_equal_the_formulas(bits, channelwise):
    quantizer, weight, upstream = setting(bits, channelwise)
    to_weight, to_step = gradients(quantizer, weight, upstream)
    g, v = upstream.numpy(), (weight / quantizer.step).detach().numpy()
    q = max(2 ** (bits - 1) - 1, 1)
    codes = quantizer.codes(weight).detach().numpy()
    inside = np.abs(v) <= q
    np.testing.assert_array_equal(to_weight.numpy(), g * inside)
    terms = g * np.where(inside, codes - v, np.sign(v) * q)
    if channelwise:
        terms = terms.reshape(3, -1)
    expected = terms.sum(-1 if channelwise else None) / np.sqrt(terms.shape[-1] * q if channelwise else g.size * q)
    np.testing.assert_allclose(to_step.numpy().ravel(), np.ravel(expected), rtol=1e-10)


def scale(quantizer: LSQ, weight: Tensor) -> float:
    """``1/sqrt(N Q)``, which LSQ puts on the gradient of the step and the function does not have."""
    return (weight.numel() / quantizer.step.numel() * quantizer.top) ** -0.5


@pytest.mark.parametrize(("bits", "channelwise"), CASES)
def test_gradients_equal_finite_differences_of_the_smooth_part(bits, channelwise):
    """The smooth part: ``a * (clip(w/a, -Q, Q) + c)``, with the rounding ``c`` held where it is."""
    quantizer, weight, upstream = setting(bits, channelwise)
    step, top = quantizer.step.detach(), quantizer.top
    rounding = (quantizer.codes(weight) - (weight / step).clamp(-top, top)).detach()

    def smooth(weight: Tensor, step: Tensor, q: float) -> Tensor:
        return (upstream * step * ((weight / step).clamp(-q, q) + rounding)).sum()

    to_weight, to_step = gradients(quantizer, weight, upstream)
    by_step = slopes(lambda a: smooth(weight.detach(), a, top), step)
    torch.testing.assert_close(to_step, by_step * scale(quantizer, weight), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(to_weight, slopes(lambda w: smooth(w, step, top), weight.detach()), rtol=1e-6, atol=1e-6)
    planted = slopes(lambda a: smooth(weight.detach(), a, 0.9 * top), step)
    assert not torch.allclose(to_step, planted * scale(quantizer, weight), rtol=1e-3)


@pytest.mark.parametrize(("bits", "channelwise"), CASES)
def test_gradient_of_the_step_is_the_true_one_less_what_the_weight_carries(bits, channelwise):
    """Where no code changes, ``d/da sum(g*w_q) = sum(g*q)``; LSQ takes off ``sum(g*v)`` inside the range."""
    quantizer, weight, upstream = setting(bits, channelwise)
    step = quantizer.step.detach().clone()
    codes = quantizer.codes(weight).detach()

    def quantized(a: Tensor) -> Tensor:
        quantizer.step.data = a
        assert torch.equal(quantizer.codes(weight), codes)
        return (upstream * quantizer(weight).detach()).sum()

    true = slopes(quantized, step, 1e-8)
    quantizer.step.data = step
    torch.testing.assert_close(true, (upstream * codes).sum_to_size(step.shape), rtol=1e-5, atol=1e-5)
    v = (weight / step).detach()
    carried = (upstream * v * (v.abs() <= quantizer.top)).sum_to_size(step.shape)
    to_step = gradients(quantizer, weight, upstream)[1]
    torch.testing.assert_close(to_step / scale(quantizer, weight), true - carried, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [0, 17, "2"])
def test_bits_are_whole_numbers_from_1_to_16(bits):
    with pytest.raises(UserError, match="weight bits"):
        LSQ(bits, torch.zeros(2, 2))
