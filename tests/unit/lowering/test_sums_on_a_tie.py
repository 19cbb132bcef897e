"""Barrier neurons behind sums of spikes whose levels no fixed point holds: integers fire the floats' levels."""

import pytest
import torch
from torch import nn

from bitspike.ir import Dynamics
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze
from bitspike.neurons import MultiLevelIFNode, barrier
from bitspike.quant import quantize_weights

SHAPE = (1, 8, 8)
IMAGES = torch.randint(0, 256, (30, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self, T, N, other, v_threshold):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.main, self.shortcut = Encoder(), *(OverTime(nn.Conv2d(1, 4, 3, padding=1)) for _ in "ab")
        self.n1, self.n2 = MultiLevelIFNode(T, N, v_threshold), MultiLevelIFNode(T, other)
        self.barrier = barrier(MultiLevelIFNode(T, N, v_threshold))
        self.head = OverTime(nn.Flatten(), nn.Linear(256, 5))
        quantize_weights(self, 4)
        self.eval()

    def forward(self, x):
        x = self.encoder(x)
        return self.head(self.barrier(self.n1(self.main(x)) + self.n2(self.shortcut(x))))


@pytest.mark.parametrize(("N", "other"), [(5, 6), (9, 10), (32, 33), (7, 7), (31, 31), (13, 3)])
@pytest.mark.parametrize("v_threshold", [1.0, 0.7])
def test_integers_fire_on_ties_as_floats_do(N, other, v_threshold):
    model = Net(8, N, other, v_threshold)
    found = agreement(model, freeze(model, SHAPE), [IMAGES])
    assert [layer.mismatches for layer in found.layers] == [0, 0, 0]


@pytest.mark.parametrize(("N", "slack"), [(5, 0), (6, 2 * 8)])
def test_only_sums_that_are_rounded_start_higher(N, slack):
    frozen = freeze(Net(8, N, 5, 1.0), SHAPE)
    dynamics = frozen.graph["barrier"].dynamics
    assert isinstance(dynamics, Dynamics)
    assert dynamics.v_init == slack
