"""Runs real images through a model and counts what its layers see, send and hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.costs import Activity, NeuronActivity, SynapseActivity, WeightCodes, entropy
from bitspike.errors import UserError
from bitspike.ir import Concat, Edge, Graph, MaxPool, Reshape, Slice, SpikingMaxPool, Upsample
from bitspike.lowering.structure import in_modules
from bitspike.quant import weight_quantizer
from bitspike.sample import Sample

__all__ = ["channel_scales", "measure"]

ROUTES = (Concat, Slice, Upsample, MaxPool, SpikingMaxPool, Reshape)
"""Ops that leave what a level is worth."""


@torch.no_grad()
def measure(model: nn.Module, graph: Graph, batches: Iterable[Tensor], source: str) -> Activity:
    """Spikes and synaptic operations of ``model`` (in evaluation mode) on the images of ``batches``.

    Args:
        model: the network.
        graph: its structural graph, from `lower`.
        batches: images ``[N, C, H, W]``, pixels 0..255, on the model's device.
        source: what the images are, for the record.

    Raises:
        UserError: no images.
    """
    meter = _Meter(graph)
    modules, runs = dict(model.named_modules()), model
    hooks = [modules[n.name].register_forward_hook(meter.synapse(n.name)) for n in graph.synapses()]
    hooks += [modules[n.name].register_forward_hook(meter.neuron(n.name)) for n in graph.neurons()]
    if any(graph.products()):  # which are functions of the model's forward: there is a module for each in its calls
        read = next(graph.inputs()).edge  # whose levels, of normalised images, are no codes
        runs, made = in_modules(model, Sample(read.shape, read.T))
        hooks += [made[n.name].register_forward_hook(meter.product(n.name)) for n in graph.products()]
    was_training, images = model.training, 0
    try:
        model.eval()
        for batch in batches:
            runs(batch)
            images += len(batch)
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    if not images:
        raise UserError("images to measure on", 0, "want at least one")
    return replace(meter.activity(images, source), weights=_weight_codes(modules))


def _weight_codes(modules: Mapping[str, Any]) -> dict[str, WeightCodes]:
    found = {}
    for name, layer in modules.items():
        quantizer = weight_quantizer(layer)
        if quantizer is not None:
            codes = quantizer.codes(layer.parametrizations.weight.original)
            counts = torch.unique(codes, return_counts=True)[1].tolist()
            signs = (int((codes > 0).sum()), int((codes < 0).sum()))
            found[name] = WeightCodes(codes.numel(), *signs, entropy(*counts))
    return found


class _Meter:
    """Counts by layer name. Whole numbers are summed in int64, so that no spike is lost to rounding."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.counts: dict[str, Counter[str]] = {}

    def _scales(self, name: str) -> Tensor | None:
        return channel_scales(self.graph, name)

    def synapse(self, name: str) -> Any:
        node: Any = self.graph[name]
        edge, scales = self.graph.input_edge(node), self._scales(node.inputs[0])
        fan_out = torch.as_tensor(node.fan_out(edge))  # [1, H, W] or [1]
        counts = self.counts[name] = Counter()

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            x = inputs[0]
            levels, per_place = _levels(x, edge, scales), fan_out.to(x.device)
            active = x != 0 if levels is None else levels != 0  # 2.1 - 0.7 - 1.4 is no event
            over = (0, 1) if x.ndim > 2 else 0
            counts["elements"] += x.numel()
            counts["events"] += int(active.sum())
            counts["sops"] += int((active.sum(over) * per_place).sum())
            if levels is not None:
                counts["additions"] += int((levels.sum(over) * per_place).sum())

        return hook

    def product(self, name: str) -> Any:
        node: Any = self.graph[name]
        edges, scales = self.graph.read(node), [self._scales(name) for name in node.inputs]
        gate = node.gate(*edges)
        counts = self.counts[name] = Counter()

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen = [_levels(*each) for each in zip(inputs, edges, scales, strict=True)]
            active = [(x if levels is None else levels) != 0 for x, levels in zip(inputs, seen, strict=True)]
            events = _pairs(*active)
            counts["elements"] += output.numel() * node.inner
            counts["events"] += events
            counts["sops"] += events
            if (levels := seen[gate]) is not None:
                of_the_gate: list[Tensor] = list(active)
                of_the_gate[gate] = levels
                counts["additions"] += _pairs(*of_the_gate)

        return hook

    def neuron(self, name: str) -> Any:
        edge, scales = self.graph.edges[name], self._scales(name)
        counts = self.counts[name] = Counter()

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            counts["elements"] += output.numel()
            counts["spikes"] += int((output != 0).sum())
            levels = _levels(output, edge, scales)
            counts["level_sum"] += int(levels.sum()) if levels is not None else 0

        return hook

    def activity(self, images: int, source: str) -> Activity:
        synapses = {}
        gates = {node.name: node.inputs[0] for node in self.graph.synapses()}
        for product in self.graph.products():
            gates[product.name] = product.inputs[product.gate(*self.graph.read(product))]
        for name, gate in gates.items():
            c = self.counts[name]
            additions = c["additions"] if self._scales(gate) is not None else None
            synapses[name] = SynapseActivity(c["elements"], c["events"], c["sops"], additions)
        neurons = {n.name: NeuronActivity(**self.counts[n.name]) for n in self.graph.neurons()}
        return Activity(images=images, source=source, synapses=synapses, neurons=neurons)


def channel_scales(graph: Graph, name: str) -> Tensor | None:
    """The value of a level of each channel of an edge; ``None`` where levels, or their values, are not known.

    Where edges of unlike scale are joined, it is that of each, through whatever leaves channels what they are.
    """
    edge, node = graph.edges[name], graph[name]
    if edge.scale is not None:
        return torch.full((edge.shape[0],), edge.scale, dtype=torch.float64)
    found = [channel_scales(graph, source) for source in node.inputs] if isinstance(node, ROUTES) else []
    known = [scales for scales in found if scales is not None]
    if not known or len(known) < len(found):
        return None
    if isinstance(node, Slice):
        return known[0][node.start : node.stop]
    run, left = divmod(edge.shape[0], sum(len(scales) for scales in known))
    return None if left else torch.cat(known).repeat_interleave(run)


def _pairs(a: Tensor, b: Tensor) -> int:
    """The sum of all products of a matrix product, exactly: of each inner element what both have of it."""
    return int((a.to(torch.int64).sum(-2) * b.to(torch.int64).sum(-1)).sum())


def _levels(x: Tensor, edge: Edge, scales: Tensor | None) -> Tensor | None:
    """Absolute spike levels, or None where the value is on no known grid."""
    if scales is None:
        return None
    each = scales.to(x.device, torch.float32).view(-1, *(1 for _ in edge.shape[1:]))
    return (x.float() / each).round().abs().to(torch.int64)
