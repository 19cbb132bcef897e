"""What the door's functions return, where it is no graph and no cost report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph
    from bitspike.lowering import Agreement

__all__ = ["BoxEvaluation", "Comparison", "Evaluation", "Exported", "Frozen"]


@dataclass(frozen=True)
class Evaluation:
    """``correct`` of ``total`` samples of a data set, or steps. ``print`` says it in a line.

    Attributes:
        dataset, split: the images.
        bits: of a run in floats, ``w/s/t``. engine: what ran a frozen network. One of the two is ``None``.
        loss: mean cross-entropy, of a run.
        counted: ``samples``, or ``steps`` where every step of one has a class, and each is right or wrong.
    """

    dataset: str
    split: str
    correct: int
    total: int
    bits: str | None = None
    engine: str | None = None
    loss: float | None = None
    counted: str = "samples"

    @property
    def accuracy(self) -> float:
        """Percent."""
        return round(100 * self.correct / self.total, 4)

    def to_dict(self) -> dict[str, Any]:
        by = {"bits": self.bits} if self.engine is None else {"engine": self.engine}
        counted = {"counted": self.counted, "correct": self.correct, "total": self.total, "accuracy": self.accuracy}
        loss = {} if self.loss is None else {"loss": self.loss}
        return {"dataset": self.dataset, "split": self.split, **by, **counted, **loss}

    def __str__(self) -> str:
        of = f"{self.total} steps" if self.counted == "steps" else self.total
        return f"{self.dataset} {self.split}: {self.correct} of {of} right, {self.accuracy:.2f} %"


@dataclass(frozen=True)
class BoxEvaluation:
    """Mean average precision of the boxes that were found in images of a data set. ``print`` says it in a line.

    Attributes:
        dataset, split: the images; ``total``: how many.
        map50: in percent, at an IoU of 0.5; ``map5095``: the mean of 0.5 to 0.95.
        of_class: at an IoU of 0.5, by name; ``None`` of a class that no image has.
        bits: of a run in floats, ``w/s/t``. engine: what ran a frozen network. One of the two is ``None``.
        loss: the mean of the images, of a run.
    """

    dataset: str
    split: str
    total: int
    map50: float
    map5095: float
    of_class: Mapping[str, float | None]
    bits: str | None = None
    engine: str | None = None
    loss: float | None = None

    def to_dict(self) -> dict[str, Any]:
        by = {"bits": self.bits} if self.engine is None else {"engine": self.engine}
        found = {"total": self.total, "map50": self.map50, "map5095": self.map5095, "of_class": dict(self.of_class)}
        loss = {} if self.loss is None else {"loss": self.loss}
        return {"dataset": self.dataset, "split": self.split, **by, **found, **loss}

    def __str__(self) -> str:
        each = ", ".join(f"{name} {value:.2f}" for name, value in self.of_class.items() if value is not None)
        means = f"mAP@0.5 {self.map50:.2f} %, mAP@0.5:0.95 {self.map5095:.2f} %"
        return f"{self.dataset} {self.split}: {means} on {self.total} images ({each})"


@dataclass(frozen=True)
class Comparison:
    """A network in floats beside its integers, on the same images.

    Attributes:
        split: which images.
        float_accuracy, integer_accuracy: percent.
        agreement: classes and spikes that are the same, layer by layer.
        counted: what ``agreement.images`` counts: ``samples``, or ``steps``, where every step has a class.
    """

    split: str
    float_accuracy: float
    integer_accuracy: float
    agreement: Agreement
    counted: str = "samples"

    def to_dict(self) -> dict[str, Any]:
        accuracies = {"float_accuracy": self.float_accuracy, "integer_accuracy": self.integer_accuracy}
        return {"split": self.split, "counted": self.counted, **accuracies, **self.agreement.to_dict()}


@dataclass(frozen=True)
class BoxComparison:
    """A network that finds boxes in floats beside its integers, on the same images.

    Attributes:
        split: which images.
        float_map50, integer_map50: mean average precision in percent, at an IoU of 0.5.
        agreement: spikes that are the same, layer by layer.
    """

    split: str
    float_map50: float
    integer_map50: float
    agreement: Agreement

    def to_dict(self) -> dict[str, Any]:
        both = {"float_map50": self.float_map50, "integer_map50": self.integer_map50}
        return {"split": self.split, "counted": "samples", **both, **self.agreement.to_dict()}


AnyComparison = Comparison | BoxComparison


@dataclass(frozen=True)
class Frozen:
    """A network in integers, with what was asked for beside it.

    Attributes:
        net: the integers.
        file: where they were written; ``bytes``: the size of that file. ``None`` where they were not.
        comparison: with the floats; ``None`` without images.
    """

    net: FrozenGraph
    file: Path | None = None
    bytes: int | None = None
    comparison: AnyComparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Sizes in bytes, widths in bits, and the comparison."""
        compared = {} if self.comparison is None else self.comparison.to_dict()
        return self._sizes() | compared

    def _sizes(self) -> dict[str, Any]:
        net = self.net
        synapses = list(net.graph.synapses())
        counts = {node.name: net.tensors[f"{node.name}.weight"].size for node in synapses}
        packed = sum(counts[node.name] * node.weight_bits for node in synapses) / 8
        sizes: dict[str, Any] = {"weights": sum(counts.values()), "weight_bytes": packed}
        if self.bytes is not None:
            sizes = {"file": str(self.file), "bytes": self.bytes, **sizes, "bytes_per_weight_byte": self.bytes / packed}
        return {
            **sizes,
            "widest_accumulator_bits": max(net.ranges[node.name].signed_bits for node in synapses),
            "widest_membrane_bits": max((r.signed_bits for r in net.membranes.values()), default=0),
        }


@dataclass(frozen=True)
class Exported:
    """A frozen network in another form.

    Attributes:
        files: what was written.
        facts: of the form, as bytes of flash and RAM.
    """

    files: tuple[Path, ...]
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"files": [str(file) for file in self.files], **self.facts}
