"""What `bitspike train` prints of a run, or of one for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bitspike.cli.alone import check_alone
from bitspike.cli.notices import notices
from bitspike.cli.options import print_json
from bitspike.cli.page import page_beside, print_pages, print_places
from bitspike.cli.tables import print_tables
from bitspike.files import is_there, read_json

if TYPE_CHECKING:
    from bitspike import Run
    from bitspike.training import TrainConfig

__all__ = ["print_run", "print_seeds"]


def print_run(run: Run, title: str, as_json: bool) -> None:
    """Accuracy and cost, in the process that speaks."""
    from bitspike import reports
    from bitspike.api.train import is_main_process
    from bitspike.training.pace import pace_line

    if not is_main_process():
        return
    page = page_beside([run], run.folder)
    if as_json:
        print_json({**run.result, "folder": str(run.folder), **page})
        return
    print_tables(reports.results_table([run.result], title))
    if is_there(run.files.pace_file):  # a run that was only finished has none
        typer.echo(pace_line(read_json(run.files.pace_file)))
    print_places(run.folder, page)


def print_seeds(
    config: TrainConfig,
    seeds: list[int],
    name: str | None,
    runs_dir: Path,
    data_dir: Path | None,
    resume: bool,
    many: dict[str, Any],
    as_json: bool,
) -> None:
    """Trains a run for each seed, one after another or ``many`` at once, and prints their mean and spread."""
    from bitspike import compared, reports
    from bitspike.api.seeds import train_seeds
    from bitspike.cli.progress import ProgressBar

    check_alone("train --seeds")
    with notices():
        where: dict[str, Any] = {"name": name, "runs_dir": runs_dir, "resume": resume, "data_dir": data_dir}
        found = train_seeds(config, seeds, **where, **many, observer=ProgressBar)
    pages = [page_beside([run], run.folder) for run in found]
    rows = compared(found)
    print_json(rows) if as_json else print_tables(reports.compared_table(rows))
    print_pages([] if as_json else pages)
