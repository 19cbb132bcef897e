"""``python -m claims.figures_001 [RUNS_DIR]``: paper 001's Figure 4 redrawn, bits by layer, of claim 001.1's runs.

With ``RUNS_DIR``, where `python -m claims` left its run folders, it first writes
``results/claims/learned-bits-001.json``, the plan of every run. Of what is there it draws
``docs/figures/001-bits-DATA.png`` (first seeds), and prints a table for docs/allocate.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
import typer

from bitspike.costs import cost
from bitspike.errors import UserError
from bitspike.files import read_json, write_json
from bitspike.recipes import recipe
from bitspike.reports.figures import bits
from bitspike.training import RunFolder, override
from bitspike.training.setup import graph_of, make_model
from claims.claim import SEEDS, Run
from claims.figures_004 import ROOT, save
from claims.paper_001 import DATA, TARGETS, learned
from claims.runner import folder_name

RESULTS = ROOT / "results" / "claims" / "learned-bits-001.json"
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


def picture(data: str, plans: Mapping[str, list[Layers]]) -> Any:
    """The bits that the first seed of each target learned, layer by layer."""
    reports = {}
    for target, learned_bits in plans.items():
        edits = Run(DATA[data], learned(target), SEEDS[0]).all_edits("small")
        config = override(recipe(DATA[data]), edits).model_copy(update={"layers": learned_bits[0]})
        with torch.device("meta"):  # shapes are enough
            reports[f"target {target}"] = cost(graph_of(config, make_model(config)))
    return bits(reports, f"{config.dataset}, {config.model}, the first seed of each target")


def read_plans(runs_dir: Path) -> dict[str, dict[str, list[Layers]]]:
    """What every run learned, by data set and target, a plan for each seed."""
    found: dict[str, dict[str, list[Layers]]] = {}
    for data, named in DATA.items():
        for target in TARGETS:
            folders = [runs_dir / folder_name(Run(named, learned(target), seed), "small") for seed in SEEDS]
            plans: list[Layers] = [RunFolder(folder).read_learned().layers for folder in folders]
            found.setdefault(data, {})[target] = plans
    return found


def main(
    runs_dir: Annotated[Path | None, typer.Argument(help="Run folders of `python -m claims`, to read anew.")] = None,
) -> None:
    """Draw the bits that the runs of claim 001.1 learned."""
    if runs_dir is not None:
        write_json(RESULTS, read_plans(runs_dir))
    for data, plans in read_json(RESULTS).items():
        save(f"001-bits-{data}", picture(data, plans))
        print(f"\n{data}, {len(SEEDS)} seeds\n", *table(plans), sep="\n")


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"figures_001: {wrong}")
