"""Accuracy of the claims' networks in all their widths, joined to what they cost.

A network stands somewhere on each axis: weight bits, spike bits or levels, steps, membrane bits. Trainings are those of
`python -m claims`; times and LUTs those of ``benchmarks/which_bits.py``, measured on the same network without its
training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.files import read_json
from claims import paper_000, paper_002, paper_004
from claims.claim import SCALES, SEEDS, Claim, Run
from claims.runner import read_results

__all__ = [
    "AXES", "CURRENCIES", "IMAGES", "MEASURED", "ROOT", "Currency", "Network", "Setting", "front", "key_of", "networks",
    "networks_of", "uniform_settings",
]  # fmt: skip


ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "results" / "benchmarks" / "which_bits.json"
PAPERS = (paper_000.PAPER, paper_002.PAPER, paper_004.PAPER)
IMAGES = {"fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
"""Data sets without time of their own, by name; what steps buy on others is another question (claim 000.2)."""
AXES = {"w": "weight bits", "s": "spike bits", "N": "levels", "T": "steps", "u": "membrane bits"}
"""What is bought. A neuron of ``N`` levels has no spike bits of its own to buy: they follow from ``N``."""
UNIFORM = ("bits=", "neuron.levels=")
"""How the edits begin that make networks of one kind in other widths; any other edit makes another kind."""

Edits = tuple[str, ...]


@dataclass(frozen=True)
class Currency:
    """What is paid: ``unit`` is what gains are told for, ``per`` of the raw number. ``title`` names an axis."""

    name: str
    title: str
    unit: str
    per: float


CURRENCIES = {
    "bytes": Currency("bytes", "size: weights and constants (kB)", "kB", 1e3),
    "s_ace": Currency("bit operations", "S-ACE: bit operations of an image (millions)", "M bit operations", 1e6),
    "ns_ace": Currency("bit operations that are not 0", "NS-ACE of an image (millions)", "M bit operations", 1e6),
    "us": Currency("measured time", "native engine, one thread, an image (microseconds)", "us", 1),
    "lut_cycles": Currency("LUTs x cycles", "LUTs x cycles of an image (millions)", "M LUTs x cycles", 1e6),
}
"""The four that the page is about, and NS-ACE, which is S-ACE of what is not 0."""


@dataclass(frozen=True)
class Setting:
    """A network in one set of widths, as its seeds were trained.

    Attributes:
        where: it stands on each of `AXES` that it has. rest: edits that make it another kind of network.
        costs: by currency; of what was not measured, nothing. measured: the line of ``which_bits.json``.
        claims: those that its runs test.
    """

    recipe: str
    edits: Edits
    where: Mapping[str, int]
    rest: Edits
    accuracy: tuple[float, ...]
    costs: Mapping[str, float]
    measured: Mapping[str, Any]
    runs: tuple[Mapping[str, Any], ...]
    claims: tuple[Claim, ...]

    @property
    def label(self) -> str:
        """``w/s/T``, ``w/s/T/u``, or of levels ``N = 4`` or ``T = 4``."""
        if "N" not in self.where:
            return "/".join(str(self.where[axis]) for axis in "wsTu" if axis in self.where)
        N, T = self.where["N"], self.where["T"]
        return f"N = {N}" if T == 1 and N > 1 else f"T = {T}" if N == 1 and T > 1 else f"N = {N}, T = {T}"

    @property
    def floats(self) -> bool:
        """Whether its weights are floats, which no integer backend has."""
        return self.where["w"] == FULL_PRECISION


@dataclass(frozen=True)
class Network:
    """Settings of one recipe at one scale."""

    scale: str
    recipe: str
    settings: tuple[Setting, ...]
    counted: bool
    """Whether the LUTs of all of them were counted; they are an estimate if not."""

    @property
    def dataset(self) -> str:
        return str(self.settings[0].runs[0]["dataset"])

    @property
    def name(self) -> str:
        """For a reader: network, data and scale."""
        return f"{self.recipe}, {IMAGES[self.dataset]}, {self.scale}"

    @property
    def measurable(self) -> tuple[Setting, ...]:
        """Those to measure: floats, which are measured with 8 bits, only where there is nothing else."""
        return tuple(setting for setting in self.settings if not setting.floats) or self.settings

    @property
    def images_seen(self) -> int:
        """Of one training: what is longer stands for more."""
        run = self.settings[0].runs[0]
        return int(run["epochs"] * run["train_images"])


def uniform_settings() -> dict[tuple[str, Edits], tuple[Claim, ...]]:
    """Recipe and edits of every network of one width throughout that a claim is about, with these claims."""
    found: dict[tuple[str, Edits], tuple[Claim, ...]] = {}
    for claim in (claim for paper in PAPERS for claim in paper.claims):
        for recipe, edits in claim.settings:
            if edits == paper_002.FULL or all(edit.startswith(UNIFORM) for edit in edits):
                found[recipe, edits] = (*found.get((recipe, edits), ()), claim)
    return found


def key_of(scale: str, recipe: str, edits: Edits) -> str:
    """By which ``which_bits.json`` knows a network."""
    return " ".join((scale, recipe, *edits))


def networks() -> list[Network]:
    """What was trained and measured, of all scales."""
    folder = ROOT / "results" / "claims"
    measured = read_json(MEASURED)["settings"] if MEASURED.exists() else {}
    return [network for scale in SCALES for network in networks_of(scale, read_results(folder, scale), measured)]


def networks_of(
    scale: str, results: Mapping[str, Mapping[str, Any]], measured: Mapping[str, Mapping[str, Any]]
) -> Iterator[Network]:
    """Those of one scale, recipe after recipe."""
    found: dict[str, list[Trained]] = {}
    for (recipe, edits), claims in uniform_settings().items():
        keys = [Run(recipe, edits, seed).key for seed in SEEDS]
        runs = tuple(results[key] for key in keys if key in results)
        if runs and runs[0]["dataset"] in IMAGES:
            line = measured.get(key_of(scale, recipe, edits), {})
            found.setdefault(recipe, []).append((edits, runs, line, claims))
    for recipe, trained in found.items():
        if len(trained) > 1:
            lines = [line for _, _, line, _ in trained if line]
            counted = bool(lines) and all(line["luts_counted"] for line in lines)
            yield Network(scale, recipe, tuple(_setting(recipe, counted, *one) for one in trained), counted)


Trained = tuple[Edits, tuple[Mapping[str, Any], ...], Mapping[str, Any], tuple[Claim, ...]]
"""Edits of a setting, its runs, what was measured of it, and its claims."""


def _setting(
    recipe: str,
    counted: bool,
    edits: Edits,
    runs: tuple[Mapping[str, Any], ...],
    measured: Mapping[str, Any],
    claims: tuple[Claim, ...],
) -> Setting:
    said = dict(edit.split("=", 1) for edit in edits)
    bits = Bits.parse(said.pop("bits"))
    where = {"w": bits.w, "s": bits.s, "T": bits.t}
    if (levels := said.pop("neuron.levels", None)) is not None:
        where = {"w": bits.w, "N": int(levels), "T": bits.t}
    if bits.u is not None:
        where["u"] = bits.u
    costs = {"bytes": mean(run["size_bytes"] for run in runs)}
    costs |= {name: mean(run[name] for run in runs) for name in ("s_ace", "ns_ace")}
    if measured:
        luts = measured["luts_counted" if counted else "luts_estimated"]
        costs |= {"us": measured["us"]["median"], "lut_cycles": luts * measured["cycles"]}
    accuracy = tuple(run["test_accuracy"] for run in runs)
    rest = tuple(f"{key}={value}" for key, value in said.items())
    return Setting(recipe, edits, where, rest, accuracy, costs, measured, runs, claims)


def front(settings: Iterable[Setting], currency: str) -> list[Setting]:
    """Those that no other is as cheap and as accurate as, the cheap ones first; without what was not measured."""
    priced = [(s.costs[currency], mean(s.accuracy), s) for s in settings if currency in s.costs]
    return [
        one
        for cost, gain, one in sorted(priced, key=lambda point: (point[0], -point[1]))
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g, _ in priced)
    ]
