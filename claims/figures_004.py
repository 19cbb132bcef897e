"""``python -m claims.figures_004``: paper 004's Figures 2, 5, 6, 7 and 10 redrawn, into ``docs/figures/``.

Figures 2 and 5 from the neuron itself; 6 and 7 from ``results/claims/`` (`python -m claims`), where all their runs are
there; 10 from ``results/cost/``, one run of each network.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from bitspike.costs import Join
from bitspike.errors import require
from bitspike.files import read_json, write_atomically
from bitspike.neurons import MultiLevelIFNode
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import MicroStepSigmoid
from bitspike.reports.figures import joins_figure
from claims.claim import scores_of
from claims.paper_004 import CLAIMS, LEVELS, STEPS
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


def slope(alpha: float = 5.0) -> Any:
    """Figure 5: the derivative that stands for the step's, and beside it that of four levels in one step."""
    v = torch.linspace(-0.5, 5.5, 1201, dtype=torch.float64)
    made = figure(5, 3.6)
    axes = made.subplots()
    for levels, style in ((1, "-"), (4, ":")):
        drawn = MicroStepSigmoid(alpha).backward(torch.ones_like(v), v, Staircase(1.0, hi=levels))
        axes.plot(v, drawn, style, label=f"N = {levels}")
    axes.axvline(1.0, color="0.6", linewidth=0.8, linestyle="--", label="v_threshold")
    axes.set(title=f"alpha = {alpha:g}", xlabel="membrane potential v", ylabel="d z / d v in backward")
    axes.set_ylim(top=1.55)
    axes.legend(frameon=False, loc="upper center", ncols=3)
    return made


def levels_and_steps(results: Mapping[str, Mapping[str, Any]], data: str) -> Any:
    """Figures 6 and 7: the same number of intervals as levels of one step, or as steps of one level.

    Numbers whose runs are not there are left out. Lines join the means; every seed is a point, for one that fails moves
    a mean and its deviation alike.
    """
    claim = next(claim for claim in CLAIMS if claim.name == f"004.6-{data}")
    made = figure(12, 4.2)
    dataset = results[claim.runs[0].key]["dataset"]
    made.suptitle(f"{dataset}, {claim.settings[0][0]}: three seeds (points) and their mean (lines)")
    for axes, (metric, label) in zip(made.subplots(1, 3), METRICS.items(), strict=True):
        scores = scores_of(claim, results, metric)
        families = {"T = 1, N levels": LEVELS, "T steps, N = 1": STEPS}
        for (name, settings), (marker, beside) in zip(families.items(), (("o", -0.08), ("s", 0.08)), strict=True):
            found = {at: scores[" ".join(edits)] for at, edits in settings.items() if " ".join(edits) in scores}
            values = list(found.values())
            (line,) = axes.plot(list(found), [mean(v) for v in values], linewidth=1, label=name)
            places = [at + beside for at, v in found.items() for _ in v]
            seeds = [score for v in values for score in v]
            axes.plot(places, seeds, marker, color=line.get_color(), markersize=4, alpha=0.7, label=f"{name}: seeds")
        axes.set(xlabel="N or T", ylabel=label, xticks=list(found))
    handles, labels = made.axes[0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return made


def avalanche(networks: Collection[Mapping[str, Any]]) -> Any:
    """Figure 10, of costs as `bitspike cost RUN --json` has them, all on the same images."""
    joins = {raw["model"]: [Join(**join) for join in raw["paths"]["joins"]] for raw in networks}
    (data,) = {raw["activity"] for raw in networks}
    return joins_figure(joins, data)


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
    save("004-surrogate", slope())
    small = read_results(ROOT / "results" / "claims", "small")
    for data in complete(small):
        save(f"004-levels-and-steps-{data}", levels_and_steps(small, data))
    for data in ("fashion", "cifar10"):
        costs = [ROOT / "results" / "cost" / f"{name}-resnet18-thin-{data}-n4-seed0.json" for name in ("sew", "sparse")]
        save(f"004-avalanche-{data}", avalanche([read_json(file) for file in costs]))
