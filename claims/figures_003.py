"""``python -m claims.figures_003``: paper 003's Figures 1, 5 and 6 redrawn from ``results/`` into ``docs/figures/``."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from bitspike.files import read_json
from bitspike.reports import conversion_figure
from claims.claim import Run
from claims.figures_004 import ROOT, figure, save
from claims.paper_003 import BASELINES, CLAIMS, DATA, LEVELS, VARIANTS
from claims.runner import read_results

STEPS = 24
ABOUT = {
    "N": "SpikeZIP-N: neither PET nor RCR",
    "R": "SpikeZIP-R: re-routed residuals (RCR)",
    "P": "SpikeZIP-P: paths-ensemble training (PET)",
    "PR": "SpikeZIP-PR: both",
}
"""What the paper's names of the variants stand for."""
COLOURS = ("C0", "C1", "C2", "C3", "C4", "black")
WIDEST = 5


def curves(results: Mapping[str, Mapping[str, Any]], data: str) -> Any:
    """Accuracy by step, mean of the seeds: left with PET and RCR, right by levels (Figs. 6a and 6b).

    Each line is thinner than the one below it, so that two that are equal are both seen.
    """
    made = figure(11, 5)
    dataset = next(results[run.key]["dataset"] for run in converted(data))
    made.suptitle(f"{dataset}, {DATA[data]}, mean of three seeds")
    left: dict[str, tuple[str, ...]] = {ABOUT[name]: edits for name, edits in VARIANTS.items()}
    left |= {f"{name}, another way of converting": edits for name, edits in BASELINES.items()}
    right: dict[str, tuple[str, ...]] = {f"n = {n}": edits for n, edits in LEVELS.items()}
    titles = ("n = 8: variants, and other ways of converting", "SpikeZIP-PR by n, the highest level that a spike has")
    for axes, settings, title in zip(made.subplots(1, 2, sharey=True), (left, right), titles, strict=True):
        for index, (label, edits) in enumerate(settings.items()):
            found = [results[run.key]["accuracy"] for run in converted(data) if run.edits == edits]
            mean_at = [mean(curve[min(t, len(curve) - 1)] for curve in found) for t in range(STEPS)]
            width = WIDEST * (1 - index / len(settings))
            axes.plot(range(1, STEPS + 1), mean_at, color=COLOURS[index], linewidth=width, label=label)
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="step T at which it is read", ylabel="test accuracy (%)")
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    return made


def converted(data: str) -> dict[Run, None]:
    """The conversions that the claims are judged by, each once."""
    return dict.fromkeys(run for claim in CLAIMS for run in claim.runs if run.recipe == DATA[data])


if __name__ == "__main__":
    small = read_results(ROOT / "results" / "claims", "small")
    for data in DATA:
        if all(run.key in small for run in converted(data)):
            save(f"003-accuracy-by-step-{data}", curves(small, data))
        if (file := ROOT / "results" / "conversion" / f"{DATA[data]}-seed0.json").exists():
            save(f"003-feature-maps-{data}", conversion_figure(read_json(file)))
