"""Fully connected networks, for numbers at each step and for small frames."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from bitspike.layers import OverTime, encoder_for
from bitspike.models.blocks import NeuronFactory
from bitspike.sample import Sample

__all__ = ["MLP"]


class MLP(nn.Module):
    """Hidden layers of neurons and a classifier: codes ``[N, *sample.array_shape]`` to ``[T, N, K]``.

    Args:
        sample: what one input is, of any shape, which is flattened.
        num_classes: ``K``.
        neuron: makes each layer's neurons.
        channels: neurons of each hidden layer.
        norm: whether batch norm stands before the neurons; a layer without it has biases.
    """

    def __init__(
        self, sample: Sample, num_classes: int, neuron: NeuronFactory, channels: Sequence[int], norm: bool = True
    ) -> None:
        super().__init__()
        self.encoder = encoder_for(sample)
        layers: list[nn.Module] = [] if len(sample.shape) == 1 else [OverTime(nn.Flatten())]
        width = prod(sample.shape)
        for hidden in channels:
            synapse = nn.Linear(width, hidden, bias=not norm)
            layers += [OverTime(synapse, nn.BatchNorm1d(hidden)) if norm else OverTime(synapse), neuron()]
            width = hidden
        self.layers = nn.Sequential(*layers)
        self.classifier = OverTime(nn.Linear(width, num_classes, bias=False))

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(self.encoder(codes)))
        return logits
