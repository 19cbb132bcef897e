"""`bitspike.report`: finished runs, and frozen networks beside them, on one page of HTML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike import __version__
from bitspike.api.page_run import shown_run
from bitspike.api.run import Run
from bitspike.api.runs import compared
from bitspike.api.sources import as_run, is_file
from bitspike.errors import UserError
from bitspike.files import at_home, write_atomically
from bitspike.places import checked_file

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["PAGE", "check_page", "is_page", "report"]

PAGE = "report.html"
"""What a run's own page is called, in its folder."""


def report(
    sources: Run | FrozenGraph | str | Path | Sequence[Run | FrozenGraph | str | Path],
    output: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
) -> Path:
    """Writes a page that shows runs beside each other (docs/report.md): one file, which needs no network.

    >>> bitspike.report(["runs/low", "runs/full", "low.bitspike"], "report.html")
    PosixPath('report.html')

    Args:
        sources: finished runs or their folders, and frozen networks or their files, whose integers are drawn.
        output: the file; by default ``report.html`` in the folder of the first run.
        data_dir: where the data sets lie, for runs of earlier versions, which kept no samples; see `bitspike.Run`.

    Raises:
        UserError: nothing to show, a run that has not ended or is given twice, runs of several data sets, or a file
            that cannot be written.
    """
    several = list(sources) if isinstance(sources, list | tuple) else [sources]
    if output is not None:
        check_page("--output", at_home(output))
    runs, nets = _told_apart(several, data_dir)
    if output is None and not runs:
        raise UserError("--output", None, "want the name of a file: there is no run whose folder would have it")
    file = runs[0].folder / PAGE if output is None else at_home(output)
    write_atomically(file, _page(runs, nets).encode())
    return file


def is_page(file: Path | None) -> bool:
    """Whether a file is to be a page: its name says so."""
    return file is not None and file.suffix.lower() == ".html"


def check_page(option: str, file: Path) -> None:
    """Refuses, before runs are read, a file that could not be written.

    Raises:
        UserError: its name does not end in .html, it is a folder, or its folder is not there or no place to write to.
    """
    if not is_page(file):
        raise UserError(option, str(file), "want a name that ends in .html")
    checked_file(option, file)
    if not os.path.isdir(file.parent):
        raise UserError(option, str(file), f"there is no folder {file.parent}")


def _told_apart(sources: Sequence[Any], data_dir: str | Path | None) -> tuple[list[Run], dict[str, FrozenGraph]]:
    """Runs, and frozen networks by what they are called."""
    from bitspike import ir

    runs: list[Run] = []
    nets: dict[str, FrozenGraph] = {}
    seen: set[str] = set()
    for source in sources:
        if isinstance(source, ir.FrozenGraph):
            nets[_unlike(source.graph.name, nets)] = source
        elif isinstance(source, str | Path) and is_file(source):
            if (real := os.path.realpath(at_home(source))) in seen:
                raise UserError("frozen file", str(source), "it is given twice")
            seen.add(real)
            nets[_unlike(Path(source).name, nets)] = ir.load(at_home(source))
        else:
            runs.append(as_run(source, data_dir))
    data = sorted({run.config.dataset for run in runs} | {net.dataset for net in nets.values() if net.dataset})
    if not runs and not nets:
        raise UserError("runs", "none", "want run folders, or files of `bitspike freeze`")
    if len(data) > 1:
        raise UserError("data sets", ", ".join(data), "want runs of one data set on a page")
    return runs, nets


def _page(runs: Sequence[Run], nets: Mapping[str, FrozenGraph]) -> str:
    from bitspike.reports.page import drawn_graph, page_html

    measure = "test_map50" if runs and runs[0].config.task == "detect" else "test_accuracy"
    rows = compared(runs, measure) if runs else []
    names: list[str] = []
    for run in runs:
        names.append(_unlike(Path(os.path.realpath(run.folder)).name, names))
    shown = [shown_run(run, name) for run, name in zip(runs, names, strict=True)]
    titled = names or list(nets)
    return page_html(
        {
            "title": titled[0] if len(titled) == 1 else f"{len(titled)} networks",
            "version": __version__,
            "dataset": runs[0].config.dataset if runs else next(iter(nets.values())).dataset,
            "measure": measure,
            "runs": shown,
            "groups": [
                {**row, "value": row[measure], "runs": [_name(run, runs, names) for run in row["runs"]]} for row in rows
            ],
            "graphs": [drawn_graph(net, name) for name, net in nets.items()],
        }
    )


def _name(folder: str, runs: Sequence[Run], names: Sequence[str]) -> str:
    return next(name for run, name in zip(runs, names, strict=True) if str(run.folder) == folder)


def _unlike(name: str, taken: Sequence[str] | Mapping[str, Any]) -> str:
    """The name, with a number where another has it."""
    number = 2
    unlike = name
    while unlike in taken:
        unlike, number = f"{name} ({number})", number + 1
    return unlike
