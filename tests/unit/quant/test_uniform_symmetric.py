"""Paper 000's weight quantizer: every code from 1 to 8 bits, in integers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.quant import UniformSymmetric

UNITS = 1024
GRID = np.arange(-UNITS - 300, UNITS + 301)  # weights in 1024ths, from below -1 to above 1


def exact_codes(grid: np.ndarray, bits: int) -> np.ndarray:
    """``floor(clip(w, -1, 1) * Q + 1/2)`` in integers, or the sign."""
    if bits == 1:
        return np.where(grid > 0, 1, -1)
    return (2 * np.clip(grid, -UNITS, UNITS) * signed_range(bits)[1] + UNITS) // (2 * UNITS)


def codes_at(weight: torch.Tensor, bits: int) -> np.ndarray:
    return UniformSymmetric(bits, weight).codes(weight).numpy()


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_code_is_where_the_equation_puts_it(bits):
    codes = codes_at(torch.from_numpy(GRID).float() / UNITS, bits)
    np.testing.assert_array_equal(codes, exact_codes(GRID, bits))
    lo, hi = signed_range(bits)
    assert set(codes) == ({-1, 1} if bits == 1 else set(range(lo, hi + 1)))


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_comparison_sees_other_roundings_and_widths(bits):
    weight = torch.from_numpy(GRID).float() / UNITS
    half_even = torch.round(weight.clamp(-1, 1) * signed_range(bits)[1]).numpy()
    assert (half_even != exact_codes(GRID, bits)).any()
    assert (codes_at(weight, bits) != exact_codes(GRID, bits + 1)).any()


@pytest.mark.parametrize("bits", range(2, 17))
def test_ties_go_up(bits):
    lo, hi = signed_range(bits)  # hi is odd, so that w = +-1/2 is a tie at every width
    assert codes_at(torch.tensor([-0.5, 0.5]), bits).tolist() == [lo // 2 + 1, hi // 2 + 1]


@pytest.mark.parametrize("bits", range(2, 17))
def test_quantized_weights_are_fixed_points(bits):
    lo, hi = signed_range(bits)
    codes = torch.arange(lo, hi + 1).float()
    quantizer = UniformSymmetric(bits, codes)
    assert torch.equal(quantizer.codes(quantizer(codes / hi)), codes)
    assert quantizer(torch.tensor([-1.0, 1.0])).tolist() == [-1, 1]


@given(st.integers(1, 16), st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9))
def test_forward_is_codes_times_step(bits, values):
    weight = torch.tensor(values).clamp(-1e30, 1e30)[:, None]
    quantizer = UniformSymmetric(bits, weight)
    codes, step = quantizer.codes(weight), quantizer.step_size(weight)
    assert torch.equal(quantizer(weight), codes * step)
    assert torch.equal(codes, codes.round().clamp(-quantizer.top, quantizer.top))


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 5), (3, 2, 3, 3)])
def test_one_bit_has_the_mean_magnitude_of_each_channel(shape):
    weight = torch.from_numpy(np.random.default_rng(0).integers(-64, 65, shape) / 64).float()
    weight[1] = 0  # zero is -1 times a scale of zero
    quantized = UniformSymmetric(1, weight)(weight).numpy().reshape(3, -1)
    rows = weight.numpy().reshape(3, -1)
    expected = np.where(rows > 0, 1, -1) * np.abs(rows).mean(1, keepdims=True, dtype=np.float32)
    np.testing.assert_allclose(quantized, expected, rtol=1e-6)
    for row in quantized:
        assert len(set(np.abs(row))) == 1


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 16])
def test_gradient_is_straight_through_on_the_interval(bits):
    ends = torch.tensor([-1.0, 1.0])
    outside = torch.nextafter(ends, 2 * ends)
    weight = torch.cat([torch.linspace(-1, 1, 11), ends, outside, 3 * ends])[None].requires_grad_()
    upstream = torch.linspace(0.5, 2, 17)[None]
    UniformSymmetric(bits, weight)(weight).backward(upstream)
    assert weight.grad is not None
    assert torch.equal(weight.grad, upstream * (weight.abs() <= 1))


@pytest.mark.parametrize("bits", [0, 17, -1, 2.0, True, None])
def test_bits_are_whole_numbers_from_1_to_16(bits):
    with pytest.raises(UserError, match="weight bits"):
        UniformSymmetric(bits, torch.zeros(2, 2))
