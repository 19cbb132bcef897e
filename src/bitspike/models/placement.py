"""Where a network has its neurons: behind each layer with weights, or in front of it (paper 001)."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from bitspike.layers import OverTime
from bitspike.models.blocks import head

__all__ = ["AfterSynapses", "BeforeSynapses", "EncodingNeuronFactory", "Placement"]


class EncodingNeuronFactory(Protocol):
    """Makes one fresh neuron layer, and the one that turns the image into spikes."""

    def __call__(self, *, encodes_image: bool = False) -> nn.Module: ...


class Placement(Protocol):
    """What stands around the layers with weights of a network whose parts are added.

    A part opens, has a layer with weights, then `spikes` and another layer, as often as it likes, and closes.

    Args:
        neuron: makes each layer of neurons.
    """

    def __init__(self, neuron: EncodingNeuronFactory) -> None: ...

    def neuron(self) -> nn.Module:
        """A layer of neurons, on currents, wherever the network has it."""

    def opens(self, *, encodes_image: bool = False) -> nn.Module:
        """What makes spikes of what parts were added to."""

    def spikes(self) -> nn.Module:
        """What makes spikes of the currents between two layers."""

    def closes(self) -> nn.Module:
        """What makes of the last currents what is added."""

    def head(self, features: int, num_classes: int, bias: bool) -> nn.Module:
        """Global pooling and the classifier."""


class AfterSynapses:
    """Neurons behind the layers: parts add spikes, whose levels add up (Spikformer, SEW)."""

    def __init__(self, neuron: EncodingNeuronFactory) -> None:
        self.make = neuron

    def neuron(self) -> nn.Module:
        return self.make()

    def opens(self, *, encodes_image: bool = False) -> nn.Module:
        return nn.Identity()

    def spikes(self) -> nn.Module:
        return self.make()

    def closes(self) -> nn.Module:
        return self.make()

    def head(self, features: int, num_classes: int, bias: bool) -> nn.Module:
        return head(features, num_classes, bias)


class BeforeSynapses:
    """Neurons in front of the layers: ``conv -> batch norm -> ReLU``, and parts add currents (paper 001).

    So each layer has spikes of bits and steps of its own.
    """

    def __init__(self, neuron: EncodingNeuronFactory) -> None:
        self.make = neuron

    def neuron(self) -> nn.Module:
        return self.make()

    def opens(self, *, encodes_image: bool = False) -> nn.Module:
        return self.make(encodes_image=encodes_image)

    def spikes(self) -> nn.Module:
        return nn.Sequential(nn.ReLU(), self.make())

    def closes(self) -> nn.Module:
        return nn.ReLU()

    def head(self, features: int, num_classes: int, bias: bool) -> nn.Module:
        pooled = OverTime(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(pooled, self.make(), OverTime(nn.Linear(features, num_classes, bias=bias)))
