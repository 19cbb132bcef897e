"""Writes docs/which-bits.md from the claims' runs and what their networks cost: tables, and the sentences that depend.

Run it after new lines in results/claims/ or a new results/benchmarks/which_bits.json; a test runs the check. The
pictures are those of `python -m claims.figures_which_bits`.

    python tools/which_bits.py            rewrites what stands between the marker comments
    python tools/which_bits.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from which_bits_sentences import FILE, NEXT, engineer, lines_along, link, points, runs, significant
from written import ROOT, main, named, table

from bitspike import recipes
from bitspike.files import read_json
from bitspike.training import override
from claims.buying import Buy, Swap, buys, ranked, shown, start_of, swaps
from claims.claim import Run
from claims.which_bits import AXES, CURRENCIES, IMAGES, MEASURED, Network, front, networks

BY = "tools/which_bits.py"
PAGE = ROOT / "docs" / "which-bits.md"


@cache
def everything() -> tuple[Network, ...]:
    """All networks of the claims in all their widths."""
    return tuple(networks())


def here() -> list[Network]:
    """Those that the page shows."""
    return shown(everything())


# In each currency.


def bought(buy: Buy, currency: str) -> str:
    """A gain, and its price."""
    price, rate = buy.price(currency), buy.rate(currency)
    assert price is not None
    assert rate is not None
    free = "no slower, as far as can be told" if currency == "us" else "free"
    paid = free if price <= 0 else f"{significant(rate)} a {CURRENCIES[currency].unit}"
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
    if not lines:
        return f"Nothing is measured yet: `{NEXT}`."
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
    """LUTs x cycles, what they are, and whether an estimate of them would say the same."""
    found, counted = read_json(MEASURED), [network for network in here() if network.counted]
    names = ", ".join(network.recipe for network in counted)
    there = f"LUTs are those {found['luts_counted']}, in {names}; in others" if counted else "LUTs are"
    said = (
        f"An engine of {found['engine']}. {there} those {found['luts_estimated']}: an estimate, which leaves out what "
        f"is no wider with more bits. {' '.join(map(misjudged, counted))} Cycles: {found['cycles']}. {FILE}."
    )
    return "\n\n".join((in_currency("lut_cycles"), said))


def misjudged(network: Network) -> str:
    """What the estimate says of a network whose LUTs are counted."""
    ratios = [s.measured["luts_estimated"] / s.measured["luts_counted"] for s in network.settings if s.measured]
    settings = (
        replace(s, costs={**s.costs, "lut_cycles": s.measured["luts_estimated"] * s.measured["cycles"]})
        if s.measured
        else s
        for s in network.settings
    )
    orders = [short(one, "lut_cycles") for one in (network, replace(network, settings=tuple(settings)))]
    same = "gives the same order" if orders[0] == orders[1] else f"would give another order ({orders[1]})"
    return f"In {network.recipe} it is {min(ratios):.2f} to {max(ratios):.2f} of the count, and {same}."


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


def five_lines() -> str:
    """For the engineer."""
    return engineer(here())


# What to buy, and what not to believe.


def how_far() -> str:
    """Every axis of every network, step by step, and where it ends."""
    rows = []
    for along in (along for axis in AXES for along in lines_along(here(), axis)):
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
    count = f"Purchases trained at several scales: {len(several)}"
    if not other:
        return f"{count}. Each has the same verdict at all of them."
    return "\n".join((f"**{count}. Those with another verdict at another scale: {len(other)}.**\n", *other))


def families() -> str:
    """Which axes are for sale where."""
    sold = {axis: list(dict.fromkeys(along.network.recipe for along in lines_along(here(), axis))) for axis in AXES}
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
    five_lines,
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
