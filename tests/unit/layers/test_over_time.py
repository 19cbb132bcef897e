"""Layers over merged time: the same as a loop over the steps."""

import pytest
import torch
from torch import nn

from bitspike.layers import OverTime, SqueezeTime, mean_over_time, merge_time, split_time

LAYERS = {
    "convolution": lambda: OverTime(nn.Conv2d(3, 5, 3, 2, 1)),
    "convolution and norm": lambda: OverTime(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5, eps=0.0)),
    "pooling": lambda: OverTime(nn.MaxPool2d(2)),
    "head": lambda: OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7)),
    "nothing": lambda: OverTime(),
}


def whole(*shape: int) -> torch.Tensor:
    """Small whole numbers, so that their sums are exact whatever the order.

    So are their means over a power of two: the images here have 64 pixels, and norms a variance of 4.
    """
    return torch.randint(-8, 9, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("T", [1, 2, 5])
def test_equals_a_loop_over_the_steps(make, T):
    layer = make().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(whole(*parameter.shape))
        for norm in layer.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.copy_(whole(5))
                norm.running_var.fill_(4.0)
    x = whole(T, 4, 3, 8, 8)
    merged = layer(x)
    looped = torch.stack([nn.Sequential.forward(layer, step) for step in x])
    assert merged.shape[:2] == (T, 4)
    assert torch.equal(merged, looped)
    if T > 1:  # a planted error: steps in another order
        assert not torch.equal(merged, looped.flip(0))


def test_batch_norm_sees_all_steps_together():
    x = torch.randn(4, 8, 3, 5, 5)
    layer = OverTime(nn.BatchNorm2d(3, momentum=1.0))
    normed = layer(x)
    torch.testing.assert_close(layer[0].running_mean, x.mean((0, 1, 3, 4)))
    torch.testing.assert_close(normed.mean((0, 1, 3, 4)), torch.zeros(3), atol=1e-6, rtol=0)


def test_time_merges_and_splits():
    x = whole(3, 2, 4)
    assert torch.equal(merge_time(x), torch.cat(list(x)))
    assert torch.equal(split_time(merge_time(x), x), x)


def test_readout_is_the_mean_of_the_steps():
    x = whole(4, 2, 3)
    assert torch.equal(mean_over_time(x), (x[0] + x[1] + x[2] + x[3]) / 4)


@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_squeezed_spikes_are_their_mean_in_one_step(T):
    """And its gradient goes to every step alike."""
    levels = T * whole(T, 2, 3, 4, 4) / 8  # their sums divide by T without rounding
    spikes = levels.clone().requires_grad_()
    squeezed = SqueezeTime()(spikes)
    assert squeezed.shape == (1, 2, 3, 4, 4)
    assert torch.equal(squeezed[0], sum(levels[1:], levels[0]) / T)
    squeezed.sum().backward()
    assert torch.equal(spikes.grad, torch.full_like(levels, 1) / T)


def test_a_mean_of_channels_last_steps_stays_channels_last_and_is_the_mean():
    spikes = 3 * whole(3, 2, 4, 5, 6) / 8  # their sums divide by 3 without rounding
    last = spikes.flatten(0, 1).to(memory_format=torch.channels_last).unflatten(0, (3, 2))
    given, plain = last.clone().requires_grad_(), spikes.clone().requires_grad_()
    mean, wanted = SqueezeTime()(given), SqueezeTime()(plain)
    assert torch.equal(mean, wanted)
    assert mean[0].is_contiguous(memory_format=torch.channels_last)
    mean.square().sum().backward()
    wanted.square().sum().backward()
    assert torch.equal(given.grad, plain.grad)
