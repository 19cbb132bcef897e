"""The mean over time is exact, and its gradient torch's, but one step in memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike.layers import SqueezeTime

TYPES = (torch.float64, torch.float32, torch.bfloat16)


def train_of(T: int, dtype: torch.dtype, channels_last: bool, seed: int) -> Tensor:
    """Levels of few bits, whose sums are exact in float32, whatever their order."""
    levels = torch.randint(-7, 8, (T, 2, 3, 4, 5), generator=torch.Generator().manual_seed(seed))
    train = (levels * 0.125).to(dtype)
    return train.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if channels_last else train


def exact_mean(train: Tensor) -> Tensor:
    """The sum, which no type rounds here, divided once; bfloat16 has it from float32."""
    wide = torch.promote_types(train.dtype, torch.float32)
    return (train.detach().double().sum(0, keepdim=True) / len(train)).to(wide).to(train.dtype)


@given(st.integers(1, 9), st.sampled_from(TYPES), st.booleans(), st.integers(0, 99))
def test_it_is_the_exact_mean_with_torchs_gradient(T: int, dtype: torch.dtype, channels_last: bool, seed: int) -> None:
    train = train_of(T, dtype, channels_last, seed).requires_grad_()
    mean = SqueezeTime()(train)
    assert mean.dtype == dtype
    assert torch.equal(mean, exact_mean(train))
    assert mean.stride()[1:] == train.stride()[1:]
    given_back = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    (got,), (wanted,) = (torch.autograd.grad(y, train, given_back) for y in (mean, train.mean(0, keepdim=True)))
    assert torch.equal(got, wanted)
    assert got.stride(0) == 0 or T == 1


def test_many_steps_of_bfloat16_are_added_up_in_float32() -> None:
    train = torch.full((300, 1), 1.0, dtype=torch.bfloat16)
    alone = torch.zeros(1, dtype=torch.bfloat16)
    for step in train:
        alone = alone + step
    assert alone.item() == 256  # what sums of that type come to
    assert SqueezeTime()(train).item() == 1.0


def test_its_derivatives() -> None:
    train = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SqueezeTime(), train)
    assert torch.autograd.gradgradcheck(SqueezeTime(), train)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_it_compiles(T: int, torch_compiles: None) -> None:
    train = train_of(T, torch.float32, channels_last=True, seed=0).requires_grad_()
    compiled = torch.compile(SqueezeTime(), backend="aot_eager", fullgraph=True)
    mean = compiled(train)
    assert torch.equal(mean, exact_mean(train))
    assert torch.equal(torch.autograd.grad(mean.sum(), train)[0], torch.full_like(train, 1 / T))
