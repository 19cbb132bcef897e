"""``python -m claims.figures_004``: paper 004's Figures 2, 6 and 7 redrawn, into ``docs/figures/``.

Figure 2 from the neuron itself; 6 and 7 from ``results/claims/`` (`python -m claims`), where all their runs are there.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from bitspike.errors import require
from bitspike.files import write_atomically
from bitspike.neurons import MultiLevelIFNode
from claims.claim import scores_of
from claims.paper_004 import CLAIMS, INTERVALS, LEVELS, STEPS
from claims.runner import read_results

ROOT = Path(__file__).parent.parent
METRICS = {"test_accuracy": "test accuracy (%)", "spikes": "spikes per image", "energy_nj": "energy (nJ per image)"}


def figure(width: float, height: float) -> Any:
    return require("matplotlib.figure", "viz").Figure(figsize=(width, height), layout="constrained")


def staircase(T: int = 2, N: int = 4) -> Any:
    """Figure 2: what a constant current is decoded to (Eq. 7), ``N*T + 1`` levels."""
    x = torch.linspace(-0.25, 1.5, 1401)
    decoded = MultiLevelIFNode(T, N)(x[None]).mean(0)
    made = figure(5, 4)
    axes = made.subplots()
    axes.plot(x, decoded, drawstyle="steps-post")
    axes.plot(x, x.clamp(0, 1), color="0.6", linewidth=0.8, linestyle="--")
    axes.set_yticks([level / (N * T) for level in range(N * T + 1)])
    title = f"T = {T}, N = {N}: {len(decoded.unique())} levels"
    axes.set(title=title, xlabel="constant current x, of v_threshold", ylabel="decoded, mean of z/N over time")
    return made


def levels_and_steps(results: Mapping[str, Mapping[str, Any]], data: str) -> Any:
    """Figures 6 and 7: the same number of intervals as levels of one step, or as steps of one level."""
    claim = next(claim for claim in CLAIMS if claim.name == f"004.1-{data}")
    made = figure(12, 3.8)
    made.suptitle(f"{claim.settings[0][0]}, mean and spread of three seeds")
    for axes, (metric, label) in zip(made.subplots(1, 3), METRICS.items(), strict=True):
        scores = scores_of(claim, results, metric)
        families = {"T = 1, N levels": LEVELS, "T steps, N = 1": {1: LEVELS[1], **{T: STEPS[T] for T in INTERVALS[1:]}}}
        for name, settings in families.items():
            values = [scores[" ".join(edits)] for edits in settings.values()]
            axes.errorbar(
                list(settings), [mean(v) for v in values], [stdev(v) for v in values], marker="o", capsize=3, label=name
            )
        axes.set(xlabel="N or T", ylabel=label, xticks=INTERVALS)
    made.axes[0].legend(fontsize=8, frameon=False)
    return made


def save(name: str, made: Any) -> None:
    content = io.BytesIO()
    made.savefig(content, format="png", dpi=130)
    path = ROOT / "docs" / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())
    print(path.relative_to(ROOT))


def complete(results: Mapping[str, Any]) -> Iterable[str]:
    """The data sets whose runs are all there."""
    for claim in CLAIMS:
        if claim.name.startswith("004.1-") and all(run.key in results for run in claim.runs):
            yield claim.name.removeprefix("004.1-")


if __name__ == "__main__":
    save("004-staircase", staircase())
    small = read_results(ROOT / "results" / "claims", "small")
    for data in complete(small):
        save(f"004-levels-and-steps-{data}", levels_and_steps(small, data))
