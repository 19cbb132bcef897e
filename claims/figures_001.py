"""``python -m claims.figures_001 RUNS_DIR``: paper 001's Figure 4 redrawn, bits by layer, from the runs of claim 001.1.

``RUNS_DIR`` is where `python -m claims` left its run folders. Writes ``results/claims/learned-bits-001.json`` (the plan
of every run), ``docs/figures/001-bits-DATA.png`` (first seeds), and prints a table for docs/allocate.md.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from bitspike import load_run
from bitspike.errors import UserError
from bitspike.files import write_atomically, write_json
from bitspike.reports.figures import figure
from bitspike.training import RunFolder
from claims.claim import SEEDS, Run
from claims.paper_001 import CIFAR, FASHION, TARGETS, learned
from claims.runner import folder_name

ROOT = Path(__file__).parent.parent
Layers = Mapping[str, Mapping[str, int]]


def table(plans: Mapping[str, list[Layers]]) -> Iterator[str]:
    """A row for each layer with weights: ``w/s/T`` for each target, means over the seeds."""
    yield "| layer | " + " | ".join(f"target {target}" for target in plans) + " |"
    yield "|---" * (1 + len(plans)) + "|"
    first = next(iter(plans.values()))[0]
    weights = [name for name, widths in first.items() if "w" in widths]
    neurons = [name for name, widths in first.items() if "s" in widths]
    for name, neuron in zip(weights, neurons, strict=True):
        cells = [
            "/".join(f"{mean(p[of][key] for p in some):.1f}" for of, key in ((name, "w"), (neuron, "s"), (neuron, "t")))
            for some in plans.values()
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def main(
    runs_dir: Annotated[Path, typer.Argument(help="Run folders of `python -m claims`.")] = ROOT / "runs" / "claims",
) -> None:
    """Draw the bits that the runs of claim 001.1 learned."""
    found: dict[str, dict[str, list[Layers]]] = {}
    for data, recipe in (("fashion", FASHION), ("cifar10", CIFAR)):
        reports: dict[str, Any] = {}
        for target in TARGETS:
            folders = [runs_dir / folder_name(Run(recipe, learned(target), seed), "small") for seed in SEEDS]
            plans: list[Layers] = [RunFolder(folder).read_learned().layers for folder in folders]
            found.setdefault(data, {})[target] = plans
            reports[f"target {target}"] = load_run(folders[0]).cost()
        content = io.BytesIO()
        figure("bits", reports).savefig(content, format="png", dpi=150)
        write_atomically(ROOT / "docs" / "figures" / f"001-bits-{data}.png", content.getvalue())
        print(f"\n{data}, {len(SEEDS)} seeds\n", *table(found[data]), sep="\n")
    write_json(ROOT / "results" / "claims" / "learned-bits-001.json", found)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"figures_001: {wrong}")
