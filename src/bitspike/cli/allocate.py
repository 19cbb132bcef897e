"""`bitspike allocate`: a budget in bytes, operations, energy or of a device, and a trained network that keeps it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

import bitspike
from bitspike.cli import allocate_options as options
from bitspike.cli.fitted import print_fitted
from bitspike.cli.options import CCompiler, DataDir, Jobs, Json, Ray, RunsDir, amount, given, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

__all__ = ["allocate"]


def allocate(
    recipe: options.Recipe,
    max_size: options.MaxSize = None,
    max_s_ace: options.MaxSAce = None,
    max_bit_budget: options.MaxBitBudget = None,
    max_energy: options.MaxEnergy = None,
    max_flash: options.MaxFlash = None,
    max_ram: options.MaxRam = None,
    max_instructions: options.MaxInstructions = None,
    cc: CCompiler = None,
    edits: options.Edits = None,
    fine_tune_epochs: options.FineTuneEpochs = None,
    trials: options.Trials = 1,
    ahead: options.Ahead = None,
    jobs: Jobs = None,
    ray: Ray = None,
    name: options.Name = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a network that learns its bits within a budget, and deliver one that keeps the budget exactly.

    The same command goes on where it was stopped. With --trials, a Pareto table and a picture (pareto.png). With a
    device's limits, of any recipe whose bits are not learned: the largest that fit are trained, the best is delivered.

    Examples: bitspike allocate adaptive-resnet8-thin-fashion --max-size 20k --max-s-ace 30M;
    bitspike allocate digits-convnet --max-flash 20k --max-ram 4k
    """
    from bitspike import reports
    from bitspike.api.allocate import budget_of, folder_of, sweep
    from bitspike.cli.progress import ProgressBar

    limits = given(max_size=max_size, max_s_ace=max_s_ace, max_bit_budget=max_bit_budget, max_energy=max_energy)
    budget: dict[str, Any] = {key: amount(f"--{key.replace('_', '-')}", text) for key, text in limits.items()}
    where: dict[str, Any] = {"name": name, "runs_dir": runs_dir, "data_dir": data_dir}
    device = given(flash=max_flash, ram=max_ram, instructions=max_instructions)
    many = given(jobs=jobs, ray=ray, ahead=ahead)
    if device or cc is not None:
        many |= {"fine_tune_epochs": fine_tune_epochs}
        print_fitted(recipe, edits, device, budget, cc, trials, many, where, as_json)
        return
    how, path = {**where, "fine_tune_epochs": fine_tune_epochs}, folder_of(recipe, name, runs_dir)
    if trials == 1:
        for option, value in many.items():
            raise UserError(f"--{option}", value, "one network is one process; give --trials too")
        with ProgressBar(path.name) as bar:
            found = bitspike.allocate(recipe, *(edits or []), **budget, **how, observer=bar, say=bar.say)
        if as_json:
            print_json(found.record)
            return
        spent = reports.budget_table(found.budget, found.costs)
        print_tables(reports.results_table([found.run.result], path.name), spent)
        typer.echo(f"run folder: {found.run.folder}")
        return
    rows = [asdict(one) for one in sweep(recipe, edits or [], budget_of(**budget), trials=trials, **many, **how)]
    reports.save_pareto(rows, path / "pareto.png")
    print_json(rows) if as_json else print_tables(reports.pareto_table(rows))
    typer.echo(f"sweep: {path}") if not as_json else None
