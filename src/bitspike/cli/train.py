"""`bitspike train`: a recipe, real data, accuracy and cost side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bitspike
from bitspike.cli import train_options as options
from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Jobs, Json, Ray, Resume, RunsDir, given, print_json
from bitspike.cli.verb import print_list

__all__ = ["train"]


def _print_recipes(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.recipes import about

        print_list(ctx, "recipe", about())


def train(
    recipe: options.Recipe = None,
    edits: options.Edits = None,
    config: options.Config = None,
    dataset: options.Dataset = None,
    init: options.Init = None,
    seeds: options.Seeds = None,
    jobs: Jobs = None,
    ray: Ray = None,
    show: options.Show = False,
    name: options.Name = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    resume: Resume = False,
    listed: Annotated[
        bool, typer.Option("--list", callback=_print_recipes, is_eager=True, help="Print the recipes and exit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network, then print its test accuracy and its cost.

    The run folder receives config, metrics, checkpoint, activity, cost and result. A run that was killed goes on with
    the same command and --resume, and ends as if it had never stopped; one that has ended is given more epochs by a
    larger epochs= and --resume. docs/keys.md says what each key means. A value package.module:name (a network, data, a
    neuron, quantizer, surrogate or method of your own) runs your code, here and wherever the run is used.

    Examples: bitspike train fashion-convnet --set bits=2/2/1 --data-dir ~/data;
    bitspike train digits-convnet --dataset folder:pictures@32; bitspike train package.module:function --dataset cifar10
    """
    from bitspike.api.train import check_folder, chosen, run_name
    from bitspike.cli.trained import print_run, print_seeds
    from bitspike.cli.words import seeds_of

    if not show and seeds is None:
        check_folder(name, runs_dir, resume)  # before torch is loaded
    started = [] if init is None else [f"init={options.run_of(init)}"]
    made = chosen(recipe, config, [*(edits or []), *started], dataset)
    if show:
        from bitspike.training import edits_of

        print_json(made.model_dump(mode="json")) if as_json else typer.echo("\n".join(edits_of(made)))
        return
    if seeds is not None:
        print_seeds(made, seeds_of(seeds), name, runs_dir, data_dir, resume, given(jobs=jobs, ray=ray), as_json)
        return
    options.check_one(jobs=jobs, ray=ray)
    from bitspike.cli.progress import ProgressBar

    title = run_name(made) if name is None else name
    with notices(), ProgressBar(title) as bar:
        run = bitspike.train(made, name=title, runs_dir=runs_dir, data_dir=data_dir, resume=resume, observer=bar)
    print_run(run, title, as_json)
