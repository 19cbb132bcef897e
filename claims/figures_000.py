"""``python -m claims.figures_000``: paper 000's runs, accuracy against cost, and its unit of hardware against bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean, stdev
from typing import Any

from bitspike.files import read_json
from claims.claim import SEEDS, Run
from claims.figures_004 import ROOT, figure, save
from claims.hardware_000 import KINDS, RESULTS, area_time, budget, energy, fit
from claims.paper_000 import BUDGET_4, WEIGHT_BITS
from claims.runner import read_results

ALLOCATIONS = tuple(dict.fromkeys((*BUDGET_4, *WEIGHT_BITS)))
LOOKS = {1: ("o", "C0"), 2: ("s", "C1"), 4: ("^", "C2")}
"""Marker and colour, by time steps."""
LEFT = ("1/4/1", "1/2/2", "1/1/4")
"""Those whose label is left of the point, because the next point is at its right."""


def against_cost(results: Mapping[str, Mapping[str, Any]]) -> Any:
    """Test accuracy over bit operations, a point for each allocation, mean and spread of the seeds."""
    made = figure(8, 4.5)
    axes = made.subplots()
    named: set[int] = set()
    for bits in ALLOCATIONS:
        found = [results[Run("fashion-convnet", (f"bits={bits}",), seed).key] for seed in SEEDS]
        accuracy, cost = [run["test_accuracy"] for run in found], mean(run["s_ace"] for run in found) / 1e6
        steps = int(bits.rpartition("/")[2])
        marker, colour = LOOKS[steps]
        label = None if steps in named else f"T = {steps}"
        named.add(steps)
        axes.errorbar(cost, mean(accuracy), stdev(accuracy), fmt=marker, color=colour, capsize=3, label=label)
        beside: dict[str, Any] = {"xytext": (-9, -4), "ha": "right"} if bits in LEFT else {"xytext": (9, -4)}
        axes.annotate(bits, (cost, mean(accuracy)), textcoords="offset points", fontsize=9, **beside)
    axes.set_xscale("log")
    ticks = (10, 20, 50, 100, 200)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(9, 260)
    axes.set(xlabel="S-ACE: bit operations of an image (millions)", ylabel="test accuracy (%)")
    axes.set_title("Fashion-MNIST, w/s/T: weight bits, spike bits, time steps T", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    return made


def against_budget(found: Mapping[str, Any]) -> Any:
    """What an integration takes over its Bit Budget, a point for each unit; for two costs the lines that are judged."""
    made = figure(11, 8)
    made.suptitle(
        "Integration unit of 8 inputs, 1 to 8 weight bits, iCE40; energy is simulated activity times constants",
        fontsize=11,
    )
    panels: dict[str, Callable[[Mapping[str, Any]], float]] = {
        "LUTs": lambda point: point["ice40"]["lut"],
        "cycles": lambda point: point["cycles"],
        "LUTs x cycles": lambda point: area_time(point, found),
        "activity energy (pJ)": lambda point: energy(point, found),
    }
    for axes, (label, cost) in zip(made.subplots(2, 2).flat, panels.items(), strict=True):
        for colour, (kind, name) in enumerate(KINDS.items()):
            points = [point for point in found["points"] if point["kind"] == kind]
            x, y = [budget(point) for point in points], [cost(point) for point in points]
            shown = name
            if label not in ("LUTs", "cycles"):
                slope, start, r2 = fit(x, y)
                axes.plot([0, max(x)], [start, start + slope * max(x)], color=f"C{colour}", linewidth=1)
                shown = f"{name}, R² = {r2:.3f}"
            axes.scatter(x, y, s=14, marker="os^"[colour], color=f"C{colour}", alpha=0.7, label=shown)
        axes.set(xlabel="Bit Budget w * s * T (bits)", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return made


if __name__ == "__main__":
    save("000-accuracy-against-cost", against_cost(read_results(ROOT / "results" / "claims", "small")))
    save("000-hardware-budget", against_budget(read_json(RESULTS)))
