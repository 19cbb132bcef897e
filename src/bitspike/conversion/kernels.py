"""Layers with weights as kernels, and two of them, with nothing between, as one: exact in real numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Kernel", "composed"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Kernel:
    """A convolution with zero padding, or a linear layer, which is one of a single place.

    Attributes:
        weight: ``[O, I / groups, rows, columns]`` in float64. bias: ``[O]``.
    """

    weight: Tensor
    bias: Tensor
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def of(cls, module: nn.Module) -> Kernel | None:
        """Reads an ``nn.Conv2d`` or ``nn.Linear``; ``None`` where its padding is another than zeros on both sides."""
        layer: Any = module
        weight = layer.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
        if isinstance(layer, nn.Linear):
            return cls(weight[:, :, None, None], bias)
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        padding = {"valid": (0, 0), "same": tuple(r // 2 for r in reach)}.get(layer.padding, layer.padding)
        if layer.padding_mode != "zeros" or (layer.padding == "same" and any(r % 2 for r in reach)):
            return None
        return cls(weight, bias, layer.stride, padding, layer.dilation, layer.groups)

    @classmethod
    def mean(cls, pool: nn.Module, channels: int) -> Kernel | None:
        """Reads an ``nn.AvgPool2d``; ``None`` where it is no plain mean over windows that lie inside."""
        layer: Any = pool
        size, stride, padding = (
            side if isinstance(side, tuple | list) else (side, side)
            for side in (layer.kernel_size, layer.stride, layer.padding)
        )
        if layer.ceil_mode or layer.divisor_override or any(padding):
            return None
        weight = torch.full((channels, 1, *size), 1 / (size[0] * size[1]), dtype=torch.float64)
        return cls(weight, weight.new_zeros(channels), tuple(stride), groups=channels)

    @property
    def inputs(self) -> int:
        """Channels that it reads."""
        return self.weight.shape[1] * self.groups

    def scaled(self, gain: Tensor, offset: Tensor) -> Kernel:
        """The kernel with a batch norm behind it."""
        return replace(self, weight=self.weight * gain.view(-1, 1, 1, 1), bias=self.bias * gain + offset)

    def reading(self, gain: Tensor, offset: Tensor) -> Kernel | None:
        """The kernel with a batch norm before it; ``None`` where its padding would have to be other than zeros."""
        if any(self.padding) and offset.any():
            return None
        of_outputs = (len(self.weight) // self.groups, 1)
        gains, offsets = (part.view(self.groups, 1, -1).expand(-1, *of_outputs[:1], -1) for part in (gain, offset))
        gains, offsets = (part.reshape(len(self.weight), -1, 1, 1) for part in (gains, offsets))
        return replace(self, weight=self.weight * gains, bias=self.bias + (self.weight * offsets).sum((1, 2, 3)))

    def layer(self, like: nn.Module) -> nn.Module:
        """An ``nn.Linear`` where ``like`` is one, else an ``nn.Conv2d``, in float32."""
        outputs, options = len(self.weight), {"bias": bool(self.bias.any()) or getattr(like, "bias", None) is not None}
        made: Any
        if isinstance(like, nn.Linear):
            made = nn.Linear(self.inputs, outputs, **options)
        else:
            size = tuple(self.weight.shape[2:])
            place = (size, self.stride, self.padding, self.dilation, self.groups)
            made = nn.Conv2d(self.inputs, outputs, *place, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            made.weight.copy_(self.weight.view(made.weight.shape))
            if made.bias is not None:
                made.bias.copy_(self.bias)
        return made

    def in_groups(self, groups: int) -> Tensor:
        """The weight for fewer groups, which ``groups`` divides: 0 where it had none."""
        outputs, width, *size = self.weight.shape
        dense = self.weight.new_zeros(outputs, self.inputs // groups, *size)
        for group in range(self.groups):
            rows = slice(group * outputs // self.groups, (group + 1) * outputs // self.groups)
            start = group * width % (self.inputs // groups)
            dense[rows, start : start + width] = self.weight[rows]
        return dense


def composed(first: Kernel, second: Kernel) -> Kernel | None:
    """``second(first(x))`` as one.

    ``None`` where it is none: the second pads with zeros, where the first has values beyond its border. It has none
    along an axis of one tap and no padding, without a bias.
    """
    beyond = (k > 1 or p > 0 for k, p in zip(first.weight.shape[2:], first.padding, strict=True))
    if any(pad and (far or first.bias.any()) for pad, far in zip(second.padding, beyond, strict=True)):
        return None
    if second.inputs != len(first.weight):
        return None
    groups = gcd(first.groups, second.groups)
    one, two = first.in_groups(groups), second.in_groups(groups)
    axes = [_axis(first, second, axis) for axis in (0, 1)]
    outputs = len(two)
    weight = one.new_zeros(outputs, one.shape[1], *(size for _, _, _, size in axes))
    grouped = weight.view(groups, outputs // groups, *weight.shape[1:])
    one = one.view(groups, -1, *one.shape[1:])
    two = two.view(groups, outputs // groups, *two.shape[1:])
    steps = [(a, b) for a, b, _, _ in axes]
    for a in product(*(range(k) for k in first.weight.shape[2:])):
        for b in product(*(range(k) for k in second.weight.shape[2:])):
            row, column = (i * of_a + j * of_b for i, j, (of_a, of_b) in zip(a, b, steps, strict=True))
            grouped[..., row, column] += two[..., b[0], b[1]] @ one[..., a[0], a[1]]
    bias = second.bias + (two.sum((-2, -1)) @ first.bias.view(groups, -1, 1)).flatten()
    pads = zip(first.padding, first.stride, second.padding, strict=True)
    return Kernel(
        weight,
        bias,
        stride=_pair(a * b for a, b in zip(first.stride, second.stride, strict=True)),
        padding=_pair(p + s * q for p, s, q in pads),
        dilation=_pair(dilation for _, _, dilation, _ in axes),
        groups=groups,
    )


def _axis(first: Kernel, second: Kernel, axis: int) -> tuple[int, int, int, int]:
    """Taps of the composed kernel from one tap of each to the next; its dilation, and how many taps it has."""
    taps = first.weight.shape[2 + axis], second.weight.shape[2 + axis]
    far = first.dilation[axis], first.stride[axis] * second.dilation[axis]
    dilation = gcd(*(step for step, count in zip(far, taps, strict=True) if count > 1)) or 1
    a, b = (step // dilation for step in far)
    return a, b, dilation, a * (taps[0] - 1) + b * (taps[1] - 1) + 1


def _pair(sides: Any) -> Pair:
    first, second = sides
    return first, second
