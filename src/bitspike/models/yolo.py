"""Detectors: YOLOv3 (Redmon & Farhadi 2018) of ReLUs, and one for two cores. An output is a map of each scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import NeuronFactory, Residual, conv_bn, map_of
from bitspike.sample import Sample

__all__ = ["YOLOTiny", "YOLOv3"]

NEAR = 2.0
"""Distances that a fresh head of points says, in strides: a box round its point, so that every box has an area."""
RARE = 0.01
"""The probability that a fresh head gives to each class at each point (Lin et al. 2017, RetinaNet)."""


def conv_neuron(
    in_channels: int, out_channels: int, neuron: NeuronFactory, kernel_size: int = 3, stride: int = 1
) -> nn.Sequential:
    """A layer with weights and its neurons: currents never leave it."""
    return nn.Sequential(conv_bn(in_channels, out_channels, kernel_size, stride), neuron())


def upsample() -> OverTime:
    """Each place four times: a map of spikes twice as high and wide."""
    return OverTime(nn.Upsample(scale_factor=2, mode="nearest"))


def beside(*maps: Tensor) -> Tensor:
    """Maps of spikes ``[T, N, C, H, W]`` of the same size, their channels one after the other."""
    return torch.cat(maps, 2)


def check_strides(sample: Sample, stride: int) -> int:
    """The channels of an image whose sides are whole multiples of ``stride``.

    Raises:
        UserError: a side that is none, where the maps of two scales would not fit each other.
    """
    channels, height, width = map_of(sample)
    if height % stride or width % stride:
        raise UserError("image", f"{height}x{width}", f"want sides that are multiples of {stride}")
    return channels


class YOLOTiny(nn.Module):
    """A detector for two cores: images ``[N, C, H, W]`` to two maps ``[T, N, K + 4, h, w]``, of strides 8 and 16.

    A point of a map says, of the object that it lies in, ``K`` class logits and the distances of its left, upper, right
    and lower side, in strides: linear functions of spikes, both. There are strided convolutions for pools, so that it
    is converted as it is.

    Args:
        sample: what one input is, ``[C, H, W]`` at a step; sides are multiples of 16.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: of the maps of strides 2, 4, 8 and 16.
    """

    def __init__(self, sample: Sample, num_classes: int, neuron: NeuronFactory, channels: Sequence[int]) -> None:
        super().__init__()
        if len(channels) != 4:
            raise UserError("channels", tuple(channels), "want 4 numbers, of strides 2, 4, 8 and 16")
        width = check_strides(sample, 16)
        stem, early, fine, coarse = channels
        self.encoder = encoder_for(sample)
        self.stem = nn.Sequential(
            conv_neuron(width, stem, neuron, stride=2),
            conv_neuron(stem, early, neuron, stride=2),
            conv_neuron(early, early, neuron),
        )
        self.fine = nn.Sequential(
            conv_neuron(early, fine, neuron, stride=2),
            conv_neuron(fine, fine, neuron),
            conv_neuron(fine, fine, neuron),
        )
        self.coarse = nn.Sequential(
            conv_neuron(fine, coarse, neuron, stride=2),
            conv_neuron(coarse, coarse, neuron),
            conv_neuron(coarse, coarse, neuron),
        )
        self.lateral = nn.Sequential(conv_neuron(coarse, fine, neuron, 1), upsample())
        self.joined = conv_neuron(2 * fine, fine, neuron)
        self.fine_head = points_head(fine, num_classes)
        self.coarse_head = points_head(coarse, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.stem(self.encoder(images)))
        coarse = self.coarse(fine)
        joined = self.joined(beside(self.lateral(coarse), fine))
        return self.fine_head(joined), self.coarse_head(coarse)


def points_head(channels: int, num_classes: int) -> OverTime:
    """``K`` class logits and four distances of every point."""
    conv = nn.Conv2d(channels, num_classes + 4, 1)
    with torch.no_grad():
        conv.weight.mul_(0.1)
        conv.bias[:num_classes] = -math.log(1 / RARE - 1)  # type: ignore[index]  # there is one
        conv.bias[num_classes:] = NEAR  # type: ignore[index]
    return OverTime(conv)


class YOLOv3(nn.Module):
    """Darknet-53 and three heads: images ``[N, C, H, W]`` to maps ``[T, N, 3 (5 + K), h, w]`` of strides 8, 16 and 32.

    A place of a map says for each of three anchors: x, y, width, height, objectness and ``K`` class logits, as they are
    before sigmoid and exponential. Neurons stand where it has leaky ReLUs, as in paper 003; spikes are added at its
    shortcuts.

    Args:
        sample: what one input is, ``[C, H, W]`` at a step; sides are multiples of 32.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: of the stem and the five stages.
        depths: residual blocks of each stage.
        anchors: boxes that each place starts from.
    """

    def __init__(
        self,
        sample: Sample,
        num_classes: int,
        neuron: NeuronFactory,
        channels: Sequence[int],
        depths: Sequence[int],
        anchors: int = 3,
    ) -> None:
        super().__init__()
        if len(channels) != len(depths) + 1:
            raise UserError("channels", tuple(channels), f"want {len(depths) + 1} numbers: the stem's and each stage's")
        width = check_strides(sample, 2 ** len(depths))
        self.encoder = encoder_for(sample)
        self.stem = conv_neuron(width, channels[0], neuron)
        self.stages = nn.ModuleList(
            darknet_stage(channels[i], channels[i + 1], depth, neuron) for i, depth in enumerate(depths)
        )
        answers = anchors * (5 + num_classes)
        scales = list(channels[-1:-4:-1])  # the coarsest first, as its head says what the next one reads
        self.necks, self.heads, self.laterals = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        read = scales[0]
        for out, finer in zip(scales, [*scales[1:], None], strict=True):
            self.necks.append(five_convolutions(read, out // 2, neuron))
            last = OverTime(nn.Conv2d(out, answers, 1))
            self.heads.append(nn.Sequential(conv_neuron(out // 2, out, neuron), last))
            if finer is not None:
                self.laterals.append(nn.Sequential(conv_neuron(out // 2, out // 4, neuron, 1), upsample()))
                read = out // 4 + finer
        self.scales = len(scales)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps, x = [], self.stem(self.encoder(images))
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        answers = []
        x = maps[-1]
        for scale in range(self.scales):
            x = self.necks[scale](x)
            answers.append(self.heads[scale](x))
            if scale < self.scales - 1:
                x = beside(self.laterals[scale](x), maps[-2 - scale])
        return tuple(answers[::-1])


def darknet_stage(in_channels: int, channels: int, depth: int, neuron: NeuronFactory) -> nn.Sequential:
    """A convolution of stride 2, then residual blocks: a 1x1 to half the channels and a 3x3 back."""
    blocks = (
        Residual(conv_neuron(channels, channels // 2, neuron, 1), conv_neuron(channels // 2, channels, neuron))
        for _ in range(depth)
    )
    return nn.Sequential(conv_neuron(in_channels, channels, neuron, stride=2), *blocks)


def five_convolutions(in_channels: int, channels: int, neuron: NeuronFactory) -> nn.Sequential:
    """1x1 and 3x3 in turn, to ``channels`` and twice as many."""
    return nn.Sequential(
        conv_neuron(in_channels, channels, neuron, 1),
        conv_neuron(channels, 2 * channels, neuron),
        conv_neuron(2 * channels, channels, neuron, 1),
        conv_neuron(channels, 2 * channels, neuron),
        conv_neuron(2 * channels, channels, neuron, 1),
    )
