"""From a trained model to integers: scales, thresholds and batch norm become one multiplier and offset per channel.

Between two layers of spikes a network computes a sum of terms ``alpha * integer + beta``, per channel: a synapse
contributes its accumulator, an identity shortcut the spikes themselves, batch norm rescales, addition joins. At the
next neuron the sum is written in units of its threshold, in fixed point: one `Affine` for each term, `Add` between
them, then `Fire`. At a relu it is written so in units of 1; what the relu lets through is a term of the sums behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from bitspike.errors import UserError
from bitspike.frontend import check_hooks, evaluating
from bitspike.ir import FrozenGraph, Graph, Node, Readout
from bitspike.ir.limits import AXES, MOST_AXES
from bitspike.layers import Answer
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules import rule_of
from bitspike.lowering.structure import structure
from bitspike.lowering.values import Joined, Kind, Sum, Value, Whole
from bitspike.sample import AnySample

__all__ = ["check_freezable", "freeze"]


@torch.no_grad()
def freeze(model: nn.Module, sample: AnySample, name: str = "network", readout: Answer = "mean") -> FrozenGraph:
    """The integer network that ``model`` stands for in evaluation mode.

    Args:
        model: a trained network of spiking neurons with quantized weights and an encoder.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        name: of the graph.
        readout: what the answer is of the logits of all steps, as of `lower`.

    Raises:
        UserError: what cannot be frozen, by name: float weights, a layer without integers, a current where spikes
            are needed, a weight that is no number.
    """
    graph, modules = structure(model, sample, name, readout)
    for path, module in modules.items():
        check_hooks(module, path)
    _check_numbers(model, modules)
    freezer = Freezer(graph, modules)
    rules = {node.name: rule_of(node) for node in graph.nodes}
    for node in graph.nodes:
        if announce := rules[node.name].announce:
            announce(freezer, node)
    values: dict[str, Value] = {}
    with evaluating(model):
        for node in graph.nodes:
            inputs = [values[before] for before in node.inputs]
            _check(graph, node, [value.kind for value in inputs])
            if not rules[node.name].by_parts:
                inputs = [_whole(freezer, node, value) for value in inputs]
            if not rules[node.name].any_order:
                inputs = [
                    freezer.laid(node, value, source=source) if isinstance(value, Sum) else value
                    for source, value in zip(node.inputs, inputs, strict=True)
                ]
            made = rules[node.name].freeze(freezer, node, *inputs)  # type: ignore[misc]
            if made is not None:
                values[node.name] = made
    ordered = sorted(freezer.nodes, key=lambda node: isinstance(node, Readout))  # stable: readouts go last
    return FrozenGraph(Graph(name, tuple(ordered)), freezer.tensors)


def _whole(freezer: Freezer, node: Node, value: Value) -> Whole:
    """What an op reads that knows no parts: spikes of unlike scales as a sum, if it reads one."""
    if not isinstance(value, Joined):
        return value
    if rule_of(node).furthest(node, freezer.graph.input_edge(node)) < Kind.SUM:
        raise node.refuse("channels of unlike scales", f"wants one scale: put a neuron behind {value.name}")
    return freezer.summed(value)


def _check_numbers(model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    """Refuses NaN and infinity: an infinite weight would saturate at the largest code, and freeze without a word.

    Of buffers the ops' own count; a quantizer keeps infinity where nothing was measured yet.
    """
    ops = set(modules.values())
    for path, module in model.named_modules():
        held = [*module.named_parameters(recurse=False)]
        held += module.named_buffers(recurse=False) if module in ops else []
        for name, value in held:
            wrong = value[~value.isfinite()]
            if len(wrong):
                wanted = "want a number; its training went astray, or its file is damaged"
                raise UserError(f"{path}.{name}".removeprefix("."), float(wrong[0]), wanted)


def check_freezable(graph: Graph) -> None:
    """Whether a network of that structural graph can be frozen, as far as its structure tells: no number is looked at.

    Raises:
        UserError: an op without integers, or a current where spikes are needed.
    """
    kinds: dict[str, Kind] = {}
    for node in graph.nodes:
        inputs = [kinds[before] for before in node.inputs]
        _check(graph, node, inputs)
        kinds[node.name] = rule_of(node).kind(*inputs)


def _check(graph: Graph, node: Node, kinds: list[Kind]) -> None:
    rule = rule_of(node)
    if rule.freeze is None:
        raise node.refuse(type(node).__name__.lower(), "cannot be frozen: it has no integer meaning")
    axes = len(graph.edges[node.name].shape)
    if axes > MOST_AXES:
        raise node.refuse(f"{axes} axes", AXES)
    if any(kind > rule.furthest(node, graph.edges[name]) for name, kind in zip(node.inputs, kinds, strict=True)):
        raise node.refuse("a current", "wants spikes: put a neuron before it")
