"""What a claim is: a statement of a paper, the runs that test it, and how their outcome is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

__all__ = [
    "BELOW_0", "METRICS", "SCALES", "Claim", "Measured", "Outcome", "Own", "Paper", "Run", "Scores", "at_most", "beats",
    "best", "opposite", "ratio_at_most", "scores_of", "worst",
]  # fmt: skip

SEEDS = (0, 1, 2)

_SHORT = ("train_size=20000", "epochs=3", "channels=16,64,128", "tensorboard=false")

_TEN_THOUSAND = ("train_size=10000", "epochs=3", "tensorboard=false")

_AS_THEY_ARE = ("precision=bf16",)

_STE, _ATAN = (f"neuron.surrogate_function={name}" for name in ("straight-through", "atan"))

_REAL_FASHION = ("epochs=8", "channels=16,64,128", "tensorboard=false")
_CIFAR10 = ("channels=16,32,64", "tensorboard=false")

SCALES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "small": {
        "fashion-convnet": (*_SHORT, _STE),
        "cifar10-vgg9-narrow": ("train_size=20000", "epochs=3", *_CIFAR10, _STE),
        "nmnist-convnet": ("epochs=10",),
        "qsnn-convnet-nmnist": ("epochs=20",),
        "moving-fashion-convnet": ("train_size=10000", "epochs=3", "frames.size=[17,17]", "tensorboard=false"),
        "spoken-digits-mlp": ("epochs=20",),
        "ecg-mlp": ("epochs=10",),
        "qsnn-vggsnn-thin-fashion": ("train_size=20000", "epochs=3", "tensorboard=false"),
        "qsnn-resnet8-thin-cifar10": ("train_size=20000", "epochs=3", "channels=8,16,32", "tensorboard=false"),
        "adaptive-resnet8-thin-fashion": _TEN_THOUSAND,
        "adaptive-resnet20-thin-cifar10": ("model=pre-resnet8-thin", *_TEN_THOUSAND),
        "mixed-precision-resnet8-thin-fashion": _TEN_THOUSAND,
        "mixed-precision-resnet20-thin-cifar10": ("model=resnet8-thin", *_TEN_THOUSAND),
        "multilevel-vgg9-thin-fashion": ("train_size=10000", "epochs=2", "tensorboard=false"),
        "multilevel-vgg9-thin-cifar10": ("train_size=10000", "epochs=2", "tensorboard=false"),
        "multilevel-resnet8-thin-fashion": ("train_size=20000", "epochs=8", "tensorboard=false"),
        "multilevel-resnet8-thin-cifar10": ("train_size=20000", "epochs=8", "tensorboard=false"),
        "multilevel-sparse-resnet18-thin-fashion": ("train_size=10000", "epochs=3", "tensorboard=false"),
        "multilevel-sparse-resnet18-thin-cifar10": ("train_size=10000", "epochs=3", "tensorboard=false"),
        "spikezip-resnet8-thin-fashion-ann": ("train_size=20000", "epochs=6"),
        "spikezip-resnet8-thin-fashion": ("train_size=20000", "epochs=2", "--images=2000"),
        "spikezip-resnet8-thin-cifar10-ann": ("train_size=20000", "epochs=6"),
        "spikezip-resnet8-thin-cifar10": ("train_size=20000", "epochs=2", "--images=2000"),
        **dict.fromkeys(("yolo-tiny-bccd", "spikezip-yolo-tiny-bccd", "spikezip-yolo-tiny-bccd-ann"), _AS_THEY_ARE),
    },
    "small-atan": {
        "fashion-convnet": (*_SHORT, _ATAN),
        "cifar10-vgg9-narrow": ("train_size=20000", "epochs=3", *_CIFAR10, _ATAN),
    },
    "real": {
        "fashion-convnet": (*_REAL_FASHION, _STE),
        "cifar10-vgg9-narrow": ("epochs=15", *_CIFAR10, _STE),
        "multilevel-vgg9-thin-fashion": ("epochs=10", "tensorboard=false"),
        "multilevel-vgg9-thin-cifar10": ("epochs=15", "tensorboard=false"),
        "multilevel-resnet8-thin-fashion": ("epochs=15", "tensorboard=false"),
        "multilevel-resnet8-thin-cifar10": ("epochs=26", "tensorboard=false"),
        "multilevel-sparse-resnet18-thin-fashion": ("epochs=8", "tensorboard=false"),
        "multilevel-sparse-resnet18-thin-cifar10": ("epochs=12", "tensorboard=false"),
        "qsnn-vggsnn-thin-fashion": ("epochs=8", "tensorboard=false"),
        "qsnn-resnet8-thin-cifar10": ("epochs=15", "channels=8,16,32", "tensorboard=false"),
        "adaptive-resnet8-thin-fashion": ("epochs=8", "tensorboard=false"),
        "adaptive-resnet20-thin-cifar10": ("model=pre-resnet8-thin", "epochs=12", "tensorboard=false"),
        "mixed-precision-resnet8-thin-fashion": ("epochs=8", "tensorboard=false"),
        "mixed-precision-resnet20-thin-cifar10": ("model=resnet8-thin", "epochs=12", "tensorboard=false"),
        "spikezip-resnet8-thin-fashion-ann": ("epochs=10",),
        "spikezip-resnet8-thin-fashion": ("epochs=5", "--images=10000"),
        "spikezip-resnet8-thin-cifar10-ann": ("epochs=20",),
        "spikezip-resnet8-thin-cifar10": ("epochs=6", "--images=10000"),
    },
    "real-atan": {
        "fashion-convnet": (*_REAL_FASHION, _ATAN),
        "cifar10-vgg9-narrow": ("epochs=15", *_CIFAR10, _ATAN),
    },
    "full": {},
}
"""Edits that a scale makes to a recipe. The small ones take minutes on part of the images; the real ones train the same
networks on all of them, for more epochs. Of paper 000's neurons ``-atan`` has the arctangent's gradient, the
others the multi-bit neuron's own. ``full`` is the recipe as it stands; another scale leaves out what it does not
name."""

NUMBERS = {"small": ("precision=float32",), "real": ("precision=bf16",)}
"""What a scale computes with, by the first word of its name: small runs are alike on every machine; real ones take
half the time in bfloat16. The full ones settle it by their machine."""


@dataclass(frozen=True)
class Run:
    """One training run: a recipe, what is set differently, a seed.

    Recipes of ``spikezip`` are trained by `bitspike convert`; an edit that begins with ``--`` is an option of it.
    """

    recipe: str
    edits: tuple[str, ...]
    seed: int

    @property
    def key(self) -> str:
        return " ".join((self.recipe, *self.edits, f"seed={self.seed}"))

    def all_edits(self, scale: str) -> tuple[str, ...]:
        numbers = NUMBERS.get(scale.partition("-")[0], ())
        own = (edit for edit in self._settings(scale) if not edit.startswith("--"))
        return (*numbers, *own, f"seed={self.seed}")

    def options(self, scale: str) -> tuple[str, ...]:
        return tuple(edit for edit in self._settings(scale) if edit.startswith("--"))

    def _settings(self, scale: str) -> tuple[str, ...]:
        return (*SCALES[scale].get(self.recipe, ()), *self.edits)

    def is_of(self, scale: str) -> bool:
        """Whether the scale says how long this is to be trained."""
        return scale == "full" or self.recipe in SCALES[scale]

    @property
    def converts(self) -> bool:
        return self.recipe.startswith("spikezip-") and not self.recipe.endswith("-ann")


AT = (1, 2, 4, 8, 16, 32)
_WIDTHS = ("mean_w", "mean_s", "mean_t", "first_w", "last_w", "largest_w")
METRICS: tuple[str, ...] = (
    *("test_accuracy", "weight_entropy", "spike_entropy", "spikes", "events", "energy_nj"),
    *("size_bytes", "s_ace", "ns_ace", "s_ace_paper_001", *_WIDTHS),
    *(f"accuracy_at_{t}" for t in AT),
    *("equal", "T_eq", "bound", "final_distance", "qann_ns_ace"),
    *("test_map50", "test_map5095", "qann_map50", "boxes_equal", *(f"map50_at_{t}" for t in AT)),
)
"""What judges may look at: test accuracy in percent, mean entropies in bits, and for an image the spikes that neurons
fire, the events that paper 004 counts, and nanojoules after Lemaire et al. Of a converted network: its accuracy after
so many steps, whether all of its logits are the quantized network's, the step of its last spike and the certain bound
of that, the mean distance of its feature maps, in levels, after all steps, and NS-ACE of the quantized network. Of one
that finds boxes, mean average precision in percent in the place of accuracies, and on how many images its boxes are the
quantized network's."""

Scores = Mapping[str, Sequence[float]]
"""A metric by setting (``bits=1/4/1``), a number for each seed."""

Measured = Mapping[str, Scores]
"""Scores by metric."""


@dataclass(frozen=True)
class Outcome:
    """``verdict`` is ``confirmed``, ``not confirmed`` or ``within the spread``; ``why`` says it in numbers."""

    verdict: str
    why: str


@dataclass(frozen=True)
class Own:
    """The test of a claim about something else than training runs.

    Attributes:
        file: of results, JSON. judge: of what is in it. table: Markdown of it. how: it was measured, a sentence.
    """

    file: Path
    judge: Callable[[Mapping[str, Any]], Outcome]
    table: Callable[[Mapping[str, Any]], list[str]]
    how: str


@dataclass(frozen=True)
class Claim:
    """A statement and its test: runs and a judge, or data of its ``own``; else ``untested`` says what it waits for.

    Its runs are compared by ``score``, of `METRICS`; ``shows`` are its columns, where they are not its paper's.
    """

    name: str
    statement: str
    where: str
    settings: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (recipe, edits)
    judge: Callable[[Measured], Outcome] | None = None
    untested: str = ""
    own: Own | None = None
    score: str = "test_accuracy"
    shows: tuple[str, ...] | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(Run(recipe, edits, seed) for recipe, edits in self.settings for seed in SEEDS)


@dataclass(frozen=True)
class Paper:
    """The claims of one paper; ``note`` is what a reader of their verdicts must know, ``shows`` names more columns."""

    title: str
    claims: tuple[Claim, ...]
    shows: tuple[str, ...]
    note: str = ""


def scores_of(claim: Claim, results: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, list[float]]:
    """The metric of the claim's runs that have it in their results, by setting."""
    scores: dict[str, list[float]] = {}
    for run in claim.runs:
        value = results.get(run.key, {}).get(metric)
        if value is not None:
            scores.setdefault(" ".join(run.edits), []).append(value)
    return scores


VERDICTS = ("not confirmed", "within the spread", "confirmed")
BELOW_0 = -5e-324
"""The limit of what must be less than 0."""


def at_most(values: Sequence[float], than: Sequence[float], limit: float) -> str:
    """Whether ``values`` are on average at most ``limit`` above ``than``: surely, surely not, or who knows."""
    return _verdict(*_difference(values, than), limit)


def ratio_at_most(values: Sequence[float], to: Sequence[float], limit: float) -> str:
    """The same of the ratio of their means."""
    ratio = mean(values) / mean(to)
    return _verdict(
        ratio, ratio * (_error(values) ** 2 / mean(values) ** 2 + _error(to) ** 2 / mean(to) ** 2) ** 0.5, limit
    )


def worst(*verdicts: str) -> str:
    """Of a rule of several parts: confirmed where all are; not confirmed where one is contradicted."""
    return min(verdicts, key=VERDICTS.index)


def best(*verdicts: str) -> str:
    """Of a rule of which one part is enough."""
    return max(verdicts, key=VERDICTS.index)


def opposite(verdict: str) -> str:
    """Of the contrary."""
    return VERDICTS[-1 - VERDICTS.index(verdict)]


def _verdict(value: float, error: float, limit: float) -> str:
    if value + 2 * error <= limit:
        return "confirmed"
    return "not confirmed" if value - 2 * error > limit else "within the spread"


def _difference(values: Sequence[float], than: Sequence[float]) -> tuple[float, float]:
    """Of the means, with its standard error."""
    return mean(values) - mean(than), (_error(values) ** 2 + _error(than) ** 2) ** 0.5


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def beats(better: Sequence[float], worse: Sequence[float]) -> tuple[float, bool, str]:
    """Difference of means, whether it exceeds twice its standard error, and both as text."""
    difference, error = _difference(better, worse)
    return difference, abs(difference) > 2 * error, f"{difference:+.2f} points (standard error {error:.2f})"
