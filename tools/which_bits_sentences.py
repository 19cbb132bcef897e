"""Sentences of docs/which-bits.md: what 64 KB hold and what to spend them on, from the claims' runs and their costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from written import anchor

from claims.buying import Buy, buys, compared, swaps
from claims.claim import Claim
from claims.which_bits import AXES, IMAGES, Network, Setting

__all__ = ["FILE", "NEXT", "Along", "engineer", "lines_along", "link", "most", "points", "runs", "significant"]

KILOBYTES = 64
FILE = "[which_bits.json](../results/benchmarks/which_bits.json)"
NEXT = "python benchmarks/which_bits.py"
AGAINST = 4
"""Steps that are set beside as many levels or spike bits of one step."""


def link(claims: Iterable[Claim]) -> str:
    """To what was tested with these runs."""
    return ", ".join(f"[{claim.name}](claims.md#{anchor(f'{claim.name} {claim.statement}')})" for claim in claims)


def runs(network: Network) -> str:
    """To the lines of its runs."""
    return f"[{network.scale}](../results/claims/{network.scale}.jsonl)"


def points(gain: float, error: float) -> str:
    return f"{gain:+.2f} ± {error:.2f}"


def significant(value: float) -> str:
    """Two digits of it, and no power of ten."""
    if value == 0 or not math.isfinite(value):
        return "0"
    return f"{value:,.{max(1 - math.floor(math.log10(abs(value))), 0)}f}"


@dataclass(frozen=True)
class Along:
    """One axis of one network from a setting on, next step after next."""

    network: Network
    axis: str
    steps: tuple[Buy, ...]

    @property
    def claims(self) -> Iterable[Claim]:
        return dict.fromkeys(claim for buy in self.steps for claim in buy.claims)

    @property
    def best(self) -> Buy | None:
        """To the nearest setting that is clearly better than the first, and than which nothing above is."""
        whole = [buy for buy in buys(self.network) if buy.axis == self.axis]
        better = [buy for buy in whole if buy.old is self.steps[0].old and buy.verdict == "gains"]
        return next((b for b in better if not any(x.old is b.new and x.verdict == "gains" for x in whole)), None)

    @property
    def reach(self) -> str:
        """That, in words."""
        start, claims = self.steps[0].old, link(self.claims)
        if (best := self.best) is None:
            return (
                f"{AXES[self.axis]} of {self.network.recipe} from {start.label}: nothing is clearly better ({claims})"
            )
        said = f"{best.name} in {self.network.recipe} from {start.label}: {points(best.gain, best.error)}"
        last = self.steps[-1].new.where[self.axis]
        beyond = "" if best.new.where[self.axis] == last else f", nothing clearly better up to {last}"
        return f"{said}{beyond} ({claims})"


def lines_along(networks: Sequence[Network], axis: str) -> list[Along]:
    """Every network, and in it every set of the other widths."""
    found = []
    for network in networks:
        by_rest: dict[tuple[tuple[str, int], ...], list[Buy]] = {}
        for buy in buys(network):
            if buy.axis == axis and buy.next:
                by_rest.setdefault(tuple((a, n) for a, n in buy.old.where.items() if a != axis), []).append(buy)
        found += [Along(network, axis, tuple(steps)) for steps in by_rest.values()]
    return found


def engineer(networks: Sequence[Network]) -> str:
    """Five lines."""
    lines = (part(networks) for part in (fits, weights_pay, levels_are_free, steps_take_time, membranes))
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def device(setting: Setting) -> str:
    flash, ram = (setting.measured[part] / 1024 for part in ("flash_bytes", "ram_bytes"))
    return f"{flash:.1f} KB of flash, {ram:.1f} KB of RAM"


def fits(networks: Sequence[Network]) -> str:
    """The most accurate networks whose C fits."""
    said = []
    for data, name in IMAGES.items():
        known = [
            (mean(s.accuracy), network, s)
            for network in networks
            for s in network.settings
            if network.dataset == data and s.measured and not s.floats
        ]
        small = [one for one in known if one[2].measured["flash_bytes"] <= 1024 * KILOBYTES]
        if known and not small:
            said.append(f"on {name} none of {len(known)}")
        elif small:
            accuracy, network, s = max(small, key=lambda one: one[0])
            said.append(
                f"on {name} {s.label} of {network.recipe}, {accuracy:.2f} % in {device(s)} ({link(s.claims)}, "
                f"{runs(network)})"
            )
    found = "; ".join(said) or f"not measured yet, `{NEXT}`"
    return f"**What fits into {KILOBYTES} KB of flash**, code and all: {found}. {FILE}"


def grown(buy: Buy, part: str) -> float:
    return float(buy.new.measured[part] - buy.old.measured[part])


def most(networks: Sequence[Network], axes: str, part: str) -> float | None:
    """Bytes that a step along these axes moves at most, up or down; of measured networks, where there are any."""
    steps = [buy for axis in axes for along in lines_along(networks, axis) for buy in along.steps]
    return max((abs(grown(buy, part)) for buy in steps if buy.old.measured and buy.new.measured), default=None)


def moved(networks: Sequence[Network], axes: str) -> str:
    """What a step takes of flash and RAM."""
    flash, ram = (most(networks, axes, part) for part in ("flash_bytes", "ram_bytes"))
    if flash is None or ram is None:
        return f"not measured yet: `{NEXT}`"
    return f"a step at most {flash / 1024:.1f} KB of flash and {ram / 1024:.1f} KB of RAM"


def weights_pay(networks: Sequence[Network]) -> str:
    """Weight bits take flash."""
    parts = []
    for along in lines_along(networks, "w"):
        paid = (f"{buy.old.where['w']} to {buy.new.where['w']} {rate(buy)}" for buy in along.steps)
        parts.append(f"of {along.network.recipe} from {along.steps[0].old.label}, points a kB: {', '.join(paid)} ")
        parts[-1] += f"({link(along.claims)})"
    return f"**Weight bits take the flash**: {'; '.join(parts)}."


def rate(buy: Buy) -> str:
    return significant(buy.rate("bytes") or 0) if buy.clear else "within the spread"


def levels_are_free(networks: Sequence[Network]) -> str:
    """Spike bits and levels take little."""
    lead = f"**Spike bits and levels take next to none** ({moved(networks, 'sN')})"
    return f"{lead}: {'; '.join(along.reach for axis in 'sN' for along in lines_along(networks, axis))}."


def steps_take_time(networks: Sequence[Network]) -> str:
    """Steps take time and RAM; levels instead do not."""
    steps = [
        buy for along in lines_along(networks, "T") for buy in along.steps if buy.old.measured and buy.new.measured
    ]
    doubled = [buy for buy in steps if buy.new.where["T"] == 2 * buy.old.where["T"]]
    if not doubled:
        return f"**Steps**: not measured yet, `{NEXT}`."
    times = [buy.new.costs["us"] / buy.old.costs["us"] for buy in doubled]
    ram = [grown(buy, "ram_bytes") / 1024 for buy in doubled]
    flash = max(abs(grown(buy, "flash_bytes")) for buy in doubled) / 1024
    lead = (
        f"**Steps take no flash** (at most {flash:.1f} KB) **but time**: twice as many take "
        f"{min(times):.1f} to {max(times):.1f} times as long and {min(ram):.0f} to {max(ram):.0f} KB more RAM"
    )
    return f"{lead}. {instead(networks)}"


def instead(networks: Sequence[Network]) -> str:
    """Of each network with both, as many bits or levels in one step as steps of one bit or level."""
    said = []
    for network in networks:
        for swap in swaps(network, "bytes"):
            one, many = swap.new, swap.old
            ends = (one.where["T"], one.where[swap.more], many.where[swap.more], many.where["T"])
            if swap.less == "T" and ends == (1, AGAINST, 1, AGAINST) and "us" in one.costs and "us" in many.costs:
                verdict = "" if swap.clear else ", within the spread"
                tests = link(claim for claim in one.claims if claim in many.claims)
                gain = points(*compared(one, many)[:2])
                said.append(
                    f"{one.label} over {many.label} in {network.recipe}: {gain} points{verdict}, "
                    f"{many.costs['us'] / one.costs['us']:.1f} times as fast ({tests})"
                )
    return f"{'; '.join(said)}."


def membranes(networks: Sequence[Network]) -> str:
    """Membrane bits."""
    lead = f"**Membrane bits take neither** ({moved(networks, 'u')})"
    return f"{lead}: {'; '.join(along.reach for along in lines_along(networks, 'u'))}."
