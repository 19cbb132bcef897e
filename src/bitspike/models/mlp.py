"""Fully connected networks, for numbers at each step and for small frames."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import OverTime, Recurrent, encoder_for
from bitspike.models.blocks import NeuronFactory
from bitspike.neurons import BaseNode
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
        recurrent: whether each hidden layer reads what all of it sent one step before.
    """

    def __init__(
        self,
        sample: Sample,
        num_classes: int,
        neuron: NeuronFactory,
        channels: Sequence[int],
        norm: bool = True,
        recurrent: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder_for(sample)
        layers: list[nn.Module] = [] if len(sample.shape) == 1 else [OverTime(nn.Flatten())]
        width = prod(sample.shape)
        for hidden in channels:
            synapse = nn.Linear(width, hidden, bias=not norm)
            layers.append(OverTime(synapse, nn.BatchNorm1d(hidden)) if norm else OverTime(synapse))
            node = neuron()
            layers.append(self._loop(hidden, node) if recurrent else node)
            width = hidden
        self.layers = nn.Sequential(*layers)
        self.classifier = OverTime(nn.Linear(width, num_classes, bias=False))

    @staticmethod
    def _loop(width: int, node: nn.Module) -> nn.Module:
        if not isinstance(node, BaseNode):
            raise UserError("neuron", type(node).__name__, "want neurons that a loop can close; mlp has none")
        return Recurrent(nn.Linear(width, width, bias=False), node)

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(self.encoder(codes)))
        return logits
