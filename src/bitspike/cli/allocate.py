"""`bitspike allocate`: a budget in bytes, bit operations or energy, and a trained network that keeps it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

import bitspike
from bitspike.cli import allocate_options as options
from bitspike.cli.options import DataDir, Json, RunsDir, amount, given, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

__all__ = ["allocate"]


def allocate(
    recipe: options.Recipe,
    max_size: options.MaxSize = None,
    max_s_ace: options.MaxSAce = None,
    max_bit_budget: options.MaxBitBudget = None,
    max_energy: options.MaxEnergy = None,
    edits: options.Edits = None,
    fine_tune_epochs: options.FineTuneEpochs = None,
    trials: options.Trials = 1,
    jobs: options.Jobs = 1,
    name: options.Name = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a network that learns its bits within a budget, and deliver one that keeps the budget exactly.

    The same command goes on where it was stopped. With --trials, a Pareto table and a picture (pareto.png).

    Example: bitspike allocate adaptive-resnet8-thin-fashion --max-size 20k --max-s-ace 30M
    """
    from bitspike import reports
    from bitspike.api.allocate import budget_of, folder_of, sweep
    from bitspike.cli.progress import ProgressBar

    limits = {"max_size": max_size, "max_s_ace": max_s_ace, "max_bit_budget": max_bit_budget, "max_energy": max_energy}
    budget: dict[str, Any] = {key: amount(f"--{key.replace('_', '-')}", text) for key, text in given(**limits).items()}
    how: dict[str, Any] = {
        "name": name,
        "runs_dir": runs_dir,
        "data_dir": data_dir,
        "fine_tune_epochs": fine_tune_epochs,
    }
    path = folder_of(recipe, name, runs_dir)
    if trials == 1:
        if jobs > 1:
            raise UserError("--jobs", jobs, "one network is one process; give --trials too")
        with ProgressBar(path.name) as bar:
            found = bitspike.allocate(recipe, *(edits or []), **budget, **how, observer=bar)
        if as_json:
            print_json(found.record)
            return
        print_tables(reports.results_table([found.run.result], path.name))
        print_tables(reports.budget_table(found.budget, found.costs))
        typer.echo(f"run folder: {found.run.folder}")
        return
    points = sweep(recipe, edits or [], budget_of(**budget), trials=trials, jobs=jobs, **how)
    rows = [asdict(point) for point in points]
    reports.save_pareto(rows, path / "pareto.png")
    if as_json:
        print_json(rows)
        return
    print_tables(reports.pareto_table(rows))
    typer.echo(f"sweep: {path}")
