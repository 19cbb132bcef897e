"""What each layer's bits are worth: the loss of the trained network when that layer alone has others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.allocation.solve import Option
from bitspike.bits import Bits, alphabet_width, signed_range, unsigned_range
from bitspike.costs import cost
from bitspike.data import ImageSet
from bitspike.errors import UserError
from bitspike.ir import Graph, Synapse
from bitspike.layers import mean_over_time
from bitspike.lowering import lower, measure
from bitspike.neurons import AdaptiveIFNode
from bitspike.quant import AdaptiveWeights, weight_quantizer
from bitspike.quant.adaptive import LearnedQuantizer
from bitspike.sample import AnySample

__all__ = ["layer_options"]

SAMPLE = 200_000
"""Values of a layer's input that a step is fitted to."""


@torch.no_grad()
def layer_options(
    model: nn.Module,
    images: ImageSet,
    sample: AnySample,
    with_energy: bool,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, list[Option]]:
    """For every layer with weights, all widths that it may have, with their losses and costs.

    The loss of ``w/s/t`` is the rise of the cross-entropy on ``images`` when the layer's weights alone have ``w`` bits,
    plus that when its neurons alone have ``s`` bits and ``t`` steps; steps are fitted anew by paper 001's grid search.

    Args:
        model: trained, of layers that each have learned weights behind neurons of their own.
        images: to measure on; not of the test set.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        with_energy: costs include ``energy``: nJ of an image, Lemaire's model, as a rise over the network as it is
            (whose energy the first layer's options have on top).
        say: is told of each layer.

    Raises:
        UserError: a layer whose weights or neurons learn no bits, or whose neurons another layer reads too.
    """
    model.eval()
    graph = lower(model, sample)
    pairs = _pairs(graph, model)
    inputs = _inputs(model, [node for _, _, node in pairs.values()], images)
    meter = _Meter(model, images, sample, with_energy)
    base_loss, base_energy = meter.read()
    found: dict[str, list[Option]] = {}
    for synapse, (name, weights, neuron) in zip(graph.synapses(), ((n, *p[1:]) for n, p in pairs.items()), strict=True):
        say(f"allocate: every width of layer {len(found) + 1} of {len(pairs)}, {name}, on {len(images)} images")
        layer: Any = model.get_submodule(name)
        by_w: dict[int, tuple[float, float]] = {}
        for w in range(1, weights.quantizer.most + 1):
            with _instead(weights.quantizer, w, layer.parametrizations.weight.original):
                by_w[w] = meter.rise(base_loss, base_energy)
        by_st: dict[tuple[int, int], tuple[float, float]] = {}
        quantizer = neuron.active_quantizers()[0]
        for s in range(quantizer.least, quantizer.most + 1):
            for t in range(1, neuron.most_T + 1):
                with _instead(quantizer, s, inputs[neuron]), _steps(neuron, t):
                    by_st[s, t] = meter.rise(base_loss, base_energy)
        first = 0.0 if found else base_energy
        found[name] = [
            _option(graph, synapse, neuron, Bits(w, s, t), lw + lst, first + ew + est)
            for w, (lw, ew) in by_w.items()
            for (s, t), (lst, est) in by_st.items()
        ]
    return found


def _pairs(graph: Graph, model: nn.Module) -> dict[str, tuple[str, AdaptiveWeights, AdaptiveIFNode]]:
    """Each layer with weights: the name of its neurons, its quantizer, its neurons."""
    found: dict[str, tuple[str, AdaptiveWeights, AdaptiveIFNode]] = {}
    for node in graph.synapses():
        weights, behind = weight_quantizer(model.get_submodule(node.name)), graph.neurons_behind(node.inputs[0])
        before = behind[0].name if len(behind) == 1 else ""
        neuron = model.get_submodule(before) if before else None
        if not isinstance(weights, AdaptiveWeights) or not isinstance(neuron, AdaptiveIFNode):
            raise UserError("layer", node.name, "its weights or its neurons learn no bits; want an adaptive recipe")
        if len(neuron.quantizers) > 1:
            raise UserError("neuron.per_step", True, "allocate gives a layer one width for all steps; want false")
        if before in (name for name, _, _ in found.values()):
            raise UserError("layer", node.name, f"another layer reads {before} too; want neurons before each layer")
        found[node.name] = (before, weights, neuron)
    return found


class _Meter:
    """Loss of a network on images, and its energy if that is asked for."""

    def __init__(self, model: nn.Module, images: ImageSet, sample: AnySample, energy: bool) -> None:
        self.model, self.images, self.sample, self.energy = model, images, sample, energy

    def read(self) -> tuple[float, float]:
        parts = self.images.images.split(256)
        logits = torch.cat([mean_over_time(self.model(part)) for part in parts])
        loss = float(F.cross_entropy(logits, self.images.labels))
        if not self.energy:
            return loss, 0.0
        graph = lower(self.model, self.sample)
        report = cost(graph, "exact", measure(self.model, graph, parts, "calibration"), energy_model="lemaire")
        spent = report.energy.snn if report.energy else None
        assert spent is not None, "a spiking network that was measured has energy"
        return loss, spent.total.total

    def rise(self, loss: float, energy: float) -> tuple[float, float]:
        now, spent = self.read()
        return now - loss, spent - energy


def _inputs(model: nn.Module, neurons: Sequence[AdaptiveIFNode], images: ImageSet) -> dict[AdaptiveIFNode, Tensor]:
    """A sample of the currents that each layer of neurons receives."""
    seen: dict[AdaptiveIFNode, Tensor] = {}

    def keep(node: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(node, AdaptiveIFNode)
        values = inputs[0].flatten()
        seen[node] = values[:: max(1, values.numel() // SAMPLE)]

    hooks = [node.register_forward_hook(keep) for node in neurons]
    try:
        model(images.images[:256])
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@contextmanager
def _instead(quantizer: LearnedQuantizer, bits: int, x: Tensor) -> Iterator[None]:
    """``bits`` bits with a step fitted to ``x``, for a while; as it was, where it has that many."""
    learned, step = quantizer.learned_bits.detach().clone(), quantizer.step.detach().clone()
    if bits != quantizer.bits:
        quantizer.learned_bits.fill_(bits)
        quantizer.fit(x)
    try:
        yield
    finally:
        quantizer.learned_bits.copy_(learned)
        quantizer.step.copy_(step)


@contextmanager
def _steps(neuron: AdaptiveIFNode, steps: int) -> Iterator[None]:
    learned = neuron.learned_T.detach().clone()
    neuron.learned_T.fill_(steps)
    try:
        yield
    finally:
        neuron.learned_T.copy_(learned)


def _option(graph: Graph, node: Synapse, neuron: AdaptiveIFNode, bits: Bits, loss: float, energy: float) -> Option:
    """The option with its costs, as `bitspike.costs` counts exactly."""
    edge = graph.input_edge(node)
    lo, hi = signed_range(bits.s) if neuron.signed else unsigned_range(bits.s)
    squeezed = edge.T == 1
    width = alphabet_width(lo * bits.t, hi * bits.t) if squeezed else alphabet_width(lo, hi) * bits.t
    s_ace = node.macs(edge) * bits.w * width
    size = node.weight_count(edge) * bits.w / 8
    return Option(bits, loss, {"size": size, "s_ace": s_ace, "energy": energy})
