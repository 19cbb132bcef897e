"""Accuracy of the claims' networks joined to what they cost, and what one more bit, level or step buys.

Networks differ in one axis at a time: weight bits, spike bits or levels, steps, membrane bits. Trainings are those of
`python -m claims`; times and LUTs those of ``benchmarks/which_bits.py``, measured on the same network without its
training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.files import read_json
from claims import paper_000, paper_002, paper_004
from claims.claim import SCALES, SEEDS, Claim, Run, beats
from claims.runner import read_results

__all__ = ["AXES", "CURRENCIES", "IMAGES", "MEASURED", "ROOT", "Buy", "Currency", "Network", "Setting", "Swap", "buys",
           "compared", "front", "key_of", "networks", "networks_of", "ranked", "start_of", "swaps",
           "uniform_settings"]  # fmt: skip

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
    "us": Currency("measured time", "native engine, one thread, an image (microseconds)", "us", 1),
    "lut_cycles": Currency("LUTs x cycles", "LUTs x cycles of an image (millions)", "M LUTs x cycles", 1e6),
}
"""The four that the page is about."""


@dataclass(frozen=True)
class Setting:
    """A network in one set of widths, as its seeds were trained.

    Attributes:
        where: it stands on each of `AXES` that it has. rest: edits that make it another kind of network.
        costs: by currency; of what was not measured, nothing. ``measured`` is the line of ``which_bits.json``.
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
        """Whether its weights are floats, which no integer backend has: it is measured with 8 bits instead."""
        return self.where["w"] == FULL_PRECISION


@dataclass(frozen=True)
class Network:
    """Settings of one recipe at one scale."""

    scale: str
    recipe: str
    settings: tuple[Setting, ...]

    @property
    def dataset(self) -> str:
        return str(self.settings[0].runs[0]["dataset"])

    @property
    def name(self) -> str:
        """For a reader: network, data and scale."""
        return f"{self.recipe}, {IMAGES[self.dataset]}, {self.scale}"

    @property
    def whole(self) -> bool:
        """Whether every setting that the claims have of it was trained with every seed."""
        wanted = {edits for recipe, edits in uniform_settings() if recipe == self.recipe}
        return wanted == {s.edits for s in self.settings} and all(len(s.accuracy) == len(SEEDS) for s in self.settings)

    @property
    def images_seen(self) -> int:
        """Of one training: what is longer stands for more."""
        run = self.settings[0].runs[0]
        return int(run["epochs"] * run["train_images"])


@dataclass(frozen=True)
class Buy:
    """More of one axis, all else equal.

    Attributes:
        gain, error: points of test accuracy, and their standard error over the seeds. clear: the gain exceeds twice
            that. next: no setting stands between the two.
    """

    axis: str
    old: Setting
    new: Setting
    gain: float
    error: float
    clear: bool
    next: bool

    @property
    def verdict(self) -> str:
        return "within the spread" if not self.clear else "gains" if self.gain > 0 else "loses"

    @property
    def name(self) -> str:
        """As ``weight bits 1 to 2``."""
        return f"{AXES[self.axis]} {self.old.where[self.axis]} to {self.new.where[self.axis]}"

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Those that test both ends; else all that test one of them."""
        both = tuple(claim for claim in self.old.claims if claim in self.new.claims)
        return both or tuple(dict.fromkeys((*self.old.claims, *self.new.claims)))

    def price(self, currency: str) -> float | None:
        """What it takes more of a currency; 0 of a time that cannot be told apart; None if an end is not measured.

        Wider floats have no time: the two ends of a step to float weights are measured as one network.
        """
        if currency in ("us", "lut_cycles") and self.axis == "w" and self.new.floats:
            return None
        ends = self.old.costs.get(currency), self.new.costs.get(currency)
        if ends[0] is None or ends[1] is None:
            return None
        if currency == "us" and _overlap(self.old.measured["us"], self.new.measured["us"]):
            return 0.0
        return ends[1] - ends[0]

    def rate(self, currency: str) -> float | None:
        """Points for a unit: infinite of a gain that costs nothing or less."""
        price = self.price(currency)
        if price is None:
            return None
        return self.gain / (price / CURRENCIES[currency].per) if price > 0 else math.copysign(math.inf, self.gain)

    def beats(self, other: Buy, currency: str) -> bool:
        """Whether it is the better one by more than twice the standard error; what is free beats what is not."""
        mine, theirs = self.rate(currency), other.rate(currency)
        assert mine is not None and theirs is not None
        if math.isinf(mine) != math.isinf(theirs):
            return mine > theirs
        prices = (1.0, 1.0) if math.isinf(mine) else (self.gain / mine, other.gain / theirs)
        gap = self.gain / prices[0] - other.gain / prices[1]
        return gap > 2 * math.hypot(self.error / prices[0], other.error / prices[1])


def _overlap(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Whether the middle halves of two series of times do."""
    return a["q1"] <= b["q3"] and b["q1"] <= a["q3"]


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
    by_recipe: dict[str, list[Setting]] = {}
    for (recipe, edits), claims in uniform_settings().items():
        keys = [Run(recipe, edits, seed).key for seed in SEEDS]
        runs = [results[key] for key in keys if key in results]
        if runs and runs[0]["dataset"] in IMAGES:
            line = measured.get(key_of(scale, recipe, edits), {})
            by_recipe.setdefault(recipe, []).append(_setting(recipe, edits, runs, line, claims))
    for recipe, settings in by_recipe.items():
        if len(settings) > 1:
            yield Network(scale, recipe, tuple(settings))


def _setting(
    recipe: str, edits: Edits, runs: Sequence[Mapping[str, Any]], measured: Mapping[str, Any], claims: tuple[Claim, ...]
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
        costs |= {"us": measured["us"]["median"], "lut_cycles": measured["luts"] * measured["cycles"]}
    accuracy = tuple(run["test_accuracy"] for run in runs)
    rest = tuple(f"{key}={value}" for key, value in said.items())
    return Setting(recipe, edits, where, rest, accuracy, costs, measured, tuple(runs), claims)


def buys(network: Network) -> list[Buy]:
    """From each setting to each that has more of one axis; of settings with several seeds, whose spread is known."""
    known = [setting for setting in network.settings if len(setting.accuracy) > 1]
    found = []
    for axis in AXES:
        lines: dict[tuple[Any, ...], list[Setting]] = {}
        for setting in known:
            if axis in setting.where:
                others = tuple(sorted((a, at) for a, at in setting.where.items() if a != axis))
                lines.setdefault((others, setting.rest), []).append(setting)
        for line in lines.values():
            for (i, old), (j, new) in combinations(enumerate(sorted(line, key=lambda s: s.where[axis])), 2):  # noqa: B023
                found.append(Buy(axis, old, new, *compared(new, old), next=j == i + 1))
    return found


def compared(better: Setting, worse: Setting) -> tuple[float, float, bool]:
    """Difference of the mean accuracies, its standard error, and whether it is clear, by the rule of the claims."""
    difference, clear, _ = beats(better.accuracy, worse.accuracy)
    return difference, math.hypot(*(stdev(s.accuracy) / len(s.accuracy) ** 0.5 for s in (better, worse))), clear


def start_of(network: Network) -> Setting | None:
    """The setting from which most axes lead on; of several the cheapest."""
    leads: dict[str, set[str]] = {}
    for buy in buys(network):
        leads.setdefault(buy.old.label, set()).add(buy.axis)
    by_label = {setting.label: setting for setting in network.settings}
    return min(
        (by_label[label] for label in leads), key=lambda s: (-len(leads[s.label]), s.costs["s_ace"]), default=None
    )


def ranked(network: Network, currency: str) -> list[Buy]:
    """From its start the best that each axis has for sale, the best first: clear gains before the rest.

    Of an axis that costs nothing, its largest clear gain; of another, that of most points for a unit. An axis without
    a clear gain is there with its next step. What has no price is left out.
    """
    start, best = start_of(network), {}
    for buy in buys(network):
        if buy.old is start and buy.rate(currency) is not None:
            best[buy.axis] = max((buy, best.get(buy.axis, buy)), key=lambda b: _worth(b, currency))
    return sorted(best.values(), key=lambda buy: _worth(buy, currency), reverse=True)


def _worth(buy: Buy, currency: str) -> tuple[float, ...]:
    rate = buy.rate(currency)
    assert rate is not None
    gains = buy.verdict == "gains"
    return (gains, rate, buy.gain) if gains else (False, buy.next, buy.gain)


@dataclass(frozen=True)
class Swap:
    """Two settings of nearly one cost: more of one axis, less of another, all else equal."""

    more: str
    less: str
    new: Setting
    old: Setting
    gain: float
    clear: bool


def swaps(network: Network, currency: str, within: float = 0.1) -> list[Swap]:
    """All of them, each once: the axis that stands first in `AXES` is the one with more; weights that are floats out."""
    known = [s for s in network.settings if len(s.accuracy) > 1 and currency in s.costs]
    found = []
    for a, b in permutations(known, 2):
        if a.rest != b.rest or a.where.keys() != b.where.keys() or a.floats != b.floats:
            continue
        moved = [axis for axis in AXES if axis in a.where and a.where[axis] != b.where[axis]]
        traded = len(moved) == 2 and a.where[moved[0]] > b.where[moved[0]] and a.where[moved[1]] < b.where[moved[1]]
        if traded and abs(a.costs[currency] - b.costs[currency]) <= within * min(a.costs[currency], b.costs[currency]):
            gain, _, clear = compared(a, b)
            found.append(Swap(moved[0], moved[1], a, b, gain, clear))
    return found


def front(settings: Iterable[Setting], currency: str) -> list[Setting]:
    """Those that no other is as cheap and as accurate as, the cheap ones first; without what was not measured."""
    priced = [(s.costs[currency], mean(s.accuracy), s) for s in settings if currency in s.costs]
    return [
        one
        for cost, gain, one in sorted(priced, key=lambda point: (point[0], -point[1]))
        if not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g, _ in priced)
    ]
