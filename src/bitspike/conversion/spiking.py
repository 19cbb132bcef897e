"""From a trained network of Q-ReLUs to a spiking one that computes the same (paper 003, Sections 3.1, 3.2 and 3.5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bitspike.errors import UserError, closest
from bitspike.ir import Add, Affine, Conv, Fire, Graph, Input, Linear, Readout, Reshape, SumPool
from bitspike.layers import Encoder, OverTime, Release, ReleasedAffine
from bitspike.lowering import lower
from bitspike.neurons import BaseNode, QReLU, STBIFNode
from bitspike.quant import MaxScaled, synapses, weight_quantizer

__all__ = ["METHODS", "Method", "check_convertible", "float_weights", "settling_bound", "to_snn"]

LINEAR = (Input, Conv, Linear, Affine, Add, SumPool, Reshape, Readout)
"""What may lie between neurons: the SNN computes it step by step, and what it adds up to is the QANN's."""
EXACT_BITS = 15
"""Of float weights in integers: the most that a frozen network holds."""


@dataclass(frozen=True)
class Method:
    """How a Q-ReLU becomes a neuron, and how long the network is fed.

    Attributes:
        bipolar: neurons take spikes back.
        limited: they send ``n`` spikes at most.
        ends: images and biases are released over ``n`` steps, then nothing; else at every step, and what the network
            says is a rate, ``n/T`` of what it adds up to.
    """

    about: str
    bipolar: bool
    limited: bool
    ends: bool


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "spikezip": Method("paper 003: equal to the QANN once it has settled", True, True, True),
        "qcfs": Method("IF neurons, held images (Bu et al. 2022)", False, False, False),
        "fast-snn": Method("signed neurons, held images (Hu et al. 2023)", True, False, False),
    }
)


def to_snn(qann: nn.Module, T: int, method: str = "spikezip") -> nn.Module:
    """The spiking network of ``qann``, a copy in evaluation mode: images ``[N, C, H, W]`` to logits ``[T, N, K]``.

    Logits summed over time are the QANN's once all is silent (`settling_bound`). Batch norms are folded with their
    running statistics; they and biases are released over time as the images are.

    Args:
        qann: a network of `QReLU`, morphed (`bitspike.models.morph`) and trained.
        T: time steps.
        method: a key of `METHODS`.

    Raises:
        UserError: what cannot be converted, by its path in the model.
    """
    if method not in METHODS:
        raise UserError("method", method, closest(method, METHODS))
    how, snn = METHODS[method], deepcopy(qann).eval()
    neurons = {name: module for name, module in snn.named_modules() if isinstance(module, QReLU)}
    if not neurons:
        raise UserError("model", type(qann).__name__, "want a network of q-relu neurons (neuron.kind=q-relu)")
    n = max(neuron.levels for neuron in neurons.values())
    release = Release(T, n, None if how.ends else T)
    for name, module in list(snn.named_modules()):
        match module:
            case Encoder():
                snn.set_submodule(name, nn.Sequential(module, release))
            case QReLU():
                if module.scale is None:
                    raise UserError(f"neuron {name}", "no step size", "it was never trained; train or calibrate it")
                levels = module.levels if how.limited else None
                snn.set_submodule(name, STBIFNode(T, module.scale, levels, how.bipolar))
            case OverTime():
                snn.set_submodule(name, _released(module, release))
            case nn.ReLU() | nn.MaxPool2d() | BaseNode():
                instead = "an AvgPool2d" if isinstance(module, nn.MaxPool2d) else "a QReLU"
                raise UserError(f"layer {name}", type(module).__name__, f"cannot be converted; want {instead}")
    return snn


def _released(layers: OverTime, release: Release) -> OverTime:
    """Biases and batch norms as affine maps whose offset is released."""
    made: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in layers.named_children():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            made[name] = ReleasedAffine(*_folded(layer), release)
            continue
        made[name] = layer
        bias = getattr(layer, "bias", None)
        if isinstance(bias, Tensor):
            made[f"{name}_bias"] = ReleasedAffine(torch.ones_like(bias), bias, release)
            layer.register_parameter("bias", None)
    return OverTime(made)


def _folded(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Gain and offset of a batch norm in evaluation mode."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise UserError("batch norm", norm, "it keeps no running statistics; they are what is folded")
    gain = (variance + norm.eps).rsqrt()
    gain = gain if norm.weight is None else gain * norm.weight
    offset = -mean * gain
    return gain, offset if norm.bias is None else offset + norm.bias


def check_convertible(qann: nn.Module, image_shape: tuple[int, int, int]) -> Graph:
    """The structural graph of a QANN.

    Raises:
        UserError: something in it is not linear, and no Q-ReLU; it is named with its path. Or it has none of these.
    """
    graph, modules = lower(qann, image_shape), dict(qann.named_modules())
    if not any(graph.neurons()):
        raise UserError("network", "no neurons", "want at least one ReLU: it becomes a spiking neuron")
    for node in graph.nodes:
        if isinstance(node, Fire) and not isinstance(modules[node.name], QReLU):
            raise node.refuse(type(modules[node.name]).__name__, "cannot be converted; want a QReLU")
        if not isinstance(node, (*LINEAR, Fire)):
            raise node.refuse(type(node).__name__, "cannot be converted: only linear maps may lie between Q-ReLUs")
    return graph


def settling_bound(graph: Graph) -> int:
    """Steps after which a converted network is silent, whatever the image: ``n (L + 1)`` for ``L`` layers in a row.

    Once what a neuron reads has ended, each step brings what it has sent one closer to what it will have sent.

    Args:
        graph: the structural one of the QANN, or the frozen one of the SNN.
    """
    most = {node.name: node.dynamics.most_sent or node.T if node.dynamics else node.hi for node in graph.neurons()}
    steps: dict[str, int] = {}
    for node in graph.nodes:
        before = max((steps[name] for name in node.inputs), default=max(most.values()))
        steps[node.name] = before + most.get(node.name, 0)
    return steps[graph.nodes[-1].name]


def float_weights(model: nn.Module) -> int:
    """Rounds float weights to `EXACT_BITS` bits, in place, so that they freeze; says of how many layers."""
    layers = [layer for layer in synapses(model).values() if weight_quantizer(layer) is None]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", MaxScaled(EXACT_BITS, layer.weight), unsafe=True)
    return len(layers)
