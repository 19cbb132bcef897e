"""A network of several outputs, with routes inside of it, converts: each output equals the quantized network's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import levels_of, pixels, started
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.backends import oracle
from bitspike.conversion import adopt, check, convert, equivalence
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.models import morph
from bitspike.neurons import QReLU

SHAPE = (3, 8, 8)


class Detector(nn.Module):
    """Plain PyTorch: two scales, joined on the way up, of which each has an output; a sum of what is joined."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down, self.deep = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1)
        self.n1, self.n2, self.n3 = nn.BatchNorm2d(4), nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.side, self.up = nn.Conv2d(6, 4, 1), nn.Upsample(scale_factor=2)
        self.neck, self.mix = nn.Conv2d(8, 4, 3, 1, 1), nn.Conv2d(4, 4, 1)
        self.small, self.large = nn.Conv2d(6, 5, 1), nn.Conv2d(4, 3, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.n1(self.stem(images)))
        y = F.relu(self.n2(self.down(x)))
        y = torch.cat([y, self.pool(x)], 1)[:, 2:8]
        y = F.relu(self.n3(self.deep(y)))
        z = torch.cat([self.up(F.relu(self.side(y))), x], 1)
        a, b = F.relu(self.neck(z)).chunk(2, dim=1)
        z = F.relu(self.mix(torch.cat([b, a], 1) + z[:, 4:]))
        return self.small(y), self.large(z)


def converted(levels: int = 3, max_pool: Any = "mean") -> Any:
    torch.manual_seed(0)
    qann = morph(adopt(Detector(), lambda: QReLU(levels)), max_pool=max_pool)
    return convert(started(qann, SHAPE), SHAPE)


@pytest.mark.parametrize("max_pool", ["mean", "spiking"])
def test_every_output_equals_the_quantized_network(max_pool: str) -> None:
    made, images = converted(max_pool=max_pool), pixels(12, 1, SHAPE)
    found = equivalence(made.net, made.levels, images)
    assert found.equal
    assert found.settled
    assert (found.logits_equal, found.images, found.accuracy, found.qann_accuracy) == (12, 12, [], None)
    assert sum(layer.spikes for layer in found.layers.values()) > 1000
    sent = oracle.outputs(made.net, images)
    with torch.no_grad():
        meant = made.qann(torch.from_numpy(images))
    for integers, floats, readout in zip(sent, meant, made.net.readouts, strict=True):
        assert np.ptp(integers) > 0
        near = np.abs(integers * readout.scale - floats[0].numpy()) < 1e-2
        assert near.mean() > 0.95  # a sum on a tie may be rounded otherwise in floats


@pytest.mark.parametrize("output", [0, 1])
def test_an_output_that_differs_is_seen(output: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One offset of one output, off by one unit: nothing but that output changes."""
    made, images, whole = converted(), pixels(6, 1, SHAPE), check.quantized
    part = f"{made.net.readouts[output].inputs[0]}.offset"

    def other(net: FrozenGraph, levels: dict[str, int]) -> FrozenGraph:
        qann = whole(net, levels)
        offset = qann.integers(part)
        offset[-1] += 1
        return replace(qann, tensors={**qann.tensors, part: offset})

    monkeypatch.setattr(check, "quantized", other)
    found = equivalence(made.net, made.levels, images)
    assert (found.equal, found.logits_equal) == (False, 0)
    assert not any(layer.unequal for layer in found.layers.values())


def test_labels_are_for_classifiers() -> None:
    made = converted()
    with pytest.raises(UserError, match=r"labels: got 'a network of outputs \(5, 4, 4\), \(3, 8, 8\)'; it tells no"):
        equivalence(made.net, made.levels, pixels(2, 1, SHAPE), np.zeros(2, dtype=np.int64))


def test_what_is_joined_and_added_shares_one_step() -> None:
    qann = morph(adopt(Detector(), lambda: QReLU(3)))
    steps = {id(module.step_size) for module in qann.modules() if isinstance(module, QReLU)}
    assert len(steps) < len(levels_of(qann))
