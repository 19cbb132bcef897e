"""Pages of runs: what `bitspike report` writes, and what a training ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bitspike.cli.notices import notices
from bitspike.cli.options import print_json

if TYPE_CHECKING:
    from bitspike import Run

__all__ = ["page_beside", "print_page", "print_pages", "print_places"]


def print_page(sources: Sequence[Path], output: Path, data_dir: Path | None, as_json: bool) -> None:
    """Writes a page, and says so."""
    from bitspike.api.page import report

    with notices():
        report(sources, output, data_dir=data_dir)
    if as_json:
        print_json({"page": [str(source) for source in sources], "file": str(output)})
    else:
        typer.echo(f"wrote {output}")


def page_beside(runs: Sequence[Run], folder: Path) -> dict[str, Any]:
    """Writes the page of runs that have just ended into a folder; ``{}``, and a line on stderr, where that fails.

    A picture must not take away what a training came to: whatever stands in its way, the runs have ended.
    """
    from bitspike.api.page import PAGE, report

    file = folder / PAGE
    try:
        report(list(runs), file)
    except Exception as wrong:
        typer.echo(f"bitspike: {PAGE} was left out: {' '.join(str(wrong).split())}", err=True)
        return {}
    return {"report": str(file)}


def print_pages(pages: Sequence[Mapping[str, Any]]) -> None:
    """Where the pages are, those that there are."""
    for page in pages:
        typer.echo(f"report: {page['report']}") if page else None


def print_places(folder: Path, page: Mapping[str, Any]) -> None:
    """Where the page of a run is, if there is one, and, last, the run."""
    print_pages([page])
    typer.echo(f"run folder: {folder}")
