"""Learned bits (paper 001): which widths are learned, towards what target or budget, and when renewal stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from bitspike.bits import BitPlan
from bitspike.costs import CostReport, cost
from bitspike.costs.counting import CONSTANT_BITS, biases, norm_constants
from bitspike.errors import UserError
from bitspike.files import write_json
from bitspike.ir import Graph
from bitspike.neurons import AdaptiveIFNode, AdaptiveSettings, SpikingSettings
from bitspike.quant import AdaptiveWeights, AdaptiveWeightsSettings, weight_quantizer
from bitspike.quant.adaptive import LearnedQuantizer, learned_integer
from bitspike.training.budget import BudgetConfig
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Objective, ParameterGroup, Training
from bitspike.training.sections import numbers, words

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig

__all__ = ["LearnedBits", "LearnedBitsSettings", "adaptive_neurons", "adaptive_weights"]

RENEWAL_MARGIN = 0.24
"""Renewal may stop once this share of the way to the target is left (the authors' code)."""
WIDTHS = ("w", "s", "t")


class LearnedBitsSettings(MethodSettings):
    """How bits are learned, of a network whose quantizer or neurons are ``adaptive``.

    Attributes:
        learns: which widths: weight bits ``w``, spike bits ``s``, time steps ``t``; the others stay as they start.
        target: of the mean ``w``, ``s`` and ``t`` (Eq. 21); ``None`` is none.
        penalty: ``l_w``, ``l_s``, ``l_T`` of its terms.
        budget: limits instead of a target; what exceeds one is penalised.
        budget_penalty: of what exceeds a limit, times its share.
        renewal: quantizers whose step is renewed when their bits change: of weights ``w``, of spikes ``s``.
        renewal_epochs: epochs after which it may stop, near the target.
        time_steps_lr: learning rate of the time steps, with the schedule of all; ``None`` is that of all.
    """

    learns: Annotated[tuple[Literal["w", "s", "t"], ...], BeforeValidator(words)] = ("w", "s", "t")
    target: Annotated[tuple[float, float, float] | None, BeforeValidator(numbers)] = None
    penalty: Annotated[tuple[float, float, float], BeforeValidator(numbers)] = (4e-2, 4e-2, 1e-2)
    budget: BudgetConfig | None = None
    budget_penalty: float = Field(0.5, gt=0)
    renewal: Annotated[tuple[Literal["w", "s"], ...], BeforeValidator(words)] = ("s",)
    renewal_epochs: int = Field(14, ge=0)
    time_steps_lr: float | None = Field(None, gt=0)


def adaptive_weights(model: nn.Module) -> dict[str, AdaptiveWeights]:
    """Learned weight quantizers, by the name of their layer."""
    found = {name: weight_quantizer(module) for name, module in model.named_modules()}
    return {name: quantizer for name, quantizer in found.items() if isinstance(quantizer, AdaptiveWeights)}


def adaptive_neurons(model: nn.Module) -> dict[str, AdaptiveIFNode]:
    """Layers of neurons that learn their bits and steps, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, AdaptiveIFNode)}


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


class LearnedBits(Method[LearnedBitsSettings]):
    """Widths that are learned: what the loss adds for them, and the schedule of renewal (`Renewal`)."""

    settings_type = LearnedBitsSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        weights, neurons, learns = adaptive_weights(model), adaptive_neurons(model), self.settings.learns
        if not weights and not neurons:
            seen = f"quantizer={config.quantizer.kind}, neuron.kind={config.neuron.kind}"
            raise UserError("methods.learned-bits", seen, "only adaptive ones learn their bits; want one, or null")
        squeezed = isinstance(config.neuron, SpikingSettings) and config.neuron.squeeze
        if neurons and "t" in learns and not squeezed:
            wanted = "want neuron.squeeze=true, or methods.learned-bits.learns=w,s"
            why = "layers with different steps meet as means over time"
            raise UserError("methods.learned-bits.learns", ",".join(learns), f"{wanted}: {why}")
        _set_learned(model, learns, self.settings.renewal)
        return model

    @classmethod
    def without(cls, model: nn.Module, config: TrainConfig) -> nn.Module:
        _set_learned(model, (), ())
        return model

    def start(self, training: Training) -> None:
        model, graph, config = training.model, training.graph, training.config
        self.folder, self.bits, self.mixed = training.folder, config.bits, bool(config.layers)
        if self.settings.budget is not None and (product := next(graph.products(), None)):
            why = "the bits of both its activations decide what it costs, and no budget counts that"
            raise UserError("methods.learned-bits.budget", f"product {product.name}", f"{why}; want a target")
        weights, neurons = adaptive_weights(model), adaptive_neurons(model)
        sizes = {node.name: node.weight_count(graph.input_edge(node)) for node in graph.synapses()}
        self.weights = {name: (weights[name], sizes[name]) for name in weights}
        self.neurons = {name: (neurons[name], graph.edges[name].size) for name in neurons}
        self.layers = [_layer(graph, node.name, weights, neurons) for node in graph.synapses()]
        self.constant_bytes = (biases(graph) + norm_constants(graph)) * CONSTANT_BITS / 8
        self._check_target(config)

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        """The time steps, those that neurons share once."""
        steps = dict.fromkeys(node.learned_T for node in adaptive_neurons(model).values())
        return [ParameterGroup(list(steps), self.settings.time_steps_lr)]

    def loss(self, inner: Objective) -> Objective:
        def penalised(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            return inner(model, x, y) + self.penalty()

        return penalised

    def after_epoch(self, epoch: int) -> dict[str, Any]:
        """Stops renewal where the schedule says so, and tells the mean bits with their target or budget."""
        if not self.any:
            return {}
        means = {key: float(mean.detach()) for key, mean in self.means().items()}
        self._schedule("w", (q.quantizer for q, _ in self.weights.values()), means, epoch)
        self._schedule("s", (q for node, _ in self.neurons.values() for q in _quantizers(node)), means, epoch)
        told: dict[str, Any] = {"mean_bits": {key: round(mean, 4) for key, mean in means.items()}}
        if self.settings.target is not None:
            told["target"] = self.settings.target
        if self.settings.budget is not None:
            costs, limits = self.costs(), self.settings.budget.limits()
            told["of_budget"] = {n: round(float(costs[n].detach()) / limits[n], 4) for n in limits if n in costs}
        return told

    def result(self, graph: Graph, report: CostReport) -> dict[str, Any]:
        """S-ACE as paper 001 counts it, and of learned bits the plan, ``bits.json``, and their mean Bit Budget.

        The paper counts a map of two squeezed steps as one of one step's bits.
        """
        found: dict[str, Any] = {"bits_learned": self.any, "s_ace_paper_001": cost(graph, "paper-001").total.s_ace}
        if self.any:
            write_json(self.folder.bits_file, self.plan().to_dict())
            found["bit_budget"] = report.total.mean_bit_budget
        return found

    @property
    def any(self) -> bool:
        """Whether layers learn their bits, or have learned them."""
        return bool(self.weights or self.neurons) and bool(self.settings.learns or self.mixed)

    def means(self) -> dict[str, Tensor]:
        """Mean ``w`` over the weights, ``s`` and ``t`` over the neurons: scalars, with gradients (Eq. 21)."""
        w = [(_bits(q.quantizer), size) for q, size in self.weights.values()]
        s = [(_spike_bits(node), size) for node, size in self.neurons.values()]
        t = [(_steps(node), size) for node, size in self.neurons.values()]
        return {key: _mean(parts) for key, parts in zip(WIDTHS, (w, s, t), strict=True) if parts}

    def penalty(self) -> Tensor | float:
        """What the loss adds: ``sum_k l_k |mean_k - target_k|`` (Eq. 21), or what exceeds the budget."""
        if self.settings.budget is not None:
            return self._over_budget(self.settings.budget)
        if self.settings.target is None:
            return 0.0
        means, total = self.means(), torch.zeros(())
        for key, target, weight in zip(WIDTHS, self.settings.target, self.settings.penalty, strict=True):
            if key in means and key in self.settings.learns:
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
        """An exact penalty: its slope is ``budget_penalty`` wherever a budget is exceeded, 0 elsewhere."""
        costs = self.costs()
        over = [costs[name] / limit - 1 for name, limit in budget.limits().items() if name in costs]
        exceeded = torch.zeros(())
        for share in over:
            exceeded = exceeded + share.clamp(min=0).float()
        return self.settings.budget_penalty * exceeded

    def _schedule(self, key: str, of: Iterable[LearnedQuantizer], means: Mapping[str, float], epoch: int) -> None:
        """Renewal stops for good near the target, after some epochs (paper 001, Section 4.4.2)."""
        if self.settings.target is None or key not in means or epoch + 1 < self.settings.renewal_epochs:
            return
        target, start = self.settings.target[WIDTHS.index(key)], getattr(self.bits, key)
        if means[key] - target < RENEWAL_MARGIN * (start - target):
            for quantizer in of:
                quantizer.renewal.active.fill_(False)

    def plan(self) -> BitPlan:
        """The bits as they are, layer by layer."""
        layers: dict[str, dict[str, int]] = {name: {"w": q.bits} for name, (q, _) in self.weights.items()}
        for name, (node, _) in self.neurons.items():
            layers[name] = {"s": max(q.bits for q in node.active_quantizers()), "t": node.T}
        return BitPlan(self.bits, layers)

    def _check_target(self, config: TrainConfig) -> None:
        if self.settings.target is None:
            return
        weights, neuron = config.quantizer, config.neuron
        most_w = self.bits.w + (weights.spare_bits if isinstance(weights, AdaptiveWeightsSettings) else 0)
        spare = (neuron.spare_bits, neuron.spare_steps) if isinstance(neuron, AdaptiveSettings) else (0, 0)
        most = (most_w, self.bits.s + spare[0], self.bits.t + spare[1])
        for key, target, top in zip(("weight bits", "spike bits", "steps"), self.settings.target, most, strict=True):
            if not 1 <= target <= top:
                raise UserError("methods.learned-bits.target", f"{target:g} {key}", f"they are learned from 1 to {top}")


def _set_learned(model: nn.Module, learns: Sequence[str], renewal: Sequence[str]) -> None:
    """Gives a gradient to the widths that are learned and to no other, and renewal likewise."""
    for weight in adaptive_weights(model).values():
        weight.quantizer.learned_bits.requires_grad_("w" in learns)
        weight.quantizer.renewal.active.fill_("w" in renewal)
    for node in adaptive_neurons(model).values():
        node.learned_T.requires_grad_("t" in learns)
        for quantizer in _quantizers(node):
            quantizer.learned_bits.requires_grad_("s" in learns)
            quantizer.renewal.active.fill_("s" in renewal)


def _layer(
    graph: Graph, name: str, weights: Mapping[str, AdaptiveWeights], neurons: Mapping[str, AdaptiveIFNode]
) -> _Layer:
    node = next(node for node in graph.synapses() if node.name == name)
    edge = graph.input_edge(node)
    behind = graph.neurons_behind(node.inputs[0])
    source = behind[0].name if len(behind) == 1 else ""
    return _Layer(
        macs=node.macs(edge),
        weights=node.weight_count(edge),
        own=weights.get(name),
        width=node.weight_bits,
        source=neurons.get(source),
        bits=edge.bits * edge.T,
        squeezed=bool(source) and edge.T == 1,
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


METHODS.register("learned-bits", LearnedBits)
