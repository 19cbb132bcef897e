"""A shared scale (MINT, Yin et al. 2024): membranes are whole numbers of the weights that add to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from bitspike.errors import UserError
from bitspike.frontend import Call, read
from bitspike.layers import OverTime
from bitspike.neurons import BaseNode
from bitspike.quant import MembraneQuantizer, SharedMembraneQuantizer, synapses, weight_quantizer
from bitspike.training.methods.method import METHODS, Method, MethodSettings

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig

__all__ = ["SharedScale", "SharedScaleSettings"]


class SharedScaleSettings(MethodSettings):
    """There is nothing to set: the bits are those of the membranes, the scales those of the weights."""


class SharedScale(Method[SharedScaleSettings]):
    """Quantizes each membrane in steps of the weights before it, in the place of steps of its own largest potential.

    Neurons that read the image keep theirs, as MINT keeps that layer's membrane out: pixels are no whole numbers of
    weights.
    """

    settings_type = SharedScaleSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        for call in read(model, whole=(OverTime,)):
            neuron = call.module
            if isinstance(neuron, BaseNode) and _reads_spikes(call):
                if type(neuron.store) is not MembraneQuantizer:
                    seen = type(neuron.store).__name__
                    wanted = "want membrane bits, bits=w/s/t/u, and neuron.membrane=carry"
                    raise UserError(f"methods.shared-scale of neuron {call.path}", seen, wanted)
                neuron.store = SharedMembraneQuantizer(neuron.store.bits, *_weights_before(call))
        return model


def _reads_spikes(call: Call) -> bool:
    """Whether neurons are before it."""
    return any(isinstance(before.module, BaseNode) or _reads_spikes(before) for before in call.inputs)


def _weights_before(call: Call) -> tuple[nn.Module, nn.Module | None]:
    """The layer whose currents the neurons read, and the batch norm behind it.

    Raises:
        UserError: it is no one such layer.
    """
    block = call.inputs[0].module
    layers = list(block.children()) if isinstance(block, OverTime) else []
    found = [layer for layer in layers if layer in synapses(block).values()] if layers and block is not None else []
    behind = layers[layers.index(found[-1]) + 1 :] if found else []
    if len(found) != 1 or len(behind) > 1 or not all(isinstance(n, nn.BatchNorm1d | nn.BatchNorm2d) for n in behind):
        wanted = "want one layer of weights, and at most a batch norm, before it: what is added has scales of its own"
        raise UserError(f"methods.shared-scale of neuron {call.path}", call.inputs[0].path, wanted)
    if weight_quantizer(found[0]) is None:
        wanted = "want weight bits below 16: floats have no scale to share"
        raise UserError(f"methods.shared-scale of neuron {call.path}", "weights in floats", wanted)
    return found[0], behind[0] if behind else None


METHODS.register("shared-scale", SharedScale)
