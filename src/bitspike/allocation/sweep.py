"""Many budgets at once: Optuna proposes them, processes share the work, the Pareto front comes out."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch

from bitspike.allocation.allocate import _least, allocate, check_budget
from bitspike.errors import UserError, require, shown
from bitspike.files import is_there, read_json, write_json
from bitspike.stopping import Stopped, kept
from bitspike.training import BudgetConfig, TrainConfig
from bitspike.training.lock import locked
from bitspike.training.setup import load_images

__all__ = ["Point", "pareto", "sweep"]

JOURNAL = "study.jsonl"
"""Where the trials of a sweep are kept."""


@dataclass(frozen=True)
class Point:
    """One network of a sweep: its folder, budget, costs, and accuracies in percent."""

    folder: str
    budget: dict[str, float]
    costs: dict[str, float]
    validation_accuracy: float
    test_accuracy: float
    best: bool = False


def sweep(
    config: TrainConfig,
    budget: BudgetConfig,
    path: Path,
    data_dir: Path | None = None,
    *,
    trials: int,
    jobs: int = 1,
    fine_tune_epochs: int | None = None,
) -> list[Point]:
    """``trials`` networks with budgets up to ``budget``, a run folder each under ``path``; resumable.

    Each trial draws, for each limit, a value between the smallest possible and the limit (their logarithms alike); the
    sampler is Optuna's TPE, which looks where the front of cost and validation accuracy may move.

    Args:
        config, budget, data_dir, fine_tune_epochs: of `allocate`.
        path: of the sweep.
        trials: networks in all, those of earlier calls included.
        jobs: processes; the cores are shared between them.

    Returns:
        All finished points, by cost; ``best`` marks those that no other beats in validation accuracy and every cost.
    """
    check_budget(config, budget)
    if "energy" in budget.limits():
        raise UserError(
            "--max-energy", budget.max_energy, "a sweep cannot tell the smallest one; want --max-size or --max-s-ace"
        )
    optuna = require("optuna", "tune")
    request = path / "sweep-request.json"
    asked = {"recipe": config.recipe, "budget": budget.model_dump(mode="json")}
    if is_there(request) and (started := read_json(request)) != asked:
        raise UserError("sweep folder", str(path), f"it was started with {shown(started)}; give another --name")
    if not is_there(path / JOURNAL):
        load_images(config, data_dir)  # refuses data that are not there, before anything is written
    raw, limits = config.model_dump(mode="json"), budget.model_dump(mode="json")
    work = partial(_worker, raw, limits, path, data_dir, trials, fine_tune_epochs)
    with kept(path), locked(path):
        write_json(request, asked)
        return _swept(optuna, budget, path, work, jobs)


def _swept(optuna: Any, budget: BudgetConfig, path: Path, work: Callable[[int], None], jobs: int) -> list[Point]:
    """The trials that are left, in so many processes, and the points of all."""
    study = _study(optuna, path, len(budget.limits()))
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # of a sweep that was killed
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    if jobs == 1:
        work(threads)
    else:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=work, args=(threads,)) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except Stopped as stopped:
            for worker in workers:
                if stopped.number == SIGTERM:  # SIGINT came to them too, from the terminal
                    worker.terminate()
                worker.join()  # each keeps its run first
            raise
        if failed := [worker.exitcode for worker in workers if worker.exitcode]:
            raise UserError("sweep", f"{len(failed)} of {jobs} processes failed", "see above; the same command goes on")
    points = _points(optuna, _study(optuna, path, len(budget.limits())))
    write_json(path / "sweep.json", [asdict(point) for point in points])
    return points


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points, by their first cost, with ``best`` set on the front."""
    marked = [Point(**{**asdict(point), "best": not any(_beats(other, point) for other in points)}) for point in points]
    return sorted(marked, key=lambda point: [point.costs[name] for name in point.budget])


def _beats(a: Point, b: Point) -> bool:
    """At least as good in everything and better in something, of the costs that have a budget."""
    ours = (-a.validation_accuracy, *(a.costs[name] for name in a.budget))
    theirs = (-b.validation_accuracy, *(b.costs[name] for name in a.budget))
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))


def _study(optuna: Any, path: Path, limits: int) -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal, file = optuna.storages.journal, path / JOURNAL
    try:
        return optuna.create_study(
            study_name="sweep",
            storage=optuna.storages.JournalStorage(journal.JournalFileBackend(str(file))),
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            directions=["maximize", *["minimize"] * limits],
            load_if_exists=True,
        )
    except OSError as wrong:
        raise UserError("read", str(file), f"{wrong.strerror}") from wrong
    except (ValueError, KeyError, TypeError, RecursionError) as wrong:
        raise UserError("sweep", str(file), f"damaged: {wrong}; give another --name") from wrong


def _worker(
    raw: dict[str, Any],
    limits: dict[str, Any],
    path: Path,
    data_dir: Path | None,
    trials: int,
    fine_tune_epochs: int | None,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    optuna = require("optuna", "tune")
    config, budget = TrainConfig.model_validate(raw), BudgetConfig.model_validate(limits)
    least = _least(config)

    study = _study(optuna, path, len(budget.limits()))
    while (trial := _next(optuna, study, trials)) is not None:
        drawn = {
            name: min(_rounded_up(trial.suggest_float(name, least[name], limit, log=True)), limit)
            for name, limit in budget.limits().items()
        }
        own = BudgetConfig(**{f"max_{name}": value for name, value in drawn.items()})
        folder = path / "-".join(f"{name}-{value:g}" for name, value in drawn.items())
        say = partial(_say, f"trial {trial.number + 1}, {folder.name}: ")
        say(f"begins; {trials} trials in all")
        try:
            found = allocate(config, own, folder, data_dir, fine_tune_epochs=fine_tune_epochs, say=say)
        except Stopped as stopped:
            if multiprocessing.parent_process() is None:
                raise
            sys.exit(128 + stopped.number)  # the first process says it
        accuracies = {key: found["result"][key] for key in ("validation_accuracy", "test_accuracy")}
        point = {"folder": folder.name, "budget": drawn, "costs": found["costs"], **accuracies}
        trial.set_user_attr("point", point)
        study.tell(trial, [point["validation_accuracy"], *(found["costs"][name] for name in drawn)])
        say(f"validation {point['validation_accuracy']:.2f} %")


def _say(which: str, line: str) -> None:
    print(which + line, file=sys.stderr, flush=True)


def _next(optuna: Any, study: Any, trials: int) -> Any:
    """A trial to run, or ``None`` if all are finished or with other processes."""
    states = optuna.trial.TrialState
    trial = study.ask()
    before = [
        other for other in study.get_trials(states=[states.COMPLETE, states.RUNNING]) if other.number < trial.number
    ]
    if len(before) < trials:
        return trial
    study.tell(trial, state=states.FAIL)
    return None


def _rounded_up(value: float) -> float:
    """To three digits: a folder's name, and the same folder for what is drawn again after a crash."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / unit) * unit


def _points(optuna: Any, study: Any) -> list[Point]:
    finished = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return pareto([Point(**trial.user_attrs["point"]) for trial in finished])
