"""`bitspike.train`: a recipe, real data, and a run folder with accuracy and cost."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.api.own import network_of
from bitspike.api.run import Run
from bitspike.api.sources import path_of
from bitspike.errors import UserError
from bitspike.files import at_home, read_json
from bitspike.importing import is_import_path, users_code
from bitspike.places import checked_place, refuse_taken, run_folder

if TYPE_CHECKING:
    from bitspike.training import Observer, TrainConfig

__all__ = ["check_folder", "chosen", "config_of", "configured", "is_main_process", "run_name", "train"]


def train(
    recipe: str | TrainConfig,
    *edits: str,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
    resume: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Trains a network and measures what it costs; everything goes into the run folder ``runs_dir/name``.

    >>> run = bitspike.train("digits-convnet", "bits=2/2/1", "epochs=5")
    >>> run.result["test_accuracy"], run.result["size_bytes"]
    (97.7778, 22756.0)

    Args:
        recipe: a name of `bitspike.recipes.RECIPES`, or a config.
        edits: ``key=value``, as ``--set`` has them: ``"bits=1/4/1"``, ``"optimizer.lr=0.01"``.
        name: of the run folder; by default recipe, bits and seed.
        runs_dir: where run folders go.
        data_dir: where the data sets lie; ``None`` for ``$BITSPIKE_DATA``, else what `bitspike data list` says. The run
            remembers it.
        resume: go on from the folder's last checkpoint; a run that was killed ends as if it had never stopped.
        observer: is told of each step and epoch (`bitspike.training.Observer`).

    Raises:
        UserError: unknown recipe or key, a config that does not fit, a folder that holds a run already, missing or
            broken data, a full disk, a loss that is no number.
    """
    check_folder(name, runs_dir, resume)
    from bitspike import training

    config = configured(recipe, edits)
    own = is_import_path(config.model)
    folder = training.RunFolder(run_folder(runs_dir, run_name(config) if name is None else name))
    data = path_of(data_dir) or (folder.data_dir() if resume else None)
    with users_code() if own else nullcontext():
        model = network_of(config) if own else None
        training.train(config, folder, data, resume=resume, observer=observer, model=model)
    return Run(folder.path, folder.read_config(), data)


def check_folder(name: str | None, runs_dir: str | Path, resume: bool = False) -> None:
    """Refuses, before anything is loaded, a place that will not do or, where a new run is to start, holds one.

    Raises:
        UserError: see above.
    """
    if name is None:
        checked_place("--runs-dir", runs_dir)
    elif not resume:
        refuse_taken(run_folder(runs_dir, name))
    else:
        run_folder(runs_dir, name)


def configured(recipe: str | TrainConfig, edits: Iterable[str] = ()) -> TrainConfig:
    """The config of a recipe, edited.

    Raises:
        UserError: unknown recipe or key, or a value that does not fit it.
    """
    from bitspike import recipes, training

    return training.override(recipes.recipe(recipe) if isinstance(recipe, str) else recipe, edits)


def chosen(recipe: str | None, file: str | Path | None, edits: Iterable[str] = ()) -> TrainConfig:
    """The config of a recipe or of a file (`config_of`), edited.

    Raises:
        UserError: both or none, or see `configured`.
    """
    if (recipe is None) == (file is None):
        seen = None if recipe is None else recipe
        raise UserError("recipe", seen, "want the name of a recipe (--list prints them) or --config FILE, one of them")
    return configured(recipe if file is None else config_of(file), edits)  # type: ignore[arg-type]  # one is given


def config_of(file: str | Path) -> TrainConfig:
    """The config in a JSON file, as ``--show --json`` wrote it, or a run has it.

    Raises:
        UserError: it cannot be read, is no JSON, or no config; the line names the key.
    """
    from bitspike.training.migrate import migrate
    from bitspike.training.overrides import parse_config

    return parse_config(migrate(read_json(at_home(file))))


def run_name(config: TrainConfig) -> str:
    """The name of a run folder that was given none: recipe, bits and seed."""
    return f"{config.recipe}-{str(config.bits).replace('/', '-')}-seed{config.seed}"


def is_main_process() -> bool:
    """Whether this process is the one that speaks: of ``accelerate launch`` with several, the first alone."""
    from bitspike.errors import require

    main: bool = require("accelerate", "train").PartialState().is_main_process
    return main
