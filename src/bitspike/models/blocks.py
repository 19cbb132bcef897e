"""Building blocks that models share: synapses with batch norm, and the residual blocks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bitspike.layers import OverTime

__all__ = ["Block", "NeuronFactory", "SEWBasicBlock", "SEWBottleneck", "SpikingBasicBlock", "conv_bn", "head"]

NeuronFactory = Callable[[], nn.Module]
"""Makes one fresh neuron layer."""


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> OverTime:
    """Convolution (same padding, no bias) and batch norm: ``[T, N, C, H, W]`` to currents."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return OverTime(conv, nn.BatchNorm2d(out_channels))


def head(features: int, num_classes: int) -> OverTime:
    """Global average pooling and the classifier: spikes to logits per step ``[T, N, K]``."""
    return OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, num_classes, bias=False))


class Block(nn.Module):
    """A residual block: ``widen`` times ``channels`` come out."""

    widen = 1

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__()
        self.resampled = stride != 1 or in_channels != channels * self.widen


class SpikingBasicBlock(Block):
    """Spiking ResNet: the shortcut joins before the last neuron, as a current (Zheng et al. 2021, tdBN)."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.conv1 = conv_bn(in_channels, channels, stride=stride)
        self.neuron1 = neuron()
        self.conv2 = conv_bn(channels, channels)
        self.neuron2 = neuron()
        self.shortcut = conv_bn(in_channels, channels, 1, stride) if self.resampled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.neuron1(self.conv1(x)))
        joined: Tensor = self.neuron2(residual + self.shortcut(x))
        return joined


class SEWBlock(Block):
    """Spike-element-wise residual, connect function ADD: spikes are added after firing (Fang et al. 2021, SEW)."""

    residual: nn.Module
    shortcut: nn.Module

    def make_shortcut(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> nn.Module:
        if not self.resampled:
            return nn.Identity()
        return nn.Sequential(conv_bn(in_channels, channels * self.widen, 1, stride), neuron())

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.residual(x) + self.shortcut(x)
        return joined


class SEWBasicBlock(SEWBlock):
    """Two 3x3 convolutions."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.residual = nn.Sequential(
            conv_bn(in_channels, channels, stride=stride), neuron(), conv_bn(channels, channels), neuron()
        )
        self.shortcut = self.make_shortcut(in_channels, channels, stride, neuron)


class SEWBottleneck(SEWBlock):
    """1x1, 3x3 (which strides), 1x1 to four times the channels."""

    widen = 4

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.residual = nn.Sequential(
            conv_bn(in_channels, channels, 1),
            neuron(),
            conv_bn(channels, channels, stride=stride),
            neuron(),
            conv_bn(channels, channels * self.widen, 1),
            neuron(),
        )
        self.shortcut = self.make_shortcut(in_channels, channels, stride, neuron)
