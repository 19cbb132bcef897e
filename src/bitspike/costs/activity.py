"""What was measured while real data ran: how many spikes, and how many synaptic operations they set off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import log2
from typing import Any

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError
from bitspike.ir import Graph

__all__ = ["Activity", "NeuronActivity", "SynapseActivity", "WeightCodes", "entropy"]


def entropy(*counts: int) -> float:
    """Shannon entropy, in bits, of what occurs so many times: for two outcomes paper 002's Eq. 12 over ln 2."""
    total = sum(counts)
    return sum(-n / total * log2(n / total) for n in counts if n)


@dataclass(frozen=True)
class SynapseActivity:
    """Input of one layer with weights, summed over the images and all steps.

    Attributes:
        elements: input elements that were presented.
        events: how many were not zero; a graded or negative spike is one event.
        sops: synaptic operations: events times the outputs each one feeds (borders counted as they are).
        additions: unit additions: ``|level|`` times the outputs it feeds. Equals ``sops`` for one-bit spikes;
            ``None`` where the input is not on an integer grid.
    """

    elements: int
    events: int
    sops: int
    additions: int | None

    def __post_init__(self) -> None:
        _check(self.elements, self.events, self.sops, 0 if self.additions is None else self.additions)


@dataclass(frozen=True)
class NeuronActivity:
    """Output of one layer of neurons, summed over the images and all steps.

    Attributes:
        elements: neurons times steps times images.
        spikes: outputs that were not zero; a graded spike counts once.
        level_sum: sum of ``|level|``.
    """

    elements: int
    spikes: int
    level_sum: int

    def __post_init__(self) -> None:
        _check(self.elements, self.spikes, self.level_sum)


@dataclass(frozen=True)
class WeightCodes:
    """The integers of one layer's quantized weights.

    Attributes:
        elements: weights.
        positive, negative: how many are above and below 0.
        entropy: of their distribution over the codes, in bits.
    """

    elements: int
    positive: int
    negative: int
    entropy: float

    def __post_init__(self) -> None:
        _check(self.elements, self.positive + self.negative, self.positive, self.negative)
        if not 0 <= self.entropy <= FULL_PRECISION:
            raise UserError("activity", self.entropy, "the entropy of weights is 0 to 16 bits")


@dataclass(frozen=True)
class Activity:
    """Measurements of one network on ``images`` images, by op name; ``source`` says which images.

    ``weights`` has the layers whose weights are quantized.
    """

    images: int
    source: str
    synapses: Mapping[str, SynapseActivity] = field(default_factory=dict)
    neurons: Mapping[str, NeuronActivity] = field(default_factory=dict)
    weights: Mapping[str, WeightCodes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.images, 0)

    def check(self, graph: Graph) -> None:
        """Every layer was measured, and saw as many elements as the graph says.

        Raises:
            UserError: it is of another network.
        """
        sizes = {node.name: graph.input_edge(node) for node in graph.synapses()}
        sizes |= {node.name: graph.edges[node.name] for node in graph.neurons()}
        measured: dict[str, SynapseActivity | NeuronActivity] = {**self.synapses, **self.neurons}
        if missing := sizes.keys() ^ measured.keys():
            raise UserError("activity of layer", min(missing), "the activity is of another network")
        for name, edge in sizes.items():
            expected = self.images * edge.T * edge.size
            if measured[name].elements != expected:
                seen = f"{measured[name].elements} elements"
                raise UserError(f"activity of layer {name}", seen, f"want {expected}; it is of another network")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Activity:
        try:
            return cls(
                images=raw["images"],
                source=raw["source"],
                synapses={name: SynapseActivity(**a) for name, a in raw["synapses"].items()},
                neurons={name: NeuronActivity(**a) for name, a in raw["neurons"].items()},
                weights={name: WeightCodes(**w) for name, w in raw.get("weights", {}).items()},
            )
        except (KeyError, TypeError, AttributeError) as wrong:
            raise UserError("activity", str(wrong), "want what `bitspike train` wrote as activity.json") from wrong


def _check(elements: int, events: int, *sums: int) -> None:
    """Counts are whole numbers from 0 up; something was seen, and no more of it was active than there is."""
    for count in (elements, events, *sums):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise UserError("activity", count, "counts are whole numbers from 0 up")
    if not events <= elements or elements == 0:
        raise UserError("activity", f"{events} of {elements}", "want something seen, and no more events than that")
