"""Many budgets at once: Optuna proposes them, workers share them, the Pareto front comes out.

Which budget a trial has depends on its number and on the results of the trials that are ``ahead`` or more before it,
whoever works on them and whichever end first: any number of workers makes the same sweep (docs/adr/0025-sweeps.md).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bitspike.allocation.allocate import Delivered, _least, allocate, check_budget
from bitspike.errors import UserError, require, shown
from bitspike.files import is_there, read_json, write_json
from bitspike.stopping import kept
from bitspike.training import BudgetConfig, RunFolder, TrainConfig
from bitspike.training.lock import locked
from bitspike.training.record import read_record
from bitspike.training.setup import load_images
from bitspike.workers import Work, Workers, one_thread, workers

__all__ = ["AHEAD", "Point", "pareto", "sweep"]

JOURNAL = "study.jsonl"
"""Where the trials of a sweep are kept."""
AHEAD = 8
"""Trials that are drawn before the result of the first of them is known: as many can be worked on at once."""


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
    jobs: int | None = None,
    ray: str | None = None,
    ahead: int = AHEAD,
    fine_tune_epochs: int | None = None,
) -> list[Point]:
    """``trials`` networks with budgets up to ``budget``, a run folder each under ``path``; resumable.

    Each trial draws, for each limit, a value between the smallest possible and the limit (their logarithms alike); the
    sampler is Optuna's TPE, which looks where the front of cost and validation accuracy may move. Each computes with
    one thread.

    Args:
        config, budget, data_dir, fine_tune_epochs: of `allocate`.
        path: of the sweep.
        trials: networks in all, those of earlier calls included.
        jobs, ray: who works (`bitspike.workers.workers`); with neither, this process.
        ahead: a trial is drawn once all that are so many before it have ended, and knows of no other result; part of
            the sweep, and the most that can be worked on at once.

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
    asked = {"recipe": config.recipe, "budget": budget.model_dump(mode="json"), "ahead": ahead}
    if is_there(request) and (started := read_json(request)) != asked:
        raise UserError("sweep folder", str(path), f"it was started with {shown(started)}; give another --name")
    if not is_there(path / JOURNAL):
        load_images(config, data_dir)  # refuses data that are not there, before anything is written
    given = workers(jobs, ray, path)
    if ray is not None:
        path, data_dir = path.absolute(), data_dir and data_dir.absolute()  # other machines start elsewhere
    with kept(path), locked(path):
        write_json(request, asked)
        study = _Study(optuna, config, budget, path, ahead)
        work = partial(_trial, config.model_dump(mode="json"), data_dir, fine_tune_epochs, trials)
        with given as pool:
            _work_off(study, pool, work, trials)
        points = pareto([study.point(number) for number in study.ended()])
        write_json(path / "sweep.json", [asdict(point) for point in points])
        return points


def _work_off(study: _Study, pool: Workers, work: Callable[..., None], trials: int) -> None:
    """Does the trials that are left, those that were begun before the others."""
    running: set[int] = set()
    while True:
        while len(running) < pool.most and (number := study.next(trials, running)) is not None:
            folder = study.folder(number)
            running.add(number)
            one: Work = partial(work, number, study.drawn(number), folder)
            pool.start(number, f"trial {number + 1}, {folder.name}", one)
        if not running:
            return
        number = pool.ended()
        running.remove(number)
        study.tell(number)


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points, by their first cost, with ``best`` set on the front."""
    marked = [Point(**{**asdict(point), "best": not any(_beats(other, point) for other in points)}) for point in points]
    return sorted(marked, key=lambda point: [point.costs[name] for name in point.budget])


def _beats(a: Point, b: Point) -> bool:
    """At least as good in everything and better in something, of the costs that have a budget."""
    ours = (-a.validation_accuracy, *(a.costs[name] for name in a.budget))
    theirs = (-b.validation_accuracy, *(b.costs[name] for name in a.budget))
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))


class _Study:
    """What was drawn and what came of it: the journal has the draws, the trials' folders the results.

    One process writes it, that which gives the trials out.
    """

    def __init__(self, optuna: Any, config: TrainConfig, budget: BudgetConfig, path: Path, ahead: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.path, self.ahead, self.seed = optuna, path, ahead, config.seed
        least = _least(config)
        uniform = optuna.distributions.FloatDistribution
        self.limits = budget.limits()
        self.ranges = {name: uniform(least[name], limit, log=True) for name, limit in self.limits.items()}
        self.directions = ["maximize", *["minimize"] * len(self.limits)]
        self.study = self._opened()

    def _opened(self) -> Any:
        journal, file = self.optuna.storages.journal, self.path / JOURNAL
        try:
            return self.optuna.create_study(
                study_name="sweep",
                storage=self.optuna.storages.JournalStorage(journal.JournalFileBackend(str(file))),
                directions=self.directions,
                load_if_exists=True,
            )
        except OSError as wrong:
            raise UserError("read", str(file), f"{wrong.strerror}") from wrong
        except (ValueError, KeyError, TypeError, RecursionError) as wrong:
            raise UserError("sweep", str(file), f"damaged: {wrong}; give another --name") from wrong

    def ended(self) -> list[int]:
        """Numbers of the trials whose results are known."""
        complete = self.optuna.trial.TrialState.COMPLETE
        return [trial.number for trial in self.study.trials if trial.state == complete]

    def next(self, trials: int, running: set[int]) -> int | None:
        """The first trial that can be begun, one that was stopped or a new one; none if those before have to end."""
        ended, drawn = set(self.ended()), len(self.study.trials)
        for number in range(min(drawn, trials)):
            if number not in ended | running:
                return number
        first_open = next(number for number in range(drawn + 1) if number not in ended)
        if drawn >= trials or drawn >= first_open + self.ahead:
            return None
        self._add(self._draw(drawn))
        return drawn

    def _draw(self, number: int) -> dict[str, float]:
        """The limits of a trial, of its number and of the results that it may know."""
        known = self._known(number)
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        sampler = self.optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # those that run are no good, it says
        apart = self.optuna.create_study(sampler=sampler, directions=self.directions)
        for trial in self.study.trials:
            apart.add_trial(self._made(trial.params, trial.values if trial.number < known else None))
        asked = apart.ask()
        return {name: asked.suggest_float(name, of.low, of.high, log=True) for name, of in self.ranges.items()}

    def _known(self, number: int) -> int:
        """How many results a trial may know: those of the first trials."""
        return max(0, number + 1 - self.ahead)

    def _add(self, params: dict[str, float]) -> None:
        self.study.add_trial(self._made(params, None))

    def _made(self, params: dict[str, float], values: Sequence[float] | None) -> Any:
        """A trial of Optuna's, that runs where it has no values."""
        states = self.optuna.trial.TrialState
        state = states.RUNNING if values is None else states.COMPLETE
        return self.optuna.trial.create_trial(state=state, params=params, distributions=self.ranges, values=values)

    def drawn(self, number: int) -> dict[str, float]:
        """The limits of a trial."""
        params = self.study.trials[number].params
        return {name: min(_rounded_up(params[name]), limit) for name, limit in self.limits.items()}

    def folder(self, number: int) -> Path:
        """The folder of a trial."""
        return self.path / "-".join((f"{number + 1:03}", *(f"{k}-{v:g}" for k, v in self.drawn(number).items())))

    def point(self, number: int) -> Point:
        """What came of a trial, as its folder says.

        Raises:
            UserError: it does not say, or is damaged.
        """
        folder = self.folder(number)
        costs = read_record(folder / "allocation.json", Delivered)["costs"]
        result = RunFolder(folder).read_result()
        accuracies = (result["validation_accuracy"], result["test_accuracy"])
        return Point(folder.name, self.drawn(number), costs, *accuracies)

    def tell(self, number: int) -> None:
        """Writes down what came of a trial."""
        point = self.point(number)
        self.study.tell(number, [point.validation_accuracy, *(point.costs[name] for name in self.limits)])


def _trial(
    raw: dict[str, Any],
    data_dir: Path | None,
    fine_tune_epochs: int | None,
    trials: int,
    number: int,
    drawn: dict[str, float],
    folder: Path,
) -> None:
    """One trial, wherever it is worked on; of one that has ended already, nothing."""
    config = TrainConfig.model_validate(raw)
    own = BudgetConfig(**{f"max_{name}": value for name, value in drawn.items()})
    say = partial(_say, f"trial {number + 1}, {folder.name}: ")
    say(f"begins; {trials} trials in all")
    with one_thread():
        found = allocate(config, own, folder, data_dir, fine_tune_epochs=fine_tune_epochs, say=say)
    say(f"validation {found['result']['validation_accuracy']:.2f} %")


def _say(which: str, line: str) -> None:
    print(which + line, file=sys.stderr, flush=True)


def _rounded_up(value: float) -> float:
    """To three digits, which a folder's name has."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / unit) * unit
