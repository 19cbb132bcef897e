"""Networks and metrics for NeuroBench: sizes at their true widths, and graded spikes counted as what they are."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bitspike.costs import Total, cost, footprints
from bitspike.errors import UserError, require
from bitspike.layers import Answer, read_out
from bitspike.lowering import lower, measure
from bitspike.sample import AnySample

__all__ = ["Metrics", "neurobench_metrics", "neurobench_model"]


class Metrics(NamedTuple):
    """Classes of metrics, as NeuroBench's ``Benchmark`` takes them: ``[static, workload]``, beside its own."""

    static: tuple[type, ...]
    workload: tuple[type, ...]


def neurobench_model(model: nn.Module, sample: AnySample, readout: Answer = "mean") -> Any:
    """A network as a ``NeuroBenchModel``: batches of codes, as the network's own, to logits ``[N, K]``.

    Args:
        model: a network of the house, trained.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        readout: what its logits of all steps are read as.

    Raises:
        UserError: neurobench is not installed, or an operator of the network has no op.
    """
    base: Any = require("neurobench.models", "peers").NeuroBenchModel
    graph = lower(model, sample, type(model).__name__, readout)

    class Network(base):
        """Keeps the batch that it ran last, whose spikes the metrics count."""

        def __init__(self) -> None:
            super().__init__()
            self.net, self.graph = model.eval(), graph
            self._batch: Tensor | None = None
            self._cost: Total | None = None

        def __call__(self, batch: Tensor) -> Tensor:
            self._batch, self._cost = batch, None
            with torch.no_grad():
                return read_out(self.net(batch), readout)

        def __net__(self) -> nn.Module:
            return self.net

        def measured(self) -> tuple[int, Total]:
            """How many inputs the last batch has, and what one of them costs."""
            if self._batch is None:
                raise UserError("metric", "no batch", "want the network run first, as Benchmark.run does")
            if self._cost is None:
                activity = measure(self.net, self.graph, [self._batch], "a batch of NeuroBench")
                self._cost = cost(self.graph, "exact", activity).total
            return len(self._batch), self._cost

    return Network()


def neurobench_metrics() -> Metrics:
    """The metrics of networks that `neurobench_model` made; each is named as its column in the results.

    - ``BitFootprint``, bytes: weights and membranes at their widths (floats as 32 bits), constants, and the largest
      buffer of levels, for one input. NeuroBench's ``Footprint`` counts the whole bytes of parameters in PyTorch.
    - ``BitSynapticOperations``, for one input: ``SOPs`` (an event meets a weight), ``Additions`` (each as often as the
      level says), ``Bit_Operations`` (NS-ACE) and ``Dense`` (all that there could be, MACs times steps). NeuroBench's
      ``SynapticOperations`` takes whatever is not 0 and 1 for activations of an ANN.
    - ``SpikeSparsity``: share of the steps at which a neuron is silent; a graded spike is one.

    Raises:
        UserError: neurobench is not installed.
    """
    abstract: Any = require("neurobench.metrics.abstract", "peers")

    class BitFootprint(abstract.StaticMetric):
        def __call__(self, model: Any) -> float:
            return footprints(_checked(model, "BitFootprint").graph)[0].total

    class _Summed(abstract.AccumulatedMetric):
        """Sums over inputs, and their mean."""

        def __init__(self) -> None:
            super().__init__(requires_hooks=False)
            self.reset()

        def reset(self) -> None:
            self.sums: Counter[str] = Counter()
            self.inputs = 0

        def __call__(self, model: Any, preds: Tensor, data: tuple[Tensor, Tensor]) -> Any:
            network = _checked(model, type(self).__name__)
            count, one = network.measured()
            for name, value in self.of_one(network, one).items():
                self.sums[name] += count * value
            self.inputs += count
            return self.compute()

        def of_one(self, network: Any, one: Total) -> dict[str, Any]:
            raise NotImplementedError

    class BitSynapticOperations(_Summed):
        def of_one(self, network: Any, one: Total) -> dict[str, Any]:
            graph = network.graph
            dense = sum(node.macs(graph.input_edge(node)) * graph.input_edge(node).T for node in graph.synapses())
            counts = {"SOPs": one.sops, "Additions": one.additions, "Bit_Operations": one.ns_ace, "Dense": dense}
            return {name: value for name, value in counts.items() if value is not None}

        def compute(self) -> dict[str, float]:
            return {name: value / max(self.inputs, 1) for name, value in self.sums.items()}

    class SpikeSparsity(_Summed):
        def of_one(self, network: Any, one: Total) -> dict[str, Any]:
            graph = network.graph
            return {"spikes": one.spikes, "steps": sum(graph.edges[n.name].size * n.T for n in graph.neurons())}

        def compute(self) -> float:
            return 1 - self.sums["spikes"] / self.sums["steps"] if self.inputs else 0.0

    return Metrics((BitFootprint,), (BitSynapticOperations, SpikeSparsity))


def _checked(model: Any, metric: str) -> Any:
    if not hasattr(model, "measured"):
        wanted = "want a network of bitspike.frameworks.neurobench_model"
        raise UserError(metric, type(model).__name__, wanted)
    return model
