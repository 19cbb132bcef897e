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
from bitspike.ir import Edge, Graph
from bitspike.quant import weight_quantizer

__all__ = ["measure"]


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
    modules = dict(model.named_modules())
    hooks = [modules[n.name].register_forward_hook(meter.synapse(n.name)) for n in graph.synapses()]
    hooks += [modules[n.name].register_forward_hook(meter.neuron(n.name)) for n in graph.neurons()]
    was_training, images = model.training, 0
    try:
        model.eval()
        for batch in batches:
            model(batch)
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

    def synapse(self, name: str) -> Any:
        node: Any = self.graph[name]
        edge = self.graph.input_edge(node)
        fan_out = torch.as_tensor(node.fan_out(edge))  # [1, H, W] or [1]
        counts = self.counts[name] = Counter()

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            x = inputs[0]
            levels, per_place = _levels(x, edge), fan_out.to(x.device)
            active = x != 0 if levels is None else levels != 0  # 2.1 - 0.7 - 1.4 is no event
            over = (0, 1) if x.ndim > 2 else 0
            counts["elements"] += x.numel()
            counts["events"] += int(active.sum())
            counts["sops"] += int((active.sum(over) * per_place).sum())
            if levels is not None:
                counts["additions"] += int((levels.sum(over) * per_place).sum())

        return hook

    def neuron(self, name: str) -> Any:
        edge = self.graph.edges[name]
        counts = self.counts[name] = Counter()

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            counts["elements"] += output.numel()
            counts["spikes"] += int((output != 0).sum())
            levels = _levels(output, edge)
            counts["level_sum"] += int(levels.sum()) if levels is not None else 0

        return hook

    def activity(self, images: int, source: str) -> Activity:
        synapses = {}
        for node in self.graph.synapses():
            edge, c = self.graph.input_edge(node), self.counts[node.name]
            additions = c["additions"] if edge.scale is not None else None
            synapses[node.name] = SynapseActivity(c["elements"], c["events"], c["sops"], additions)
        neurons = {n.name: NeuronActivity(**self.counts[n.name]) for n in self.graph.neurons()}
        return Activity(images=images, source=source, synapses=synapses, neurons=neurons)


def _levels(x: Tensor, edge: Edge) -> Tensor | None:
    """Absolute spike levels, or None where the value is on no known grid."""
    if edge.scale is None:
        return None
    return (x.float() / edge.scale).round().abs().to(torch.int64)
