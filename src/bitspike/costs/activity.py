"""What was measured while real data ran: how many spikes, and how many synaptic operations they set off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import log2
from pathlib import Path
from typing import Any, TypeVar

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError, named_in
from bitspike.files import read_json
from bitspike.ir import Graph

__all__ = ["Activity", "NeuronActivity", "SynapseActivity", "WeightCodes", "entropy"]

Layer = TypeVar("Layer")
WANTED = "want what `bitspike train` wrote as activity.json"


def entropy(*counts: int) -> float:
    """Shannon entropy, in bits, of what occurs so many times: for two outcomes paper 002's Eq. 12 over ln 2."""
    total = sum(counts)
    return sum(-n / total * log2(n / total) for n in counts if n)


@dataclass(frozen=True)
class SynapseActivity:
    """Input of one layer with weights, summed over the images and all steps.

    Of a product of two activations an element is a pair that is multiplied, and an event one both of which are not 0:
    a synaptic operation, which adds the one as often as the level of the other says (`MatMul.gate`).

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
        number = isinstance(self.entropy, int | float) and not isinstance(self.entropy, bool)
        if not number or not 0 <= self.entropy <= FULL_PRECISION:
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
        elements = {name: edge.T * edge.size for name, edge in sizes.items()}
        for product in graph.products():
            elements[product.name] = graph.edges[product.name].T * product.macs(*graph.read(product))
        measured: dict[str, SynapseActivity | NeuronActivity] = {**self.synapses, **self.neurons}
        if missing := elements.keys() ^ measured.keys():
            raise UserError("activity of layer", min(missing), "the activity is of another network")
        for name, each in elements.items():
            expected = self.images * each
            if measured[name].elements != expected:
                seen = f"{measured[name].elements} elements"
                raise UserError(f"activity of layer {name}", seen, f"want {expected}; it is of another network")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Any) -> Activity:
        """What `to_dict` made.

        Raises:
            UserError: a key is missing, or holds what nobody measured.
        """
        if not isinstance(raw, Mapping):
            raise UserError("activity", raw, WANTED)
        for key in ("images", "source"):
            if key not in raw:
                raise UserError(f"activity.{key}", None, WANTED)
        if not isinstance(raw["source"], str):
            raise UserError("activity.source", raw["source"], "want the name of the images")
        if type(raw["images"]) is not int:
            raise UserError("activity.images", raw["images"], "want a whole number")
        return cls(
            images=raw["images"],
            source=raw["source"],
            synapses=_layers(raw, "synapses", SynapseActivity),
            neurons=_layers(raw, "neurons", NeuronActivity),
            weights=_layers({"weights": {}} | dict(raw), "weights", WeightCodes),
        )

    @classmethod
    def load(cls, path: str | Path) -> Activity:
        """Reads an ``activity.json``.

        Raises:
            UserError: it cannot be read, or see `from_dict`; the line names file and key.
        """
        raw = read_json(path)
        with named_in(path):
            return cls.from_dict(raw)


def _layers(raw: Mapping[str, Any], key: str, made: Callable[..., Layer]) -> dict[str, Layer]:
    """What was measured of each layer, by its name."""
    layers, found = raw.get(key), {}
    if not isinstance(layers, Mapping):
        raise UserError(f"activity.{key}", layers, WANTED)
    for name, measured in layers.items():
        if not isinstance(measured, Mapping):
            raise UserError(f"activity.{key}.{name}", measured, WANTED)
        try:
            found[name] = made(**measured)
        except UserError as wrong:
            raise UserError(f"activity.{key}.{name}", wrong.seen, wrong.would_do) from wrong
        except TypeError as wrong:
            raise UserError(f"activity.{key}.{name}", measured, f"{wrong}; {WANTED}") from wrong
    return found


def _check(elements: int, events: int, *sums: int) -> None:
    """Counts are whole numbers from 0 up; something was seen, and no more of it was active than there is."""
    for count in (elements, events, *sums):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise UserError("activity", count, "counts are whole numbers from 0 up")
    if not events <= elements or elements == 0:
        raise UserError("activity", f"{events} of {elements}", "want something seen, and no more events than that")
