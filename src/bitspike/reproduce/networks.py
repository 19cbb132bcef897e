"""Graphs of the networks that the papers count. No weight is made: shapes are enough."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.ir import Graph
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.neurons import NeuronSettings
from bitspike.sample import AnySample

__all__ = ["CIFAR", "IMAGENET", "graph_of"]

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)


def graph_of(
    name: str,
    bits: str,
    image: AnySample = CIFAR,
    classes: int = 10,
    change: Callable[[nn.Module], object] | None = None,
    neuron: NeuronSettings | None = None,
) -> Graph:
    """The graph of a network of the registry; ``change`` alters it in place before its shapes are looked at."""
    with torch.device("meta"):
        model = build_model(name, BitPlan(Bits.parse(bits)), sample=image, num_classes=classes, neuron=neuron)
        if change:
            change(model)
        return lower(model, image, name)
