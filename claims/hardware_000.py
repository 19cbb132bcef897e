"""Paper 000's claim on hardware: its rule, over the units of ``results/hardware/integration-unit.json``.

``benchmarks/hardware/integration_unit.py`` synthesizes and simulates them; ``python -m claims.figures_000`` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from claims.claim import Outcome, Own

__all__ = [
    "COSTS",
    "HARDWARE",
    "KINDS",
    "RESULTS",
    "allocations",
    "area_time",
    "budget",
    "energy",
    "fit",
    "judge_hardware_is_linear",
    "spread",
]

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "hardware" / "integration-unit.json"
KINDS = {"parallel": "bit-parallel", "serial": "bit-serial", "events": "event-driven"}
STRAIGHT, ALIKE = 0.95, 1.25
SPENT = (4, 8)
"""Spike bits times steps of the allocations that are compared."""
Point = Mapping[str, Any]


def area_time(point: Point, found: Mapping[str, Any]) -> float:
    """LUTs times cycles."""
    return float(point["ice40"]["lut"] * point["cycles"])


def energy(point: Point, found: Mapping[str, Any]) -> float:
    """Activity energy, pJ: what toggles in a simulation, times the constant of each kind."""
    each = found["pj_per_toggle"]["values"]
    return float(sum(each[kind] * count for kind, count in point["toggles"].items() if kind in each))


COSTS: Mapping[str, Callable[[Point, Mapping[str, Any]], float]] = {
    "LUTs x cycles": area_time,
    "activity energy": energy,
}


def fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Slope, intercept and R^2 of the least-squares line."""
    slope, start = np.polyfit(x, y, 1)
    left = float(((np.array(y) - slope * np.array(x) - start) ** 2).sum())
    return float(slope), float(start), 1 - left / float(((np.array(y) - np.mean(y)) ** 2).sum())


def allocations(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Units of one weight width whose spike bits times steps are the same, 4 or 8."""
    for w in sorted({point["w"] for point in points}):
        for spent in SPENT:
            yield [point for point in points if point["w"] == w and point["s"] * point["T"] == spent]


def spread(points: Sequence[Point], cost: Callable[[Point], float]) -> float:
    """The largest ratio of two costs at equal budget."""
    return max(max(map(cost, some)) / min(map(cost, some)) for some in allocations(points))


def judge_hardware_is_linear(found: Mapping[str, Any]) -> Outcome:
    """For LUTs x cycles and for activity energy of an integration on iCE40, and for each of the three kinds of element:
    the least-squares line over the Bit Budget, through all points of 1 to 8 weight bits, has an R^2 of 0.95 or more;
    and at each weight width the allocations of 4 (1 x 4, 2 x 2, 4 x 1) and of 8 spike bits times steps differ by a
    factor of 1.25 at most. Confirmed where all keep both; not confirmed where one does not.
    """
    said, kept = [], []
    for kind, name in KINDS.items():
        points = [point for point in found["points"] if point["kind"] == kind]
        parts = []
        for what, cost in COSTS.items():
            r2 = fit([budget(p) for p in points], [cost(p, found) for p in points])[2]
            apart = spread(points, lambda point, cost=cost: cost(point, found))  # type: ignore[misc]
            kept.append(r2 >= STRAIGHT and apart <= ALIKE)
            parts.append(
                f"{what} {'linear' if kept[-1] else 'not linear'} (R^2 {r2:.3f}, allocations within {apart:.2f})"
            )
        said.append(f"{name}: {', '.join(parts)}")
    return Outcome("confirmed" if all(kept) else "not confirmed", "; ".join(said))


def budget(point: Point) -> int:
    """Its Bit Budget."""
    return int(point["w"] * point["s"] * point["T"])


def table(found: Mapping[str, Any]) -> list[str]:
    """The allocations of paper 000's Figure 2, at 8-bit weights."""
    heads = ("element", "w/s/T", "Bit Budget", "LUTs", "flip-flops", "cycles", *COSTS)
    rows = ["| " + " | ".join(heads) + " (pJ) |", "|---" * len(heads) + "|"]
    for kind, name in KINDS.items():
        for point in (p for p in found["points"] if p["kind"] == kind and p["w"] == 8 and p["s"] * p["T"] == 4):
            device = point["ice40"]
            cells = [name, f"{point['w']}/{point['s']}/{point['T']}", budget(point), device["lut"], device["ff"]]
            cells += [f"{point['cycles']:.2f}", f"{area_time(point, found):.0f}", f"{energy(point, found):.1f}"]
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    return rows


HARDWARE = Own(
    RESULTS,
    judge_hardware_is_linear,
    table,
    "One neuron of eight inputs, one input in four not 0 at each step, iCE40 by Yosys without DSP blocks; energy is"
    " activity of a simulation without glitches times constants, never measured power"
    " (`results/hardware/integration-unit.json`); drawn in `figures/000-hardware-budget.png`.",
)
