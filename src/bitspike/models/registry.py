"""The networks by name, and how one is built with its bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from bitspike.bits import FULL_PRECISION, BitPlan, Bits, alphabet_width
from bitspike.errors import UserError, closest
from bitspike.layers import SqueezeTime
from bitspike.models.blocks import (
    MSBasicBlock,
    SEWBasicBlock,
    SEWBottleneck,
    SparseBasicBlock,
    SparseWithoutSTE,
    SpikingBasicBlock,
)
from bitspike.models.mlp import MLP
from bitspike.models.placement import AfterSynapses, BeforeSynapses
from bitspike.models.preneuron import PreNeuronBlock, PreNeuronResNet, PreNeuronSEWBlock
from bitspike.models.resnet import ResNet
from bitspike.models.sew_dvs import SEWDVSNet
from bitspike.models.spikformer import Spikformer, SpikingSelfAttention
from bitspike.models.vgg import VGG
from bitspike.models.yolo import YOLOTiny, YOLOv3
from bitspike.neurons import (
    AdaptiveSettings,
    BaseNode,
    MultiBitSettings,
    NeuronSettings,
    SpikingNode,
    SpikingSettings,
    TiedIntegrate,
    behind_spikes,
    make_node,
)
from bitspike.quant import LSQ, quantize_weights, synapses
from bitspike.quant.attach import QuantizerFactory
from bitspike.sample import AnySample, Sample, as_sample

__all__ = ["MODELS", "Architecture", "apply_plan", "apply_weight_bits", "build_model"]

MOST_CHANNELS = 1 << 16
"""Of one stage: far above any network, and low enough that no count of weights overflows."""


@dataclass(frozen=True)
class Architecture:
    """A network before its bits: how to make it, and how wide it is unless told otherwise."""

    about: str
    channels: tuple[int, ...]
    make: Callable[[Sample, int, Any, Sequence[int]], nn.Module]
    neuron: NeuronSettings = field(default_factory=MultiBitSettings)


def _vgg(about: str, channels: tuple[int, ...], depths: tuple[int, ...], **options: Any) -> Architecture:
    return Architecture(about, channels, lambda sample, k, neuron, c: VGG(sample, k, neuron, c, depths, **options))


def _resnet(about: str, block: type, channels: tuple[int, ...], depths: tuple[int, ...]) -> Architecture:
    return Architecture(about, channels, lambda sample, k, neuron, c: ResNet(sample, k, neuron, block, c, depths))


def _preneuron(about: str, block: type, channels: tuple[int, ...], depths: tuple[int, ...]) -> Architecture:
    def make(sample: Sample, k: int, neuron: Any, c: Sequence[int]) -> nn.Module:
        return PreNeuronResNet(sample, k, neuron, block, c, depths)

    able_to_read_images = AdaptiveSettings(tau=1.0, squeeze=True)
    return Architecture(about, channels, make, able_to_read_images)


def _mlp(about: str, channels: tuple[int, ...], norm: bool, recurrent: bool = False) -> Architecture:
    return Architecture(about, channels, lambda sample, k, neuron, c: MLP(sample, k, neuron, c, norm, recurrent))


def _spikformer(depth: int, dim: int, heads: int, pools: int, *, ahead: bool = False) -> Architecture:
    """The name of one says ``depth-dim``."""
    where = "neurons before the synapses (001)" if ahead else "attention of spikes (000, 001)"
    placement = BeforeSynapses if ahead else AfterSynapses

    def make(sample: Sample, k: int, neuron: Any, c: Sequence[int]) -> nn.Module:
        return Spikformer(sample, k, neuron, c, depth, heads, pools, placement)

    channels = (dim // 8, dim // 4, dim // 2, dim)
    neuron = AdaptiveSettings(tau=1.0, squeeze=True) if ahead else MultiBitSettings()
    return Architecture(f"{depth} blocks of {dim}, {heads} heads, {where}", channels, make, neuron)


def _yolov3(about: str, channels: tuple[int, ...], depths: tuple[int, ...]) -> Architecture:
    return Architecture(about, channels, lambda sample, k, neuron, c: YOLOv3(sample, k, neuron, c, depths))


_VGGSNN = (64, 128, 256, 512, 512)

MODELS: Mapping[str, Architecture] = MappingProxyType(
    {
        "mlp": _mlp("fully connected, hidden layers as channels", (128, 128), norm=True),
        "mlp-plain": _mlp("the same without batch norm, as chunks of steps want it", (128, 128), norm=False),
        "recurrent": _mlp("mlp-plain whose layers read themselves, a step before", (64,), norm=False, recurrent=True),
        "convnet": _vgg("three convolutions, each pooled", (16, 64, 128), (1, 1, 1)),
        "vgg9": _vgg("seven convolutions, two fully connected", (64, 128, 256), (2, 2, 3), hidden=1024),
        "vgg16": _vgg("thirteen convolutions (002)", (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)),
        "vggsnn": _vgg(
            "eight convolutions, average pools (002)", _VGGSNN, (1, 1, 2, 2, 2), pool=nn.AvgPool2d, unpooled=(0,)
        ),
        "resnet8-thin": _resnet("for two cores", SpikingBasicBlock, (16, 32, 64), (1, 1, 1)),
        "resnet20-thin": _resnet("He et al.'s CIFAR net (003)", SpikingBasicBlock, (16, 32, 64), (3, 3, 3)),
        "resnet18": _resnet("CIFAR stem (001)", SpikingBasicBlock, (64, 128, 256, 512), (2, 2, 2, 2)),
        "resnet19": _resnet("wide (001, 002)", SpikingBasicBlock, (128, 256, 512), (3, 3, 2)),
        "resnet20": _resnet("wide (001)", SpikingBasicBlock, (128, 256, 512), (3, 3, 3)),
        "sew-resnet18": _resnet("spike-element-wise", SEWBasicBlock, (64, 128, 256, 512), (2, 2, 2, 2)),
        "ms-resnet18": _resnet("membrane shortcut (004)", MSBasicBlock, (64, 128, 256, 512), (2, 2, 2, 2)),
        "sparse-resnet18": _resnet("barrier neurons (004)", SparseBasicBlock, (64, 128, 256, 512), (2, 2, 2, 2)),
        "sparse-resnet18-without-ste": _resnet(
            "its ablation (004)", SparseWithoutSTE, (64, 128, 256, 512), (2, 2, 2, 2)
        ),
        "sew-resnet34": _resnet("spike-element-wise (000, 001)", SEWBasicBlock, (64, 128, 256, 512), (3, 4, 6, 3)),
        "pre-resnet8-thin": _preneuron("neurons before the synapses (001)", PreNeuronBlock, (16, 32, 64), (1, 1, 1)),
        "pre-resnet20-thin": _preneuron("the same, for two cores", PreNeuronBlock, (16, 32, 64), (3, 3, 3)),
        "pre-resnet18": _preneuron("the same (001)", PreNeuronBlock, (64, 128, 256, 512), (2, 2, 2, 2)),
        "pre-resnet20": _preneuron("the same, wide (001)", PreNeuronBlock, (128, 256, 512), (3, 3, 3)),
        "pre-sew-resnet34": _preneuron("the same (001)", PreNeuronSEWBlock, (64, 128, 256, 512), (3, 4, 6, 3)),
        "sew-resnet50": _resnet("spike-element-wise (000)", SEWBottleneck, (64, 128, 256, 512), (3, 4, 6, 3)),
        "sew-resnet-dvs": Architecture("7B-Net of DVS128 Gesture (SEW)", (32,) * 7, SEWDVSNet),
        "sew-resnet-dvs-wide": Architecture("Wide-7B-Net of CIFAR10-DVS (SEW)", (64,) * 4 + (128,) * 3, SEWDVSNet),
        "yolo-tiny": Architecture("boxes, two scales, for two cores", (16, 32, 64, 128), YOLOTiny),
        "yolov3": _yolov3("boxes, Darknet-53 (003)", (32, 64, 128, 256, 512, 1024), (1, 2, 8, 8, 4)),
        "spikformer-2-64": _spikformer(2, 64, 4, pools=2),
        "spikformer-2-256-dvs": _spikformer(2, 256, 16, pools=4),
        "spikformer-4-256": _spikformer(4, 256, 8, pools=2),
        "spikformer-4-384": _spikformer(4, 384, 12, pools=2),
        "spikformer-6-512": _spikformer(6, 512, 8, pools=4),
        "spikformer-8-384": _spikformer(8, 384, 12, pools=4),
        "spikformer-8-512": _spikformer(8, 512, 8, pools=4),
        "spikformer-8-768": _spikformer(8, 768, 12, pools=4),
        "spikformer-10-512": _spikformer(10, 512, 8, pools=4),
        "pre-spikformer-2-64": _spikformer(2, 64, 4, pools=2, ahead=True),
        "pre-spikformer-2-256-dvs": _spikformer(2, 256, 16, pools=4, ahead=True),
        "pre-spikformer-4-384": _spikformer(4, 384, 12, pools=2, ahead=True),
        "pre-spikformer-8-512": _spikformer(8, 512, 8, pools=4, ahead=True),
    }
)


def build_model(
    name: str,
    plan: BitPlan,
    *,
    sample: AnySample,
    num_classes: int,
    neuron: NeuronSettings | None = None,
    quantizer: QuantizerFactory = LSQ,
    channels: Sequence[int] | None = None,
) -> nn.Module:
    """The network called ``name`` with the bits of ``plan``.

    Args:
        name: a key of `MODELS`.
        plan: weight bits by layer and spike bits, steps by neuron. 16 weight bits stay floats.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        num_classes: ``K``.
        neuron: settings of every layer's neuron; by default paper 000's multi-bit LIF, or what the architecture needs.
        quantizer: weight quantizer of layers below 16 bits; `bitspike.quant.QuantizerSettings` are one.
        channels: channels of each stage, where the usual width is not wanted.

    Returns:
        A module from codes ``[N, *sample.array_shape]``, the pixels of images, to logits per step ``[T, N, K]``.
    """
    if name not in MODELS:
        raise UserError("model", name, closest(name, MODELS))
    architecture, sample = MODELS[name], as_sample(sample)
    settings = neuron or architecture.neuron
    make = partial(make_node, settings, plan.default)
    layer = partial(squeezed, make) if isinstance(settings, SpikingSettings) and settings.squeeze else make
    if channels is not None:
        _check_size(lambda: architecture.make(sample, num_classes, layer, channels), channels)
    model = architecture.make(sample, num_classes, layer, channels or architecture.channels)
    return apply_plan(model, plan, settings, quantizer)


def _check_size(make: Callable[[], nn.Module], channels: Sequence[int]) -> None:
    """Refuses what cannot be allocated, before anything is."""
    if not channels or not all(1 <= width <= MOST_CHANNELS for width in channels):
        raise UserError("channels", tuple(channels), f"want whole numbers from 1 to {MOST_CHANNELS:,}")
    if torch.get_default_device().type == "meta":
        return
    with torch.device("meta"):  # shapes are enough
        count = sum(parameter.numel() for parameter in make().parameters())
    if count * torch.float32.itemsize > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        raise UserError("channels", tuple(channels), f"{count:,} weights are more than the memory holds")


def squeezed(neuron: Callable[..., nn.Module], **options: Any) -> nn.Module:
    """Neurons that send the mean over their steps (paper 001, Eq. 12)."""
    return nn.Sequential(neuron(**options), SqueezeTime())


def apply_plan(model: nn.Module, plan: BitPlan, settings: NeuronSettings, quantizer: QuantizerFactory) -> nn.Module:
    """Gives each layer of ``model`` the bits that ``plan`` names for it, in place.

    ``model`` was made with ``plan.default`` in its neurons and with float weights.
    """
    neurons = _neurons(model)
    plan.check_names(synapses(model), neurons)
    for name, made in neurons.items():
        if plan[name] != plan.default:
            node = make_node(settings, plan[name], made.encodes_image)
            if isinstance(made, SpikingNode) and isinstance(node, SpikingNode):
                node.surrogate_function = made.surrogate_function  # a barrier stays one
                if isinstance(made.integrate, TiedIntegrate):
                    behind_spikes(node)
            model.set_submodule(name, node)
    for module in model.modules():
        if isinstance(module, SpikingSelfAttention):
            module.agree()
    return _quantize(model, plan, quantizer)


def apply_weight_bits(model: nn.Module, plan: BitPlan, quantizer: QuantizerFactory = LSQ) -> nn.Module:
    """Gives the weights of a user's own ``model`` the bits of ``plan``, in place; its neurons stay what they are.

    Raises:
        UserError: the plan names other spike bits, steps or membrane bits than a neuron of the model has.
    """
    neurons = _neurons(model)
    plan.check_names(synapses(model), neurons)
    for name, node in neurons.items():
        has = (alphabet_width(node.staircase.lo, node.staircase.hi), node.T, node.membrane_bits)
        if has != (plan[name].s, plan[name].t, plan[name].u):
            gives = f"the model's code gives it spike bits/steps/membrane bits {has}"
            raise UserError(f"bits of {name}", str(plan[name]), gives)
    return _quantize(model, plan, quantizer)


def bits_of_own(model: nn.Module, usual: Bits) -> BitPlan:
    """The plan that `apply_weight_bits` takes of a network as it is: its neurons' bits, and ``usual`` elsewhere."""
    has = {
        name: (alphabet_width(node.staircase.lo, node.staircase.hi), node.T, node.membrane_bits)
        for name, node in _neurons(model).items()
    }
    if not has:
        return BitPlan(usual)
    s, t, u = max(has.values(), key=list(has.values()).count)
    others: dict[str, dict[str, int]] = {}
    for name, (a, b, c) in has.items():
        if (a, b, c) != (s, t, u):
            others[name] = {"s": a, "t": b} if c is None else {"s": a, "t": b, "u": c}
    return BitPlan(Bits(usual.w, s, t, u), others)


def _neurons(model: nn.Module) -> dict[str, BaseNode]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BaseNode)}


def _quantize(model: nn.Module, plan: BitPlan, quantizer: QuantizerFactory) -> nn.Module:
    widths = {name: plan[name].w for name in synapses(model)}
    low = {name: width for name, width in widths.items() if width < FULL_PRECISION}
    if low:
        floats = dict.fromkeys(widths.keys() - low.keys())
        quantize_weights(model, FULL_PRECISION, quantizer=quantizer, rules=low | floats)
    return model
