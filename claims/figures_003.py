"""``python -m claims.figures_003``: paper 003's Figure 6 redrawn from ``results/claims/``, into ``docs/figures/``."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from claims.claim import Run
from claims.figures_004 import ROOT, figure, save
from claims.paper_003 import BASELINES, CLAIMS, DATA, LEVELS, VARIANTS
from claims.runner import read_results

STEPS = 24


def curves(results: Mapping[str, Mapping[str, Any]], data: str) -> Any:
    """Accuracy by step, mean of the seeds: left with PET and RCR, right by levels (Figs. 6a and 6b)."""
    made = figure(11, 4)
    made.suptitle(f"{DATA[data]}, mean of three seeds")
    left = {f"SpikeZIP-{name}": edits for name, edits in VARIANTS.items()} | BASELINES
    right = {f"n = {n}": edits for n, edits in LEVELS.items()}
    for axes, settings in zip(made.subplots(1, 2, sharey=True), (left, right), strict=True):
        for label, edits in settings.items():
            found = [results[run.key]["accuracy"] for run in converted(data) if run.edits == edits]
            mean_at = [mean(curve[min(t, len(curve) - 1)] for curve in found) for t in range(STEPS)]
            axes.plot(range(1, STEPS + 1), mean_at, marker=".", label=label)
        axes.set(xlabel="step T at which it is read")
        axes.legend(fontsize=8, frameon=False)
    made.axes[0].set_ylabel("test accuracy (%)")
    return made


def converted(data: str) -> dict[Run, None]:
    """The conversions that the claims are judged by, each once."""
    return dict.fromkeys(run for claim in CLAIMS for run in claim.runs if run.recipe == DATA[data])


if __name__ == "__main__":
    small = read_results(ROOT / "results" / "claims", "small")
    for data in DATA:
        if all(run.key in small for run in converted(data)):
            save(f"003-accuracy-by-step-{data}", curves(small, data))
