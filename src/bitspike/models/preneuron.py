"""Residual networks with a neuron in front of every convolution and classifier instead of behind it (paper 001).

What flows between two layers is a current: ``conv -> batch norm -> ReLU``, and the next layer's own neuron turns it
into spikes of its own bits and steps. The families differ in where the shortcut joins, before or after the ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import conv_bn, map_of
from bitspike.models.placement import EncodingNeuronFactory
from bitspike.models.resnet import IMAGENET_SIDE, block_shapes
from bitspike.sample import Sample

__all__ = ["PreNeuronBlock", "PreNeuronResNet", "PreNeuronSEWBlock"]


class PreNeuronBlock(nn.Module):
    """BasicBlock: the shortcut joins before the last ReLU. Where it resamples, it has a neuron of its own."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: EncodingNeuronFactory) -> None:
        super().__init__()
        resampled = stride != 1 or in_channels != channels
        self.conv1 = nn.Sequential(neuron(), conv_bn(in_channels, channels, stride=stride), nn.ReLU())
        self.conv2 = nn.Sequential(neuron(), conv_bn(channels, channels))
        self.shortcut = (
            nn.Sequential(neuron(), conv_bn(in_channels, channels, 1, stride)) if resampled else nn.Identity()
        )
        self.relu: nn.Module = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.relu(self.conv2(self.conv1(x)) + self.shortcut(x))
        return joined


class PreNeuronSEWBlock(PreNeuronBlock):
    """SEW: both branches pass a ReLU, then they are added."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: EncodingNeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.conv2.append(nn.ReLU())
        if isinstance(self.shortcut, nn.Sequential):
            self.shortcut.append(nn.ReLU())
        self.relu = nn.Identity()


class PreNeuronResNet(nn.Module):
    """Encoder, stem, residual stages, head: images ``[N, C, H, W]`` (0..255) to logits ``[T, N, K]``.

    The first neuron reads the image, with signed spikes; the last one the mean over the map. Weights start as
    ``N(0, sqrt(2/(k^2 C_out)))``.

    Args:
        sample: what one input is, ``[C, H, W]`` at a step.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        block: residual block of the family.
        channels: channels of each stage; the stem has those of the first.
        depths: blocks of each stage. Every stage but the first starts with stride 2.
    """

    def __init__(
        self,
        sample: Sample,
        num_classes: int,
        neuron: EncodingNeuronFactory,
        block: type[PreNeuronBlock],
        channels: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        shapes = block_shapes(channels, depths)
        width, *sides = map_of(sample)
        large = max(sides) > IMAGENET_SIDE
        self.encoder = encoder_for(sample)
        stem = conv_bn(width, channels[0], *((7, 2) if large else (3, 1)))
        pool = [OverTime(nn.MaxPool2d(3, 2, 1))] if large else []
        self.stem = nn.Sequential(neuron(encodes_image=True), stem, nn.ReLU(), *pool)
        self.blocks = nn.Sequential(*(block(*shape, neuron) for shape in shapes))
        pooled = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(pooled, neuron(), OverTime(nn.Linear(channels[-1], num_classes, bias=False)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(self.encoder(images))))
        return logits
