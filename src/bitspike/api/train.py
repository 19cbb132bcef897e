"""`bitspike.train`: a recipe, real data, and a run folder with accuracy and cost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.own import network_of, warn_of_no_integers
from bitspike.api.run import Run
from bitspike.api.sources import path_of
from bitspike.errors import UserError
from bitspike.files import at_home, is_there, read_json
from bitspike.importing import is_import_path, users_code
from bitspike.places import checked_place, refuse_taken, run_folder
from bitspike.recipes import check_named

if TYPE_CHECKING:
    from bitspike.datasets import Dataset
    from bitspike.training import Observer, TrainConfig

__all__ = [
    "check_folder",
    "chosen",
    "config_of",
    "configured",
    "is_main_process",
    "on_data",
    "restarted",
    "run_name",
    "train",
]


def train(
    recipe: str | TrainConfig,
    *edits: str,
    dataset: Any = None,
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
        recipe: a name of `bitspike.recipes.RECIPES`, or a config; or ``package.module:function``, a network of your
            own, whose code is run, here and wherever the run is used.
        edits: ``key=value``, as ``--set`` has them: ``"bits=1/4/1"``, ``"optimizer.lr=0.01"``.
        dataset: what to train on in place of the recipe's: a name, as ``folder:PATH@64`` (docs/own.md); arrays
            ``(images, labels)``, a ``torch.utils.data.Dataset``, or a mapping of ``train``, ``test`` and, if you like,
            ``validation`` to these. An object is read once, and given again to `load_run`.
        name: of the run folder; by default recipe, bits and seed.
        runs_dir: where run folders go.
        data_dir: where the data sets lie; ``None`` for ``$BITSPIKE_DATA``, else what `bitspike data list` says. The run
            remembers it.
        resume: go on from the folder's last checkpoint; a run that was killed ends as if it had never stopped. Where
            torchrun has started its processes anew, a run that had begun goes on in any case.
        observer: is told of each step and epoch (`bitspike.training.Observer`).

    Raises:
        UserError: unknown recipe or key, a config that does not fit, a folder that holds a run already, missing or
            broken data, a full disk, a loss that is no number.
    """
    check_folder(name, runs_dir, resume)
    from bitspike import training

    config, data_set = on_data(recipe, dataset, edits)
    own = is_import_path(config.model)
    folder = training.RunFolder(run_folder(runs_dir, run_name(config) if name is None else name))
    resume = resume or (restarted() and is_there(folder.config_file))
    data = path_of(data_dir) or (folder.data_dir() if resume else None)
    with users_code() if own else nullcontext():
        model = network_of(config) if own else None
        if model is not None and is_main_process():
            warn_of_no_integers(model, config)
        training.train(config, folder, data, resume=resume, observer=observer, model=model, dataset=data_set)
    return Run(folder.path, folder.read_config(), data, data_set)


def check_folder(name: str | None, runs_dir: str | Path, resume: bool = False) -> None:
    """Refuses, before anything is loaded, a place that will not do or, where a new run is to start, holds one.

    Raises:
        UserError: see above.
    """
    if name is None:
        checked_place("--runs-dir", runs_dir)
    elif not (resume or restarted()):
        refuse_taken(run_folder(runs_dir, name))
    else:
        run_folder(runs_dir, name)


def on_data(recipe: str | TrainConfig, dataset: Any, edits: Iterable[str] = ()) -> tuple[TrainConfig, Dataset | None]:
    """The config of a recipe, or of a network of one's own, for that data set, edited; and the data set, of an object.

    Raises:
        UserError: no data set for a network of one's own, one that cannot be used, or see `configured`.
    """
    own = isinstance(recipe, str) and is_import_path(recipe)
    if isinstance(recipe, str) and not own:
        check_named(recipe)  # before torch is loaded

    from bitspike.api.own import own_training
    from bitspike.api.own_data import given_dataset, on_boxes, on_dataset
    from bitspike.datasets import find_dataset
    from bitspike.datasets.detection_sets import is_detection
    from bitspike.training.described import as_described

    if dataset is None:
        if own:
            raise UserError("--dataset", None, "want what your network classifies; see `bitspike data list`")
        return configured(recipe, edits), None
    edits = list(edits)
    boxes = isinstance(dataset, str) and is_detection(dataset)
    base = own_training(str(recipe), edits, boxes) if own else configured(recipe)
    if boxes:
        return configured(on_boxes(base, dataset), edits), None
    found = given_dataset(dataset)
    fitting = on_dataset(base, found)
    config = configured(fitting, edits)
    if (config.dataset, config.frames) != (fitting.dataset, fitting.frames):  # other trains of the same events
        config = as_described(config, find_dataset(config.dataset, config.frames))
    return config, None if isinstance(dataset, str) else found


def configured(recipe: str | TrainConfig, edits: Iterable[str] = ()) -> TrainConfig:
    """The config of a recipe, edited.

    Raises:
        UserError: unknown recipe or key, or a value that does not fit it.
    """
    from bitspike import recipes, training

    return training.override(recipes.recipe(recipe) if isinstance(recipe, str) else recipe, edits)


def chosen(
    recipe: str | None, file: str | Path | None, edits: Iterable[str] = (), dataset: str | None = None
) -> TrainConfig:
    """The config of a recipe or of a file (`config_of`), for another data set where one is named, edited.

    Raises:
        UserError: both or none, or see `configured`.
    """
    if (recipe is None) == (file is None):
        seen = None if recipe is None else recipe
        raise UserError("recipe", seen, "want the name of a recipe (--list prints them) or --config FILE, one of them")
    return on_data(recipe if file is None else config_of(file), dataset, edits)[0]  # type: ignore[arg-type]  # one is


def config_of(file: str | Path) -> TrainConfig:
    """The config in a JSON file, as ``--show --json`` wrote it, or a run has it.

    Raises:
        UserError: it cannot be read, is no JSON, or no config; the line names the key.
    """
    from bitspike.training.migrate import migrate
    from bitspike.training.overrides import parse_config

    return parse_config(migrate(read_json(at_home(file))))


def run_name(config: TrainConfig) -> str:
    """The name of a run folder that was given none: recipe, data of one's own, bits and seed."""
    words = (
        [config.recipe]
        if config.data is None
        else [config.recipe, re.sub(r"\W+", "-", config.dataset)[-40:].strip("-")]
    )
    return "-".join((*words, str(config.bits).replace("/", "-"), f"seed{config.seed}"))


def restarted() -> bool:
    """Whether torchrun has started this process in the place of one that failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def is_main_process() -> bool:
    """Whether this process is the one that speaks: of several that train one run, the first alone."""
    return os.environ.get("RANK", "0") == "0"
