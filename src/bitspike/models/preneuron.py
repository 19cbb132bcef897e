"""Residual networks with a neuron in front of every convolution and classifier instead of behind it (paper 001).

What flows between two layers is a current: ``conv -> batch norm -> ReLU``, and the next layer's own neuron turns it
into spikes of its own bits and steps. The families differ in where the shortcut joins, before or after the ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime
from bitspike.models.blocks import conv_bn
from bitspike.models.resnet import IMAGENET_SIDE

__all__ = ["PreNeuronBlock", "PreNeuronResNet", "PreNeuronSEWBlock"]


class SignedNeuronFactory(Protocol):
    """Makes one fresh neuron layer; a signed one reads the image."""

    def __call__(self, *, signed: bool = False) -> nn.Module: ...


class PreNeuronBlock(nn.Module):
    """BasicBlock: the shortcut joins before the last ReLU. Where it resamples, it has a neuron of its own."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: SignedNeuronFactory) -> None:
        super().__init__()
        resampled = stride != 1 or in_channels != channels
        self.conv1 = nn.Sequential(neuron(), conv_bn(in_channels, channels, stride=stride))
        self.conv2 = nn.Sequential(neuron(), conv_bn(channels, channels))
        resampling = nn.Sequential(neuron(), conv_bn(in_channels, channels, 1, stride)) if resampled else None
        self.shortcut = resampling or nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.relu(self.conv1(x)))
        joined: Tensor = self.relu(residual + self.shortcut(x))
        return joined


class PreNeuronSEWBlock(PreNeuronBlock):
    """SEW: both branches pass a ReLU, then they are added."""

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.relu(self.conv1(x)))
        shortcut = x if isinstance(self.shortcut, nn.Identity) else self.relu(self.shortcut(x))
        joined: Tensor = self.relu(residual) + shortcut
        return joined


class PreNeuronResNet(nn.Module):
    """Encoder, stem, residual stages, head: images ``[N, C, H, W]`` (0..255) to logits ``[T, N, K]``.

    The first neuron reads the image, with signed spikes; the last one the mean over the map. Weights start as
    ``N(0, sqrt(2/(k^2 C_out)))``.

    Args:
        image_shape: ``(C, H, W)``.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        block: residual block of the family.
        channels: channels of each stage; the stem has those of the first.
        depths: blocks of each stage. Every stage but the first starts with stride 2.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        neuron: SignedNeuronFactory,
        block: type[PreNeuronBlock],
        channels: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        if len(channels) != len(depths):
            raise UserError("channels", tuple(channels), f"want {len(depths)} numbers, one for each stage")
        large = max(image_shape[1:]) > IMAGENET_SIDE
        self.encoder = Encoder()
        stem = conv_bn(image_shape[0], channels[0], *((7, 2) if large else (3, 1)))
        pool = [OverTime(nn.MaxPool2d(3, 2, 1))] if large else []
        self.stem = nn.Sequential(neuron(signed=True), stem, nn.ReLU(), *pool)
        blocks: list[nn.Module] = []
        width = channels[0]
        for stage, (stage_channels, depth) in enumerate(zip(channels, depths, strict=True)):
            for index in range(depth):
                blocks.append(block(width, stage_channels, 2 if stage > 0 and index == 0 else 1, neuron))
                width = stage_channels
        self.blocks = nn.Sequential(*blocks)
        pooled = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(pooled, neuron(), OverTime(nn.Linear(width, num_classes, bias=False)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(self.encoder(images))))
        return logits
