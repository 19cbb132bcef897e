"""From a trained network of Q-ReLUs to a spiking one that computes the same (paper 003, Sections 3.1, 3.2 and 3.5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bitspike.conversion.methods import Method, check_method, method_of
from bitspike.errors import UserError
from bitspike.frontend import Call, Known, MatMul, View, folded, network, overridden, read, unused
from bitspike.ir import Graph
from bitspike.layers import Encoder, OverTime, Release, ReleasedAffine, SpikingMatMul, SpikingMaxPool2d
from bitspike.lowering import check_freezable, rule_of, structure
from bitspike.neurons import BaseNode, OffsetIFNode, QReLU, STBIFNode
from bitspike.quant import MaxScaled, synapses, weight_quantizer
from bitspike.sample import AnySample, as_sample

__all__ = ["check_convertible", "check_method_fits", "float_weights", "settling_bound", "to_snn"]

EXACT_BITS = 15
"""Bits of float weights in integers: the most that a frozen network holds."""


def to_snn(qann: nn.Module, T: int, method: str = "spikezip") -> nn.Module:
    """The spiking network of ``qann``, a copy in evaluation mode: images ``[N, C, H, W]`` to logits ``[T, N, K]``.

    Logits summed over time are the QANN's once all is silent (`settling_bound`). Max pools that `morph` left are
    `SpikingMaxPool2d`, which add up to them. Batch norms are folded with their
    running statistics; they and biases are released over time as the images are.

    Args:
        qann: a network of `QReLU`, morphed (`bitspike.models.morph`) and trained.
        T: time steps.
        method: a key of `bitspike.conversion.METHODS`.

    Raises:
        UserError: what cannot be converted, or not so, by its path in the model.
    """
    check_method_fits(qann, method)
    how, snn = method_of(method), deepcopy(qann).eval()
    neurons = {name: module for name, module in snn.named_modules() if isinstance(module, QReLU)}
    if not neurons:
        raise UserError("model", type(qann).__name__, "want a network of q-relu neurons (neuron.kind=q-relu)")
    n = max(neuron.levels for neuron in neurons.values())
    release = Release(T, n, None if how.ends else T)
    snn = _with_spiking_products(snn)
    made: dict[str, nn.Module] = {}
    for call in read(snn, whole=(OverTime,)):
        make = next((make for kind, make in SPIKING.items() if isinstance(call.module, kind)), None)
        if make is not None:
            made[call.path] = make(call, _Target(T, how, release))
    for name, module in made.items():
        snn.set_submodule(name, module)
    return snn


def _with_spiking_products(qann: nn.Module) -> nn.Module:
    """The network with products of what trains have sent up to each step in the place of products of activations."""
    calls = read(qann, whole=(OverTime,))
    if not any(isinstance(call.module, MatMul) for call in calls):
        return qann
    made: dict[Call, Call] = {}
    for call in calls:
        module: Any = call.module
        if isinstance(module, MatMul):
            if any(len(before.lead) != 2 for before in call.inputs):
                wanted = (
                    f"wants trains, [T, N, ...]: it is a product of steps that are merged into the batch{call.place}"
                )
                raise UserError(f"matmul {call.path}", "[T*N, ...]", wanted)
            module = SpikingMatMul()
        if isinstance(module, View) and not module.numbers:
            raise UserError("view", call.path, f"want sizes that are numbers, or -1{call.place}")
        made[call] = replace(call, module=module, inputs=tuple(made[before] for before in call.inputs))
    return network([*made.values()], [made[answer] for answer in calls.answers], training=False)


@dataclass(frozen=True)
class _Target:
    """The spiking network that is made."""

    T: int
    how: Method
    release: Release


def _image(call: Call, to: _Target) -> nn.Module:
    return nn.Sequential(call.module, to.release)


def _neuron(call: Call, to: _Target) -> nn.Module:
    neuron = call.module
    assert isinstance(neuron, QReLU)
    if changed := overridden(neuron, Known(to.how.activation, _METHODS)):
        raise UserError(f"neuron {call.path}", type(neuron).__name__, f"cannot be converted: {changed}; want a QReLU")
    if neuron.learned_step is None:
        raise UserError(f"neuron {call.path}", "no step size", "it was never trained; train or calibrate it")
    if to.how.calibration:
        return OffsetIFNode(to.T, neuron.learned_step, to.how.calibration)
    return STBIFNode(to.T, neuron.learned_step, neuron.levels if to.how.limited else None, to.how.bipolar)


_METHODS = tuple(
    name
    for kind in QReLU.__mro__[: QReLU.__mro__.index(nn.Module)]
    for name, method in vars(kind).items()
    if (callable(method) or isinstance(method, property)) and name not in ("__init__", "extra_repr")
)
"""What decides what a `QReLU` computes."""


def _refused(instead: str) -> Callable[[Call, _Target], nn.Module]:
    def refuse(call: Call, to: _Target) -> nn.Module:
        raise UserError(f"layer {call.path}", type(call.module).__name__, f"cannot be converted; want {instead}")

    return refuse


def _over_time(call: Call, to: _Target) -> nn.Module:
    """Biases and batch norms as affine maps whose offset is released; a max pool as a spiking one, which has steps."""
    made: OrderedDict[str, nn.Module] = OrderedDict()
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    children = dict(call.module.named_children())
    for name, layer in call.module.named_modules():
        inside = isinstance(layer, nn.MaxPool2d) and not (name in children and _is_max_pool(layer))
        if inside or isinstance(layer, nn.ReLU | BaseNode):
            instead = DIRECTLY if inside else "a QReLU"
            raise UserError(f"layer {call.path}.{name}", type(layer).__name__, f"cannot be converted; want {instead}")
    for name, layer in children.items():
        if isinstance(layer, nn.MaxPool2d):
            if made:
                parts[next(iter(made))] = OverTime(made)
            parts[name] = SpikingMaxPool2d(layer.kernel_size, layer.stride, layer.padding)
            made = OrderedDict()
            continue
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            made[name] = ReleasedAffine(*folded(layer, torch.float32, f"{call.path}.{name}"), to.release)
            continue
        made[name] = layer
        bias = getattr(layer, "bias", None)
        if isinstance(bias, Tensor):
            last = isinstance(layer, nn.Linear)
            made[unused(f"{name}_bias", children)] = ReleasedAffine(torch.ones_like(bias), bias, to.release, last)
            layer.register_parameter("bias", None)
    if not parts:
        return OverTime(made)
    if made:
        parts[next(iter(made))] = OverTime(made)
    return nn.Sequential(parts)


DIRECTLY = "a plain MaxPool2d that stands in an OverTime, or an AvgPool2d"


def _is_max_pool(layer: nn.Module) -> bool:
    """Whether it computes what its class says."""
    return isinstance(layer, nn.MaxPool2d) and not overridden(layer, Known(nn.MaxPool2d))


def _max_pools(qann: nn.Module) -> set[nn.Module]:
    """Those that `to_snn` makes spiking."""
    return {pool for call in read(qann, whole=(OverTime,)) for pool in _max_pools_of(call.module)}


def _max_pools_of(block: nn.Module | None) -> set[nn.Module]:
    return {layer for layer in block.children() if _is_max_pool(layer)} if isinstance(block, OverTime) else set()


SPIKING: Mapping[type[nn.Module], Callable[[Call, _Target], nn.Module]] = MappingProxyType(
    {
        Encoder: _image,
        QReLU: _neuron,
        OverTime: _over_time,
        nn.ReLU: _refused("a QReLU"),
        nn.MaxPool2d: _refused(DIRECTLY),
        BaseNode: _refused("a QReLU"),
    }
)
"""What each layer of a network of Q-ReLUs becomes, by the first class that it is of; others stay."""


def check_convertible(qann: nn.Module, sample: AnySample) -> Graph:
    """The structural graph of a QANN.

    Raises:
        UserError: something in it is not linear, and no Q-ReLU or max pool; or a synapse or a pool reads no spikes,
            which could not be frozen; it is named with its path. Or it has no Q-ReLU, or reads no images.
    """
    if not as_sample(sample).is_image:
        raise UserError("input", str(as_sample(sample)), "want 8-bit images: a conversion releases one in parts")
    graph, made_from = structure(qann, sample)
    modules, max_pools = dict(qann.named_modules()), _max_pools(qann)
    neurons = {node.name for node in graph.neurons()}
    if not neurons:
        raise UserError("network", "no neurons", "want at least one ReLU: it becomes a spiking neuron")
    for node in graph.nodes:
        if node.name in neurons:
            if not isinstance(modules[node.name], QReLU):
                raise node.refuse(type(modules[node.name]).__name__, "cannot be converted; want a QReLU")
        elif isinstance(made_from[node.name], nn.MaxPool2d):
            if made_from[node.name] not in max_pools:
                raise node.refuse(type(made_from[node.name]).__name__, f"cannot be converted; want {DIRECTLY}")
        elif not rule_of(node).linear and not isinstance(made_from[node.name], MatMul):
            wanted = "cannot be converted: only linear maps, products and max pools may lie between Q-ReLUs"
            raise node.refuse(type(node).__name__, wanted)
    check_freezable(graph)
    return graph


def check_method_fits(qann: nn.Module, method: str) -> None:
    """Whether ``method`` converts the network.

    Raises:
        UserError: it converts other activations; or a layer whose steps follow from those before, which a first run of
            other steps would spoil.
    """
    check_method(qann, method)
    if method_of(method).calibration:
        for call in read(qann, whole=(OverTime,)):
            if isinstance(call.module, MatMul) or _max_pools_of(call.module):
                seen = "a max pool" if isinstance(call.module, OverTime) else "a product"
                raise UserError(f"layer {call.path}", seen, f"keeps what was sent; --method {method} runs layers twice")


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
    return max(steps[readout.name] for readout in graph.readouts())


def float_weights(model: nn.Module) -> int:
    """Rounds float weights to `EXACT_BITS` bits, in place, so that they freeze; says of how many layers."""
    layers = [layer for layer in synapses(model).values() if weight_quantizer(layer) is None]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", MaxScaled(EXACT_BITS, layer.weight), unsafe=True)
    return len(layers)
