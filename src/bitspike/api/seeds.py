"""A run for each of several seeds, one after another or side by side."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run, load_run
from bitspike.api.sources import path_of
from bitspike.files import is_there
from bitspike.places import run_folder
from bitspike.stopping import kept

if TYPE_CHECKING:
    from bitspike.training import Observer, TrainConfig

__all__ = ["train_seeds"]


def train_seeds(
    config: TrainConfig,
    seeds: Iterable[int],
    *,
    name: str | None,
    runs_dir: str | Path,
    resume: bool,
    data_dir: str | Path | None = None,
    jobs: int | None = None,
    ray: str | None = None,
    observer: Callable[[str], AbstractContextManager[Observer | None]] | None = None,
) -> list[Run]:
    """`bitspike.train` once for each seed, a run folder each: ``NAME-seedN``.

    Args:
        config: of all of them.
        seeds: of each.
        name: the folders' names but for the seed; by default that of a run that was given none.
        runs_dir: where they go.
        resume: passes over runs that have ended, goes on with those that have begun, and starts the others.
        data_dir: see `bitspike.train`.
        jobs: runs at once. ray: the address of a Ray cluster that does them. With either, each has one thread.
        observer: makes one of a run's name, where one run follows another.

    Raises:
        UserError: see `bitspike.train`; without ``resume``, before any is trained, a folder that holds a run.
    """
    from bitspike.api.train import check_folder, run_name

    chosen = {}
    for seed in seeds:
        own = config.model_copy(update={"seed": seed})
        chosen[run_name(own) if name is None else f"{name}-seed{seed}"] = own
    for called in chosen:
        check_folder(called, runs_dir, resume)
    if jobs is None and ray is None:
        for called, own in chosen.items():
            with observer(called) if observer else nullcontext() as bar:
                _seed(own, called, runs_dir, data_dir, bar)
    else:
        _side_by_side(chosen, Path(runs_dir), path_of(data_dir), jobs, ray)
    return [load_run(run_folder(runs_dir, called), data_dir) for called in chosen]


def _seed(
    config: TrainConfig,
    name: str,
    runs_dir: str | Path,
    data_dir: str | Path | None,
    observer: Observer | None = None,
) -> None:
    """One of the runs: as it is there, gone on with, or new."""
    from bitspike.api.train import train

    folder = run_folder(runs_dir, name)
    begun = is_there(folder / "config.json")
    if begun and (there := load_run(folder)).finished and there.config.epochs >= config.epochs:
        there.files.resume(config)
        return
    train(config, name=name, runs_dir=runs_dir, data_dir=data_dir, resume=begun, observer=observer)


def _side_by_side(
    chosen: Mapping[str, TrainConfig], runs_dir: Path, data_dir: Path | None, jobs: int | None, ray: str | None
) -> None:
    """The runs, several at once."""
    from bitspike.training.setup import load_images
    from bitspike.workers import workers

    for own in list(chosen.values())[:1]:
        load_images(own, data_dir)  # refuses data that are not there, before anyone works
    if ray is not None:
        runs_dir, data_dir = runs_dir.absolute(), data_dir and data_dir.absolute()  # other machines start elsewhere
    runs_dir.mkdir(parents=True, exist_ok=True)
    waiting = deque(enumerate(chosen.items()))
    running = 0
    with kept(runs_dir), workers(jobs, ray, runs_dir) as pool:
        while waiting or running:
            while waiting and running < pool.most:
                number, (called, own) = waiting.popleft()
                pool.start(number, called, partial(_alone, own.model_dump(mode="json"), called, runs_dir, data_dir))
                running += 1
            pool.ended()
            running -= 1


def _alone(raw: dict[str, Any], name: str, runs_dir: Path, data_dir: Path | None) -> None:
    """One of the runs, wherever it is worked on."""
    from bitspike.training import TrainConfig
    from bitspike.workers import one_thread

    print(f"{name}: begins", file=sys.stderr, flush=True)
    with one_thread():
        _seed(TrainConfig.model_validate(raw), name, runs_dir, data_dir)
    print(f"{name}: ended", file=sys.stderr, flush=True)
