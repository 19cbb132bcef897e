"""Rounding of tensors is `bitspike.intmath`'s rounding, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from bitspike import intmath
from bitspike.quant.rounding import round_half_up, sign

HALVES = np.arange(-9, 10) / 2
NEAR_HALVES = np.concatenate([HALVES, np.nextafter(HALVES, 9, dtype="f4"), np.nextafter(HALVES, -9, dtype="f4")])
LARGE = np.array([2.0**22 - 0.5, 2.0**22 + 0.5, 2.0**23 - 0.5, 2.0**23 + 1, 2.0**24 + 2, 2.0**40])
EDGES = np.concatenate([NEAR_HALVES, LARGE, -LARGE, [0.49999997, 1e-40, -1e-40, -0.0]]).astype(np.float32)


def differing(x: torch.Tensor, rounded: torch.Tensor) -> list[float]:
    """The ``x`` whose ``rounded`` is not the whole number that `bitspike.intmath` gives."""
    expected = torch.from_numpy(intmath.round_half_up(x.double().numpy()))
    return x[rounded.double() != expected.double()].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_intmath_at_the_edges(dtype):
    x = torch.from_numpy(EDGES).to(dtype)
    assert differing(x, round_half_up(x)) == []
    assert round_half_up(torch.tensor([-1.5, -0.5, 0.5, 1.5, 0.49999997])).tolist() == [-1, 0, 1, 2, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_equals_intmath_on_every_short_float(dtype):
    x = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    x = x[x.isfinite() & (x.abs() < 2**20)]
    assert len(x) > 30_000
    assert differing(x, round_half_up(x)) == []


@given(st_numpy.arrays(np.float32, 20, elements=st.floats(-(2**30), 2**30, width=32)))
def test_equals_intmath_anywhere(x):
    x = torch.from_numpy(x)
    assert differing(x, round_half_up(x)) == []


def test_the_comparison_sees_other_roundings():
    x = torch.from_numpy(EDGES)
    assert differing(x, torch.round(x)) != []  # halves to even
    assert 0.4999999701976776 in differing(x, torch.floor(x + 0.5))  # the sum is rounded up to 1


def test_sign_takes_zero_down():
    assert sign(torch.tensor([-2.0, -1e-40, -0.0, 0.0, 1e-40, 3.0])).tolist() == [-1, -1, -1, -1, 1, 1]


@pytest.mark.parametrize("rounding", [round_half_up, sign])
def test_gradient_is_the_identity(rounding):
    x = torch.linspace(-3, 3, 25, requires_grad=True)
    upstream = torch.linspace(-1, 1, 25)
    rounding(x).backward(upstream)
    assert x.grad is not None
    assert torch.equal(x.grad, upstream)
