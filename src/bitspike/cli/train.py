"""`bitspike train`: a recipe, real data, accuracy and cost side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bitspike
from bitspike.cli.options import DataDir, Json, Resume, RunsDir, print_json
from bitspike.cli.tables import print_tables
from bitspike.cli.verb import print_list

__all__ = ["train"]


def _print_recipes(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.recipes import RECIPES

        print_list(ctx, "recipe", {name: make.__doc__ for name, make in RECIPES.items()})


def train(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe; --list prints them.")],
    edits: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Edit the recipe: bits=1/4/1, epochs=5, optimizer.lr=0.01."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run folder. Default: recipe, bits and seed.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    resume: Resume = False,
    show: Annotated[
        bool, typer.Option("--list", callback=_print_recipes, is_eager=True, help="Print the recipes and exit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network, then print its test accuracy and its cost.

    The run folder receives config, metrics, checkpoint, activity, cost and result. A run that was killed goes on with
    the same command and --resume, and ends as if it had never stopped.

    Example: bitspike train fashion-convnet --set bits=2/2/1 --data-dir ~/data
    """
    from bitspike import reports
    from bitspike.api.train import check_folder, configured, is_main_process, run_name
    from bitspike.cli.progress import ProgressBar

    check_folder(name, runs_dir, resume)
    config = configured(recipe, edits or [])
    title = run_name(config) if name is None else name
    with ProgressBar(title) as bar:
        run = bitspike.train(config, name=title, runs_dir=runs_dir, data_dir=data_dir, resume=resume, observer=bar)
    if not is_main_process():
        return
    if as_json:
        print_json({**run.result, "folder": str(run.folder)})
        return
    print_tables(reports.results_table([run.result], title))
    typer.echo(f"run folder: {run.folder}")
