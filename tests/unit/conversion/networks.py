"""Small trained-looking networks of Q-ReLUs to convert."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bitspike import BitPlan, Bits
from bitspike.models import MaxPools, build_model, morph
from bitspike.neurons import QReLU, neuron_settings
from bitspike.quant import LSQ

SHAPE = (3, 8, 8)
CHANNELS = {"convnet": (4, 5, 6), "resnet8-thin": (4, 5, 6), "vgg9": (4, 5, 6), "vggsnn": (3, 4, 4, 5, 5)}
CHANNELS |= dict.fromkeys(("resnet18", "sew-resnet18", "ms-resnet18"), (3, 4, 4, 5))
CHANNELS |= {"resnet20-thin": (3, 4, 5), "vgg16": (3, 4, 4, 5, 5)}


def pixels(count: int = 24, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """Random images, one all black, one all white."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    drawn[:2] = np.array([0, 255], dtype=np.uint8)[:, None, None, None]
    return drawn


def qann(
    name: str = "convnet",
    levels: int = 4,
    reroute: bool = False,
    weight_bits: int = 8,
    shape: tuple[int, int, int] = SHAPE,
    max_pool: MaxPools = "mean",
) -> nn.Module:
    """A network as it was initialised, with the statistics and the steps of random images; norms are lively."""
    torch.manual_seed(0)
    plan = BitPlan(Bits(weight_bits, levels.bit_length(), 1))
    neuron = neuron_settings(kind="q-relu", levels=levels)
    model = build_model(name, plan, sample=shape, num_classes=5, neuron=neuron, channels=CHANNELS[name])
    return started(morph(model, reroute, max_pool), shape)


def started(model: nn.Module, shape: tuple[int, int, int] = SHAPE) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model.train()(torch.from_numpy(pixels(32, 9, shape)))
    return model.eval()


def levels_of(model: nn.Module) -> dict[str, int]:
    return {name: module.levels for name, module in model.named_modules() if isinstance(module, QReLU)}


def on_thresholds(name: str, levels: int = 6) -> nn.Module:
    """Steps are powers of two, norms do nothing and weights are coarse: many sums lie on a threshold."""
    model = qann(name, levels, weight_bits=3)
    with torch.no_grad():
        for module in model.modules():
            match module:
                case nn.BatchNorm1d() | nn.BatchNorm2d():
                    module.running_mean.zero_()
                    module.running_var.fill_(1 - module.eps)
                    module.weight.fill_(1)
                    module.bias.zero_()
                case QReLU():
                    module.step_size.copy_(module.step_size.abs().log2().round().exp2())
                case LSQ():
                    module.step.copy_(module.step.abs().log2().round().exp2())
    return model
