"""``python -m claims.figures_hardware``: one network at several bits, accuracy against what its hardware takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from claims.figures_004 import ROOT, figure, save

RESULTS = ROOT / "results" / "hardware" / "placed.jsonl"
DEVICE = "hx8k"
"""Without DSP blocks: every gate is in its LUTs."""


TICKS = (20, 30, 50, 100, 150)


def best(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of which none is cheaper and as accurate, the cheap ones first."""
    return [
        (cost, gain)
        for cost, gain in sorted(points)
        if not any(other <= cost and more >= gain and (other, more) != (cost, gain) for other, more in points)
    ]


def against_hardware(found: Sequence[dict[str, Any]]) -> Any:
    """Test accuracy over LUTs x cycles, a point for each allocation, and the line through the best."""
    made = figure(6.5, 4.5)
    axes = made.subplots()
    points = [(line["luts"] * line["cycles"] / 1e6, line["accuracy"]) for line in found]
    for line, (cost, accuracy) in zip(found, points, strict=True):
        axes.scatter(cost, accuracy, color="C0")
        axes.annotate(line["about"], (cost, accuracy), textcoords="offset points", xytext=(7, -4), fontsize=9)
    axes.step(*zip(*best(points), strict=True), where="post", color="C1", linewidth=1, label="none is better in both")
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.minorticks_off()
    axes.margins(x=0.15)
    axes.set(xlabel="LUTs x cycles of an image (millions), iCE40 HX8K", ylabel="test accuracy (%), digits")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", frameon=False)
    return made


if __name__ == "__main__":
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    swept = [line for line in lines if line["network"].startswith("digits-") and line["asked"] == DEVICE]
    save("hardware-bits", against_hardware(swept))
