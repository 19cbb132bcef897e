"""Residual networks: one stem, stages of blocks, a head. The families differ in the block."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import Block, NeuronFactory, conv_bn, head, map_of
from bitspike.sample import Sample

__all__ = ["ResNet", "block_shapes"]

IMAGENET_SIDE = 64
"""Images larger than this get the ImageNet stem: 7x7 convolution of stride 2, then 3x3 max pooling of stride 2."""


def block_shapes(channels: Sequence[int], depths: Sequence[int], widen: int = 1) -> list[tuple[int, int, int]]:
    """``(in_channels, channels, stride)`` of each block: every stage but the first starts with stride 2.

    Args:
        channels, depths: of each stage; the stem has the first stage's channels.
        widen: a block sends so many times its channels.

    Raises:
        UserError: not as many channels as stages.
    """
    if len(channels) != len(depths):
        raise UserError("channels", tuple(channels), f"want {len(depths)} numbers, one for each stage")
    shapes, width = [], channels[0]
    for stage, (stage_channels, depth) in enumerate(zip(channels, depths, strict=True)):
        for index in range(depth):
            shapes.append((width, stage_channels, 2 if stage > 0 and index == 0 else 1))
            width = stage_channels * widen
    return shapes


class ResNet(nn.Module):
    """Encoder, stem, residual stages, head: images ``[N, C, H, W]`` (0..255) to logits ``[T, N, K]``.

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
        neuron: NeuronFactory,
        block: type[Block],
        channels: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        shapes = block_shapes(channels, depths, block.widen)
        width, *sides = map_of(sample)
        large = max(sides) > IMAGENET_SIDE
        self.encoder = encoder_for(sample)
        self.stem = conv_bn(width, channels[0], *((7, 2) if large else (3, 1)))
        self.stem_neuron = nn.Identity() if block.sends_currents else neuron()
        self.stem_pool = OverTime(nn.MaxPool2d(3, 2, 1)) if large else nn.Identity()
        self.blocks = nn.Sequential(*(block(*shape, neuron) for shape in shapes))
        self.last_neuron = neuron() if block.sends_currents else nn.Identity()
        self.head = head(channels[-1] * block.widen, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem_pool(self.stem_neuron(self.stem(self.encoder(images))))
        logits: Tensor = self.head(self.last_neuron(self.blocks(stem)))
        return logits
