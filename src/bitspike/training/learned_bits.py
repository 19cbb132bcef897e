"""What training does for networks that learn their bits (paper 001): means, targets, budgets, renewal's schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from bitspike.bits import BitPlan
from bitspike.costs.counting import CONSTANT_BITS, biases, norm_constants
from bitspike.errors import UserError
from bitspike.ir import Fire, Graph
from bitspike.neurons import AdaptiveIFNode, AdaptiveSettings, SpikingSettings
from bitspike.quant import AdaptiveWeights, AdaptiveWeightsSettings, weight_quantizer
from bitspike.quant.adaptive import LearnedQuantizer, learned_integer
from bitspike.training.config import AdaptiveConfig, BudgetConfig, TrainConfig

__all__ = ["LearnedBits", "fix_bits"]

RENEWAL_MARGIN = 0.24
"""Renewal may stop once this share of the way to the target is left (the authors' code)."""
WIDTHS = ("w", "s", "t")


def adaptive_weights(model: nn.Module) -> dict[str, AdaptiveWeights]:
    """Learned weight quantizers, by the name of their layer."""
    found = {name: weight_quantizer(module) for name, module in model.named_modules()}
    return {name: quantizer for name, quantizer in found.items() if isinstance(quantizer, AdaptiveWeights)}


def adaptive_neurons(model: nn.Module) -> dict[str, AdaptiveIFNode]:
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptiveIFNode)}


def fix_bits(model: nn.Module, config: TrainConfig) -> None:
    """Takes the gradient from the widths that ``config.adaptive.learns`` does not name, and renewal likewise.

    Raises:
        UserError: settings that nothing in the model reads, or time steps to be learned that are not squeezed.
    """
    weights, neurons = adaptive_weights(model), adaptive_neurons(model)
    adaptive = config.adaptive
    if not weights and not neurons:
        for key, value in adaptive:
            if value != getattr(AdaptiveConfig(), key):
                raise UserError(f"adaptive.{key}", value, "only quantizer=adaptive and neuron.kind=adaptive read it")
        return
    squeezed = isinstance(config.neuron, SpikingSettings) and config.neuron.squeeze
    if neurons and "t" in adaptive.learns and not squeezed:
        wanted = "want neuron.squeeze=true, or adaptive.learns=w,s: layers with different steps meet as means over time"
        raise UserError("adaptive.learns", ",".join(adaptive.learns), wanted)
    for quantizer in (weight.quantizer for weight in weights.values()):
        quantizer.learned_bits.requires_grad_("w" in adaptive.learns)
        quantizer.renewal.active.fill_("w" in adaptive.renewal)
    for node in neurons.values():
        node.learned_T.requires_grad_("t" in adaptive.learns)
        for quantizer in _quantizers(node):
            quantizer.learned_bits.requires_grad_("s" in adaptive.learns)
            quantizer.renewal.active.fill_("s" in adaptive.renewal)


def _quantizers(node: AdaptiveIFNode) -> list[LearnedQuantizer]:
    return [cast(LearnedQuantizer, quantizer) for quantizer in node.quantizers]


@dataclass(frozen=True)
class _Layer:
    """A layer with weights: its own learned bits, and those of the neurons that it reads."""

    macs: int
    weights: int
    own: AdaptiveWeights | None
    width: int
    source: AdaptiveIFNode | None
    bits: int
    squeezed: bool


class LearnedBits:
    """The learned widths of ``model``: their means, what the loss adds for them, and when renewal stops.

    Args:
        model: the network.
        graph: its structural graph.
        config: of the run.

    Raises:
        UserError: a target or a budget that no bits reach.
    """

    def __init__(self, model: nn.Module, graph: Graph, config: TrainConfig) -> None:
        self.config, self.start, self.mixed = config.adaptive, config.bits, bool(config.layers)
        weights, neurons = adaptive_weights(model), adaptive_neurons(model)
        sizes = {node.name: node.weight_count(graph.input_edge(node)) for node in graph.synapses()}
        self.weights = {name: (weights[name], sizes[name]) for name in weights}
        self.neurons = {name: (neurons[name], graph.edges[name].size) for name in neurons}
        self.layers = [_layer(graph, node.name, weights, neurons) for node in graph.synapses()]
        self.constant_bytes = (biases(graph) + norm_constants(graph)) * CONSTANT_BITS / 8
        self._check_target(config)

    @property
    def any(self) -> bool:
        """Whether layers learn their bits, or have learned them."""
        return bool(self.weights or self.neurons) and bool(self.config.learns or self.mixed)

    def means(self) -> dict[str, Tensor]:
        """Mean ``w`` over the weights, ``s`` and ``t`` over the neurons: scalars, with gradients (Eq. 21)."""
        w = [(_bits(q.quantizer), size) for q, size in self.weights.values()]
        s = [(_spike_bits(node), size) for node, size in self.neurons.values()]
        t = [(_steps(node), size) for node, size in self.neurons.values()]
        return {key: _mean(parts) for key, parts in zip(WIDTHS, (w, s, t), strict=True) if parts}

    def penalty(self) -> Tensor | float:
        """What the loss adds: ``sum_k l_k |mean_k - target_k|`` (Eq. 21), or what exceeds the budget."""
        if self.config.budget is not None:
            return self._over_budget(self.config.budget)
        if self.config.target is None:
            return 0.0
        means, total = self.means(), torch.zeros(())
        for key, target, weight in zip(WIDTHS, self.config.target, self.config.penalty, strict=True):
            if key in means and key in self.config.learns:
                total = total + weight * (means[key] - target).abs()
        return total

    def costs(self) -> dict[str, Tensor]:
        """``size`` in bytes, ``s_ace`` and ``bit_budget`` as `bitspike.costs` counts exactly; with gradients."""
        s_ace = torch.zeros((), dtype=torch.float64)  # whole numbers beyond 2^24
        size = s_ace + self.constant_bytes
        for layer in self.layers:
            size = size + layer.weights * _width(layer) / 8
            s_ace = s_ace + layer.macs * _width(layer) * _input_bits(layer)
        return {"size": size, "s_ace": s_ace, "bit_budget": s_ace / sum(layer.macs for layer in self.layers)}

    def _over_budget(self, budget: BudgetConfig) -> Tensor:
        """An exact penalty: its slope is ``adaptive.budget_penalty`` wherever a budget is exceeded, 0 elsewhere."""
        costs = self.costs()
        over = [costs[name] / limit - 1 for name, limit in budget.limits().items() if name in costs]
        exceeded = torch.zeros(())
        for share in over:
            exceeded = exceeded + share.clamp(min=0).float()
        return self.config.budget_penalty * exceeded

    def watch(self, epoch: int) -> dict[str, Any]:
        """After ``epoch`` (from 0): stops renewal where the schedule says so; what is told of the epoch."""
        means = {key: float(mean.detach()) for key, mean in self.means().items()}
        self._schedule("w", (q.quantizer for q, _ in self.weights.values()), means, epoch)
        self._schedule("s", (q for node, _ in self.neurons.values() for q in _quantizers(node)), means, epoch)
        told: dict[str, Any] = {"mean_bits": {key: round(mean, 4) for key, mean in means.items()}}
        if self.config.target is not None:
            told["target"] = self.config.target
        if self.config.budget is not None:
            costs, limits = self.costs(), self.config.budget.limits()
            told["of_budget"] = {n: round(float(costs[n].detach()) / limits[n], 4) for n in limits if n in costs}
        return told

    def _schedule(self, key: str, of: Iterable[LearnedQuantizer], means: Mapping[str, float], epoch: int) -> None:
        """Renewal stops for good near the target, after some epochs (paper 001, Algorithm 1's schedule)."""
        if self.config.target is None or key not in means or epoch + 1 < self.config.renewal_epochs:
            return
        target, start = self.config.target[WIDTHS.index(key)], getattr(self.start, key)
        if means[key] - target < RENEWAL_MARGIN * (start - target):
            for quantizer in of:
                quantizer.renewal.active.fill_(False)

    def plan(self) -> BitPlan:
        """The bits as they are, layer by layer."""
        layers: dict[str, dict[str, int]] = {name: {"w": q.bits} for name, (q, _) in self.weights.items()}
        for name, (node, _) in self.neurons.items():
            layers[name] = {"s": max(q.bits for q in node.active_quantizers()), "t": node.T}
        return BitPlan(self.start, layers)

    def _check_target(self, config: TrainConfig) -> None:
        if self.config.target is None:
            return
        start, weights, neuron = self.start, config.quantizer, config.neuron
        most_w = start.w + (weights.spare_bits if isinstance(weights, AdaptiveWeightsSettings) else 0)
        spare = (neuron.spare_bits, neuron.spare_steps) if isinstance(neuron, AdaptiveSettings) else (0, 0)
        most = (most_w, start.s + spare[0], start.t + spare[1])
        for key, target, top in zip(("weight bits", "spike bits", "steps"), self.config.target, most, strict=True):
            if not 1 <= target <= top:
                raise UserError("adaptive.target", f"{target:g} {key}", f"they are learned from 1 to {top}")


def _layer(
    graph: Graph, name: str, weights: Mapping[str, AdaptiveWeights], neurons: Mapping[str, AdaptiveIFNode]
) -> _Layer:
    node = next(node for node in graph.synapses() if node.name == name)
    edge = graph.input_edge(node)
    source = graph[node.inputs[0]]
    while not isinstance(source, Fire) and len(source.inputs) == 1:
        source = graph[source.inputs[0]]
    return _Layer(
        macs=node.macs(edge),
        weights=node.weight_count(edge),
        own=weights.get(name),
        width=node.weight_bits,
        source=neurons.get(source.name),
        bits=edge.bits * edge.T,
        squeezed=isinstance(source, Fire) and edge.T == 1,
    )


def _bits(quantizer: LearnedQuantizer) -> Tensor:
    return learned_integer(quantizer.learned_bits, quantizer.least, quantizer.most)


def _spike_bits(node: AdaptiveIFNode) -> Tensor:
    return torch.stack([_bits(quantizer) for quantizer in node.active_quantizers()]).mean()


def _steps(node: AdaptiveIFNode) -> Tensor:
    return learned_integer(node.learned_T, 1, node.most_T)


def _width(layer: _Layer) -> Tensor | float:
    return layer.width if layer.own is None else _bits(layer.own.quantizer)


def _input_bits(layer: _Layer) -> Tensor | float:
    """Bits times steps of an input element: of a sum of ``T`` spikes, ``ceil(log2(T (2^b - 1) + 1))``.

    The gradient is that of the logarithm.
    """
    node = layer.source
    if node is None:
        return layer.bits
    b, T = _spike_bits(node), _steps(node)
    if not layer.squeezed:
        return b * T
    levels = T * (2 * (2 ** (b - 1) - 1) if node.signed else 2**b - 1) + 1
    bits = torch.log2(levels)
    return bits + (torch.ceil(bits.detach() - 1e-6) - bits.detach())


def _mean(parts: Sequence[tuple[Tensor, int]]) -> Tensor:
    return torch.stack([value * size for value, size in parts]).sum() / sum(size for _, size in parts)
