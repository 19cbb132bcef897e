"""What one more bit, level or step buys, in points of accuracy for a unit of a currency, and what is swapped for it.

One rule says what is clear, that of the claims: a difference beyond twice its standard error over the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from statistics import stdev
from typing import Any

from claims.claim import Claim, beats
from claims.which_bits import AXES, CURRENCIES, IMAGES, Network, Setting

__all__ = ["Buy", "Swap", "buys", "compared", "ranked", "shown", "start_of", "swaps"]


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
        """Units that it takes more; 0 of a time that cannot be told apart; None where an end was not measured."""
        ends = self.old.costs.get(currency), self.new.costs.get(currency)
        if ends[0] is None or ends[1] is None:
            return None
        if currency == "us" and _overlap(self.old.measured["us"], self.new.measured["us"]):
            return 0.0
        return (ends[1] - ends[0]) / CURRENCIES[currency].per

    def rate(self, currency: str) -> float | None:
        """Points for a unit: infinite of a gain that costs nothing or less."""
        price = self.price(currency)
        if price is None:
            return None
        return self.gain / price if price > 0 else math.copysign(math.inf, self.gain)

    def beats(self, other: Buy, currency: str) -> bool:
        """Whether it is the better one by more than twice the standard error; what is free beats what is not."""
        prices = [price if (price := buy.price(currency)) is not None and price > 0 else 0.0 for buy in (self, other)]
        if 0.0 in prices and prices != [0.0, 0.0]:
            return self.gain > 0 if prices[0] == 0 else other.gain < 0
        mine, theirs = (price or 1.0 for price in prices)
        return self.gain / mine - other.gain / theirs > 2 * math.hypot(self.error / mine, other.error / theirs)


def _overlap(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Whether two medians of times cannot be told apart: by the notches of a box plot, 1.57 IQR / sqrt(n) each way."""
    notches = (1.57 * (times["q3"] - times["q1"]) / times["rounds"] ** 0.5 for times in (a, b))
    return abs(a["median"] - b["median"]) <= sum(notches)


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
            line.sort(key=lambda setting: setting.where[axis])
            for (i, old), (j, new) in combinations(enumerate(line), 2):
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
    start = start_of(network)
    best: dict[str, Buy] = {}
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
    """Each once: the axis that stands first in `AXES` is the one with more."""
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


def shown(trained: Iterable[Network]) -> list[Network]:
    """Of each recipe the scale that tells most: steps along most axes, and of those scales the longest training."""
    by_recipe: dict[str, list[Network]] = {}
    for network in trained:
        by_recipe.setdefault(network.recipe, []).append(network)
    found = (max(of, key=lambda one: (len({b.axis for b in buys(one)}), one.images_seen)) for of in by_recipe.values())
    return sorted(found, key=lambda network: list(IMAGES).index(network.dataset))
