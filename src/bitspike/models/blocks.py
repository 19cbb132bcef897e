"""Building blocks that models share: synapses with batch norm, and the residual blocks.

The residual families differ in where the shortcut joins (paper 004, Fig. 3): as a current before the last neuron
(`SpikingBasicBlock`), as spikes after it (`SEWBasicBlock`), as spikes before a barrier neuron (`SparseBasicBlock`), or
as a current with no neuron after the sum (`MSBasicBlock`).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime
from bitspike.neurons import barrier, behind_spikes
from bitspike.sample import Sample

__all__ = [
    "Block",
    "MSBasicBlock",
    "NeuronFactory",
    "Residual",
    "SEWBasicBlock",
    "SEWBottleneck",
    "SparseBasicBlock",
    "SparseWithoutSTE",
    "SpikingBasicBlock",
    "conv_bn",
    "head",
    "map_of",
]

NeuronFactory = Callable[[], nn.Module]
"""Makes one fresh neuron layer."""


def conv_bn(in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, bias: bool = False) -> OverTime:
    """Convolution (same padding) and batch norm: ``[T, N, C, H, W]`` to currents.

    A ``bias`` changes nothing that the batch norm does not; Spikformer has some, and its parameters are counted.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=bias)
    return OverTime(conv, nn.BatchNorm2d(out_channels))


def head(features: int, num_classes: int, bias: bool = False) -> OverTime:
    """Global average pooling and the classifier: spikes to logits per step ``[T, N, K]``."""
    return OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, num_classes, bias=bias))


class Residual(nn.Sequential):
    """Its modules one after the other, and what they make of ``x`` is added to ``x``."""

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + super().forward(x)
        return added


class Block(nn.Module):
    """A residual block: ``widen`` times ``channels`` come out, as spikes or as currents (``sends_currents``)."""

    widen = 1
    sends_currents = False

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


class SparseBasicBlock(SEWBasicBlock):
    """Sparse-ResNet (paper 004, Section 4.4): SEW with a barrier neuron behind the sum, whose gradient is 1."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.barrier: nn.Module = barrier(neuron())

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.barrier(super().forward(x))
        return joined


class SparseWithoutSTE(SparseBasicBlock):
    """The ablation of paper 004, Section 6.3: the barrier has the surrogate gradient of every other neuron."""

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.barrier = behind_spikes(neuron())


class MSBasicBlock(Block):
    """Membrane shortcut (Hu et al. 2023, MS-ResNet): neurons come first, and the sum is a current.

    A resampling shortcut reads the block's first spikes. (In the original it convolves the current itself, which no
    network of integer spikes could run.)
    """

    sends_currents = True

    def __init__(self, in_channels: int, channels: int, stride: int, neuron: NeuronFactory) -> None:
        super().__init__(in_channels, channels, stride, neuron)
        self.neuron1 = neuron()
        self.conv1 = conv_bn(in_channels, channels, stride=stride)
        self.neuron2 = neuron()
        self.conv2 = conv_bn(channels, channels)
        if self.resampled:
            self.shortcut = conv_bn(in_channels, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron1(x)
        residual = self.conv2(self.neuron2(self.conv1(spikes)))
        joined: Tensor = residual + (self.shortcut(spikes) if self.resampled else x)
        return joined


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


def map_of(sample: Sample) -> tuple[int, int, int]:
    """Channels, height and width of what a network of two-dimensional convolutions reads at each step.

    Raises:
        UserError: a sample without them.
    """
    if len(sample.shape) != 3:
        raise UserError("input", str(sample), "want channels x height x width, for example 3x32x32 or 16@2x48x48")
    channels, height, width = sample.shape
    return channels, height, width
