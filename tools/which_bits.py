"""Writes docs/which-bits.md from the claims' runs and what their networks cost: tables, and the sentences that depend.

Run it after new lines in results/claims/ or a new results/benchmarks/which_bits.json; a test runs the check. The
pictures are those of `python -m claims.figures_which_bits`.

    python tools/which_bits.py            rewrites what stands between the marker comments
    python tools/which_bits.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from results_page import anchor
from written import ROOT, main, named, table

from bitspike import recipes
from bitspike.files import read_json
from bitspike.training import override
from claims.buying import Buy, Swap, buys, compared, ranked, shown, start_of, swaps
from claims.claim import Claim, Run
from claims.which_bits import AXES, CURRENCIES, IMAGES, MEASURED, Network, Setting, front, networks

BY = "tools/which_bits.py"
PAGE = ROOT / "docs" / "which-bits.md"
KILOBYTES = 64
FILE = "[which_bits.json](../results/benchmarks/which_bits.json)"
NEXT = "python benchmarks/which_bits.py"


@cache
def everything() -> tuple[Network, ...]:
    """All networks of the claims in all their widths."""
    return tuple(networks())


def here() -> list[Network]:
    """Those that the page shows."""
    return shown(everything())


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


def lines_along(axis: str) -> list[Along]:
    """Every network, and in it every set of the other widths."""
    found = []
    for network in here():
        by_rest: dict[tuple[tuple[str, int], ...], list[Buy]] = {}
        for buy in buys(network):
            if buy.axis == axis and buy.next:
                by_rest.setdefault(tuple((a, n) for a, n in buy.old.where.items() if a != axis), []).append(buy)
        found += [Along(network, axis, tuple(steps)) for steps in by_rest.values()]
    return found


# In each currency.


def bought(buy: Buy, currency: str) -> str:
    """A gain, and its price."""
    price, rate = buy.price(currency), buy.rate(currency)
    assert price is not None
    assert rate is not None
    paid = "free" if price <= 0 else f"{significant(rate)} a {CURRENCIES[currency].unit}"
    return f"{buy.name} ({points(buy.gain, buy.error)}, {paid})"


def order(network: Network, currency: str) -> str:
    """What to buy first from its start: "then" where the order is clear, "or" where it is within the spread."""
    found = ranked(network, currency)
    gains = [buy for buy in found if buy.verdict == "gains"]
    said = ""
    for before, buy in zip([None, *gains], gains, strict=False):
        said += "" if before is None else ", **then** " if before.beats(buy, currency) else ", **or** "
        said += bought(buy, currency)
    rest = [f"{buy.name} ({points(buy.gain, buy.error)}, {buy.verdict})" for buy in found if buy not in gains]
    return "; ".join(part for part in (said, *rest) if part) or f"not measured yet: `{NEXT}`"


def in_currency(currency: str) -> str:
    """A row for each network, and what came of swaps at nearly one cost."""
    rows = []
    for network in here():
        start = start_of(network)
        best = ", ".join(setting.label for setting in front(network.settings, currency))
        if start is not None:
            tests = link(dict.fromkeys(claim for buy in ranked(network, currency) for claim in buy.claims))
            cells = (best or "not measured", start.label, order(network, currency))
            rows.append((f"{network.recipe}, {runs(network)}", *cells, tests))
    head = ("network, scale", "Pareto front, cheapest first", "from", "buy first", "claims")
    return "\n\n".join((table(head, rows), swapped(currency)))


def swapped(currency: str) -> str:
    """Who won at nearly equal cost."""
    groups: dict[tuple[str, str], list[Swap]] = {}
    for network in here():
        for swap in swaps(network, currency):
            groups.setdefault((swap.more, swap.less), []).append(swap)
    if not groups:
        return f"At equal {CURRENCIES[currency].name} (within 10 %) nothing can be swapped among these networks."
    parts = [f"{AXES[more]} for {AXES[less]}: {outcome(found)}" for (more, less), found in groups.items()]
    return f"At equal {CURRENCIES[currency].name} (within 10 %), one for the other: {'; '.join(parts)}."


def outcome(found: Sequence[Swap]) -> str:
    """How many of the swaps are clear, either way, and how much they move."""
    won = sum(swap.clear and swap.gain > 0 for swap in found)
    lost = sum(swap.clear and swap.gain < 0 for swap in found)
    low, high = min(swap.gain for swap in found), max(swap.gain for swap in found)
    between = f"{low:+.2f}" if low == high else f"{low:+.2f} to {high:+.2f}"
    return f"{won} better, {lost} worse, {len(found) - won - lost} within the spread ({between} points)"


def size_first() -> str:
    """Bytes."""
    return in_currency("bytes")


def bit_operations_first() -> str:
    """S-ACE, and whether NS-ACE says the same."""
    other = []
    for network in here():
        orders = [[buy.axis for buy in ranked(network, name) if buy.verdict == "gains"] for name in ("s_ace", "ns_ace")]
        if orders[0] != orders[1]:
            first = ", ".join(AXES[axis] for axis in orders[1])
            other.append(f"{network.recipe}: {first or 'nothing clear'}")
    same = "Counted as NS-ACE, bit operations of what is not 0, the order is the same in every network."
    said = f"Counted as NS-ACE, bit operations of what is not 0, the order is another in {'; '.join(other)}."
    return "\n\n".join((in_currency("s_ace"), said if other else same))


def time_first() -> str:
    """Native time, and how it was measured."""
    return "\n\n".join((in_currency("us"), timing()))


def timing() -> str:
    """Spread, kernels and machine."""
    found = read_json(MEASURED)
    lines = [s.measured for network in here() for s in network.settings if s.measured]
    spread = [100 * (line["us"]["q3"] - line["us"]["q1"]) / line["us"]["median"] for line in lines]
    events = sum(any(kernel.startswith("events") for kernel in line["kernels"]) for line in lines)
    machine = found["processor"]
    depends = (
        "No network was fastest with a kernel that walks through spikes, so none of these times depends on spikes."
        if not events
        else f"{events} of {len(lines)} networks use a kernel that walks through spikes (`events`): their time depends "
        "on how often the trained network fires."
    )
    return (
        f"{machine['model']}, {machine['level']}, one thread, an image alone; the middle half of the rounds spans "
        f"{min(spread):.1f} to {max(spread):.1f} % of the median. {depends} {FILE}."
    )


def lut_cycles_first() -> str:
    """LUTs x cycles, and what they are."""
    found, counted = read_json(MEASURED), [network.recipe for network in here() if network.counted]
    there = f"LUTs are those {found['luts_counted']}, in {', '.join(counted)}; in others" if counted else "LUTs are"
    said = (
        f"An engine of {found['engine']}. {there} those {found['luts_estimated']}: an estimate, which leaves out what is no "
        f"wider with more bits. Cycles: {found['cycles']}. {FILE}."
    )
    return "\n\n".join((in_currency("lut_cycles"), said))


def orders() -> str:
    """What to buy first in each currency, of networks with several axes for sale: ``>`` is clear, ``=`` is not."""
    paid = ("bytes", "s_ace", "us", "lut_cycles")
    rows = []
    for network in here():
        start = start_of(network)
        if start is not None and len(ranked(network, "bytes")) > 1:
            cells = (short(network, currency) for currency in paid)
            rows.append((f"{network.recipe} from {start.label}, {runs(network)}", *cells))
    return table(("network, scale", *(CURRENCIES[currency].name for currency in paid)), rows)


def short(network: Network, currency: str) -> str:
    """Its order, by the names of the axes."""
    gains = [buy for buy in ranked(network, currency) if buy.verdict == "gains"]
    said = ""
    for before, buy in zip([None, *gains], gains, strict=False):
        said += "" if before is None else " > " if before.beats(buy, currency) else " = "
        said += AXES[buy.axis]
    return said or "nothing clear"


# For the engineer.


def engineer() -> str:
    """Five lines."""
    lines = (fits(), weights_pay(), levels_are_free(), steps_take_time(), membranes())
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def device(setting: Setting) -> str:
    flash, ram = (setting.measured[part] / 1024 for part in ("flash_bytes", "ram_bytes"))
    return f"{flash:.1f} KB of flash, {ram:.1f} KB of RAM"


def fits() -> str:
    """The most accurate networks whose C fits."""
    said = []
    for data, name in IMAGES.items():
        known = [
            (mean(s.accuracy), network, s)
            for network in here()
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
    return f"**What fits into {KILOBYTES} KB of flash**, code and all: {'; '.join(said)}. {FILE}"


def grown(buy: Buy, part: str) -> float:
    return float(buy.new.measured[part] - buy.old.measured[part])


def most(axes: str, part: str) -> float:
    """Bytes that a step along these axes moves at most, up or down."""
    steps = [buy for axis in axes for along in lines_along(axis) for buy in along.steps]
    return max((abs(grown(buy, part)) for buy in steps if buy.old.measured and buy.new.measured), default=0)


def weights_pay() -> str:
    """Weight bits take flash."""
    parts = []
    for along in lines_along("w"):
        paid = (f"{buy.old.where['w']} to {buy.new.where['w']} {rate(buy)}" for buy in along.steps)
        parts.append(f"of {along.network.recipe} from {along.steps[0].old.label}, points a kB: {', '.join(paid)} ")
        parts[-1] += f"({link(along.claims)})"
    return f"**Weight bits take the flash**: {'; '.join(parts)}."


def rate(buy: Buy) -> str:
    return significant(buy.rate("bytes") or 0) if buy.clear else "within the spread"


def levels_are_free() -> str:
    """Spike bits and levels take little."""
    flash, ram = (most("sN", part) / 1024 for part in ("flash_bytes", "ram_bytes"))
    lead = f"**Spike bits and levels take next to none** (a step at most {flash:.1f} KB, and {ram:.1f} KB of RAM)"
    return f"{lead}: {'; '.join(along.reach for axis in 'sN' for along in lines_along(axis))}."


def steps_take_time() -> str:
    """Steps take time and RAM; levels instead do not."""
    timed = [
        buy
        for along in lines_along("T")
        for buy in along.steps
        if {"us"} <= buy.old.costs.keys() & buy.new.costs.keys()
    ]
    if not timed:
        return f"**Steps**: not measured yet, `{NEXT}`."
    doubled = [buy for buy in timed if buy.new.where["T"] == 2 * buy.old.where["T"]]
    times = [buy.new.costs["us"] / buy.old.costs["us"] for buy in doubled]
    ram = [grown(buy, "ram_bytes") / 1024 for buy in doubled]
    lead = (
        f"**Steps take no flash** (at most {most('T', 'flash_bytes') / 1024:.1f} KB) **but time**: twice as many take "
        f"{min(times):.1f} to {max(times):.1f} times as long and {min(ram):.0f} to {max(ram):.0f} KB more RAM"
    )
    return f"{lead}. {instead()}"


def instead() -> str:
    """Of each network with both, most steps of one bit or level against as many bits or levels in one step."""
    said = []
    for network in here():
        by = {setting.label: setting for setting in network.settings}
        for one_step, steps in (("N = 4", "T = 4"), ("1/4/1", "1/1/4")):
            if one_step in by and steps in by and all("us" in by[one].costs for one in (one_step, steps)):
                gain, error, clear = compared(by[one_step], by[steps])
                verdict = "" if clear else ", within the spread"
                times = by[steps].costs["us"] / by[one_step].costs["us"]
                tests = link(claim for claim in by[one_step].claims if claim in by[steps].claims)
                said.append(
                    f"{one_step} over {steps} in {network.recipe}: {points(gain, error)} points{verdict}, in "
                    f"1/{times:.1f} of the time ({tests})"
                )
    return f"{'; '.join(said)}."


def membranes() -> str:
    """Membrane bits."""
    flash, ram = (most("u", part) for part in ("flash_bytes", "ram_bytes"))
    lead = f"**Membrane bits take neither** (a step at most {flash:,.0f} bytes of flash, {ram:,.0f} of RAM)"
    return f"{lead}: {'; '.join(along.reach for along in lines_along('u'))}."


# What to buy, and what not to believe.


def how_far() -> str:
    """Every axis of every network, step by step, and where it ends."""
    rows = []
    for along in (along for axis in AXES for along in lines_along(axis)):
        steps = "; ".join(
            f"to {buy.new.where[along.axis]}: {points(buy.gain, buy.error)}{'' if buy.clear else ' (within)'}"
            for buy in along.steps
        )
        start, best = along.steps[0].old, along.best
        ends = start.where[along.axis] if best is None else best.new.where[along.axis]
        cells = (AXES[along.axis], f"{along.network.recipe}, {runs(along.network)}", start.label, steps, ends)
        rows.append((*cells, link(along.claims)))
    return table(("axis", "network, scale", "from", "points, step by step", "buy up to", "claims"), rows)


def scales() -> str:
    """Whether a longer training says the same."""
    said: dict[tuple[str, str, str], dict[str, Buy]] = {}
    for network in everything():
        for buy in buys(network):
            if buy.next:
                said.setdefault((network.recipe, buy.old.label, buy.name), {})[network.scale] = buy
    several = {key: found for key, found in said.items() if len(found) > 1}
    if not several:
        return "Every network here was trained at one scale alone: no verdict has been repeated with longer training."
    other = []
    for (recipe, start, name), found in several.items():
        verdicts = {buy.verdict for buy in found.values()}
        if len(verdicts) > 1:
            parts = (f"{scale} {points(buy.gain, buy.error)}, {buy.verdict}" for scale, buy in found.items())
            other.append(f"- {recipe} from {start}, {name}: {'; '.join(parts)}")
    count = f"{len(several)} steps were trained at several scales"
    if not other:
        return f"{count}: all have the same verdict at each."
    return "\n".join((f"**{count}; {len(other)} have another verdict at another scale:**\n", *other))


def families() -> str:
    """Which axes are for sale where."""
    sold = {axis: list(dict.fromkeys(along.network.recipe for along in lines_along(axis))) for axis in AXES}
    parts = (f"{AXES[axis]} in {', '.join(of)}" for axis, of in sold.items() if of)
    return f"**Families.** No network has all axes for sale: {'; '.join(parts)}."


def trained_how() -> str:
    """Lengths and gradients of the trainings."""
    rows = []
    for network in here():
        run = network.settings[0].runs[0]
        edits = Run(network.recipe, network.settings[0].edits, 0).all_edits(network.scale)
        config = override(recipes.recipe(network.recipe), edits)
        seeds = sorted({len(setting.accuracy) for setting in network.settings})
        rows.append(
            (
                network.recipe,
                runs(network),
                IMAGES[network.dataset],
                f"{run['train_images']:,}",
                run["epochs"],
                " to ".join(str(one) for one in sorted({seeds[0], seeds[-1]})),
                getattr(config.neuron, "surrogate_function", None) or f"{config.neuron.kind}'s own",
            )
        )
    return table(("network", "scale", "data", "images", "epochs", "seeds", "gradient of a spike"), rows)


PARTS = named(
    engineer,
    scales,
    orders,
    size_first,
    bit_operations_first,
    time_first,
    lut_cycles_first,
    how_far,
    trained_how,
    families,
)

if __name__ == "__main__":
    main((PAGE,), PARTS, BY, __doc__)
