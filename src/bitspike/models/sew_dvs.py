"""The residual networks for events of Fang et al. 2021 (SEW): 7B-Net of DVS128 Gesture, Wide-7B-Net of CIFAR10-DVS."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import NeuronFactory, SEWBasicBlock, conv_bn, map_of
from bitspike.sample import Sample

__all__ = ["SEWDVSNet"]


class SEWDVSNet(nn.Module):
    """SEW blocks, each with a 2x2 max pool behind, and a classifier: codes of a sample to logits ``[T, N, K]``.

    Where the channels change, a 3x3 convolution with neurons stands before the block.

    Args:
        sample: what one input is, ``[C, H, W]`` at a step; height and width must survive one halving for each block.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: of each block; there are as many blocks.
    """

    def __init__(self, sample: Sample, num_classes: int, neuron: NeuronFactory, channels: Sequence[int]) -> None:
        super().__init__()
        width, height, side = map_of(sample)
        if min(height, side) >> len(channels) < 1:
            wanted = f"want at least {1 << len(channels)} pixels a side, or fewer channels: there is a block for each"
            raise UserError("image", f"{height}x{side}", wanted)
        self.encoder = encoder_for(sample)
        features: list[nn.Module] = []
        for out in channels:
            if out != width:
                features += [conv_bn(width, out), neuron()]
                width = out
            features += [SEWBasicBlock(width, width, 1, neuron), OverTime(nn.MaxPool2d(2))]
        self.features = nn.Sequential(*features)
        left = width * (height >> len(channels)) * (side >> len(channels))
        self.classifier = OverTime(nn.Flatten(), nn.Linear(left, num_classes, bias=False))

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(self.encoder(codes)))
        return logits
