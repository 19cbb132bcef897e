"""`bitspike allocate`: a budget in bytes, bit operations or energy, and a trained network that keeps it."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.options import DataDir, Json, RunsDir, print_json
from bitspike.errors import UserError

__all__ = ["allocate"]

UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def _amount(option: str, text: str | None) -> float | None:
    """``40k`` is 40,000."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)([kMG]?)", text, flags=re.ASCII)
    if not found or float(found[1]) == 0:
        raise UserError(option, text, "want a number above 0, for example 40000, 40k or 1.5M")
    return float(found[1]) * UNITS[found[2]]


def allocate(
    recipe: Annotated[str, typer.Argument(help="An adaptive recipe; `bitspike train --list` prints the recipes.")],
    max_size: Annotated[str | None, typer.Option("--max-size", help="Bytes of weights and constants, as 40k.")] = None,
    max_s_ace: Annotated[str | None, typer.Option("--max-s-ace", help="Bit operations of an image, as 5M.")] = None,
    max_bit_budget: Annotated[
        str | None, typer.Option("--max-bit-budget", help="Mean Bit Budget of a multiply-accumulate.")
    ] = None,
    max_energy: Annotated[
        str | None, typer.Option("--max-energy", help="nJ of an image: Lemaire's model, measured spikes.")
    ] = None,
    edits: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Edit the recipe, as in `bitspike train`.")
    ] = None,
    fine_tune_epochs: Annotated[
        int | None, typer.Option("--fine-tune-epochs", min=1, help="With fixed bits. Default: half the recipe's.")
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Above 1: so many networks with budgets up to those given.")
    ] = 1,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=256, help="Processes that share the trials.")] = 1,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run folder. Default: recipe-allocated.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a network that learns its bits within a budget, and deliver one that keeps the budget exactly.

    The same command goes on where it was stopped. With --trials, a Pareto table and a picture (pareto.png).

    Example: bitspike allocate adaptive-resnet8-thin-fashion --max-size 20k --max-s-ace 30M
    """
    from rich.console import Console

    from bitspike import allocation, recipes, reports, training
    from bitspike.cli.progress import ProgressBar

    limits = {"max_size": max_size, "max_s_ace": max_s_ace, "max_bit_budget": max_bit_budget, "max_energy": max_energy}
    given = {limit: _amount(f"--{limit.replace('_', '-')}", text) for limit, text in limits.items()}
    budget = training.BudgetConfig(**given)
    config = training.override(recipes.recipe(recipe), edits or [])
    path = runs_dir / (name or f"{recipe}-allocated")
    if trials == 1:
        if jobs > 1:
            raise UserError("--jobs", jobs, "one network is one process; give --trials too")
        with ProgressBar(path.name) as bar:
            found = allocation.allocate(config, budget, path, data_dir, fine_tune_epochs=fine_tune_epochs, observer=bar)
        if as_json:
            print_json(found)
            return
        Console().print(reports.results_table([found["result"]], path.name))
        Console().print(reports.budget_table(budget.limits(), found["costs"]))
        typer.echo(f"run folder: {found['folder']}")
        return
    points = allocation.sweep(
        config, budget, path, data_dir, trials=trials, jobs=jobs, fine_tune_epochs=fine_tune_epochs
    )
    rows = [asdict(point) for point in points]
    reports.save_pareto(rows, path / "pareto.png")
    if as_json:
        print_json(rows)
        return
    Console().print(reports.pareto_table(rows))
    typer.echo(f"sweep: {path}")
