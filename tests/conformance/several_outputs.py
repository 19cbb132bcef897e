"""Networks of several outputs with concat, slice and upsample, of constants that floats and integers hold exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.layers import Encoder, OverTime, merge_time, split_time
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import quantize_weights, synapses, weight_quantizer

IMAGE = (3, 8, 8)


@dataclass(frozen=True)
class Plan:
    """What a network is drawn from: steps, the thresholds of its three layers of neurons, and a seed."""

    T: int = 2
    thresholds: tuple[float, float, float] = (1.0, 0.25, 0.5)
    seed: int = 0


class Routes(nn.Module):
    """Two scales of an image; a way down, a way up, and an output of each, as in a detector."""

    def __init__(self, plan: Plan, joined: Callable[[Any, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        first, second, third = (MultiBitLIFNode(plan.T, 2, v_threshold=v) for v in plan.thresholds)
        self.encode, self.joined = Encoder(), joined
        self.stem, self.one = OverTime(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6)), first
        self.down, self.two = OverTime(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8)), second
        self.up, self.three = OverTime(nn.Upsample(scale_factor=2)), third
        self.neck, self.apart = nn.Conv2d(14, 4, 3, 1, 1), nn.Conv2d(14, 4, 1)
        self.group = nn.Conv2d(14, 14, 3, 1, 1, groups=7, bias=False)
        self.pool, self.norm = nn.MaxPool2d(2), nn.BatchNorm2d(14)
        self.small, self.large = nn.Conv2d(8, 7, 1), nn.Conv2d(4, 3, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = self.one(self.stem(self.encode(images)))
        y = self.two(self.down(x))
        z = self.three(self.joined(self, x, self.up(y)))
        return each(self.small, y), each(self.large, z)


def each(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer of each step."""
    return split_time(layer(merge_time(x)), x)


def _pooled(net: Any, x: Tensor, y: Tensor) -> Tensor:
    z = torch.cat([y, x], 2)
    return each(net.neck, each(lambda a: F.interpolate(net.pool(a), scale_factor=2), z))


def _currents(net: Any, x: Tensor, y: Tensor) -> Tensor:
    of_a_synapse = each(net.apart, torch.cat([y, x], 2))
    return torch.cat([of_a_synapse, y[:, :, :3], x, of_a_synapse + x[:, :, 2:]], 2)[:, :, 10:14]


def _sliced(net: Any, x: Tensor, y: Tensor) -> Tensor:
    a, b, c = torch.cat([x, y, x, y], 2)[:, :, 2:26].split([9, 10, 5], 2)
    return each(net.neck, torch.cat([a, c], 2)) + b[:, :, 3:7]


def _flat(net: Any, x: Tensor, y: Tensor) -> Tensor:
    return each(net.neck, torch.cat([x, y], 2).flatten(3).unflatten(3, (4, 4)))


def _turned(net: Any, x: Tensor, y: Tensor) -> Tensor:
    both = (x + y[:, :, 2:]).transpose(2, 3)
    return torch.cat([both, x.transpose(2, 3)[:, :, :2]], 2)[:, :, 1:5]


ROUTES: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "a synapse": lambda net, x, y: each(net.neck, torch.cat([x, y], 2)),
    "a pool and an upsample": _pooled,
    "currents": _currents,
    "a norm": lambda net, x, y: each(net.norm, torch.cat([x, y], dim=-3))[:, :, 4:8],
    "groups": lambda net, x, y: each(net.group, torch.cat([x, y], 2)).chunk(4, 2)[1],
    "slices": _sliced,
    "a shape": _flat,
    "another order": _turned,
    "neurons": lambda net, x, y: torch.cat([x, y], 2)[:, :, 4:8],
}
"""What becomes of both scales, joined: where they are read by whom."""


def network(name: str, plan: Plan = Plan()) -> nn.Module:
    """One of `ROUTES`, in evaluation mode."""
    torch.manual_seed(plan.seed)
    model = Routes(plan, ROUTES[name])
    quantize_weights(model, 3)
    for layer in synapses(model).values():
        quantizer: Any = weight_quantizer(layer)
        quantizer.step.data.fill_(0.25)
        original: Any = layer.parametrizations.weight.original
        original.data = 0.25 * torch.randint(-3, 4, original.shape).float()
        if layer.bias is not None:
            layer.bias.data = torch.randint(-8, 9, layer.bias.shape) / 8
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
            module.running_var = torch.ones_like(module.running_var)
            module.running_mean = torch.randint(-8, 9, module.running_mean.shape) / 8
            module.weight.data = torch.randint(1, 9, module.weight.shape) / 8
            module.bias.data = torch.randint(0, 17, module.bias.shape) / 8
    return model.eval()


def images(count: int = 4, seed: int = 0, shape: tuple[int, ...] = IMAGE) -> NDArray[np.uint8]:
    """Random codes."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
