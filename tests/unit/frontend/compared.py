"""A network as the front end reads it beside the user's own forward, on random images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bitspike.conversion import adopt
from bitspike.frontend import network, read
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze
from bitspike.neurons import MultiBitLIFNode
from bitspike.quant import LSQ, quantize_weights

SHAPE = (2, 8, 8)


class Own(nn.Module):
    """Plain layers to play with, in a forward that a test brings: images ``[N, 2, 8, 8]`` to logits ``[N, 5]``."""

    def __init__(self, run: Callable[..., Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        self.stem, self.conv, self.other = (nn.Conv2d(c, 4, 3, padding=1) for c in (2, 4, 4))
        self.norm, self.act, self.inplace = nn.BatchNorm2d(4), nn.ReLU(), nn.ReLU(inplace=True)
        self.keep, self.drop, self.pool = nn.Identity(), nn.Dropout(), nn.MaxPool2d(2)
        self.wide, self.narrow = nn.Linear(256, 5), nn.Linear(64, 5)
        for parameter in (self.norm.running_mean, self.norm.bias):
            nn.init.uniform_(parameter, -0.5, 0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


class Spiking(nn.Module):
    """Spiking layers to play with: images ``[N, 2, 8, 8]`` to logits ``[T, N, 5]``.

    All numbers are dyadic, so that floats are not rounded, and integers must be theirs to the last spike.
    """

    def __init__(self, run: Callable[..., Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.run, self.encoder = run, Encoder()
        self.stem, self.conv, self.other = (OverTime(nn.Conv2d(c, 4, 3, padding=1, bias=False)) for c in (2, 4, 4))
        self.n0, self.n1, self.n2 = (MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5) for _ in range(3))
        self.inplace, self.keep = nn.ReLU(inplace=True), nn.Identity()
        self.head = OverTime(nn.Flatten(), nn.Linear(256, 5, bias=False))
        quantize_weights(self, 3)
        for module in self.modules():
            if isinstance(module, LSQ):
                nn.init.constant_(module.step, 0.125)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def images(count: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def farthest(model: nn.Module) -> float:
    """Largest difference between the logits of ``model`` and of what is read of it, which some image must move."""
    model = model.eval()
    x = (images().float() - 128) / 64
    want = model(x.clone()).float()  # it may write into its images
    assert want.std(0).max() > 0.01
    calls = read(model)
    direct = network(calls, calls.answers).eval()(x.clone())
    adopted = adopt(model, nn.ReLU).eval()(images())[0]
    return max(float((got - want).abs().max()) for got in (direct.float(), adopted))


def spikes_apart(model: nn.Module) -> int:
    """Spikes, and classes, that the integers frozen from a `Spiking` network send otherwise than its floats."""
    found = agreement(model, freeze(model, SHAPE), [images()])
    assert len(found.layers) == 3
    return sum(layer.mismatches for layer in found.layers) + found.images - found.same_class
