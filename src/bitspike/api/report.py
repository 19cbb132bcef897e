"""Finished networks as pictures, by the name of the picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.boxes import boxes_side_by_side
from bitspike.api.run import load_run
from bitspike.api.runs import compared
from bitspike.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BOXES", "PARETO", "check_picture_name", "drawn", "pictures"]

BOXES, PARETO = "boxes", "pareto"
"""Pictures of images with boxes, which have files of frozen networks beside runs, and of accuracy against cost; all
others have costs of runs, layer by layer."""


def pictures() -> Mapping[str, str]:
    """What each picture shows, by its name."""
    from bitspike.reports import compared_figure
    from bitspike.reports.boxes import boxes_figure
    from bitspike.reports.figures import FIGURES

    made = {**FIGURES, BOXES: boxes_figure, PARETO: compared_figure}
    return {name: (make.__doc__ or "").split("\n")[0] for name, make in made.items()}


def check_picture_name(name: str) -> None:
    """Refuses a picture that there is not.

    Raises:
        UserError: there is none of the name.
    """
    from bitspike.reports.figures import check_figure

    check_figure(name, pictures())


def drawn(name: str, sources: Sequence[Path], data_dir: Path | None = None, **options: Any) -> Figure:
    """The picture called ``name``.

    Args:
        sources: run folders, and of boxes also files of `bitspike freeze`, side by side.
        options: of the picture of boxes: ``images``, how many, and ``lowest``, the lowest probability shown.

    Raises:
        UserError: no such picture, an option that is for another, or a source that lacks what it shows.
    """
    from bitspike.reports import compared_figure
    from bitspike.reports.figures import figure

    check_picture_name(name)
    if name == BOXES:
        return boxes_side_by_side(sources, data_dir, **options)
    for option, value in options.items():
        raise UserError(f"--{option}", value, f"it is for {BOXES}")
    if name == PARETO:
        return compared_figure(compared(sources))
    reports = {}
    for run in sources:
        name_of = Path(os.path.realpath(run)).name
        label = name_of if name_of not in reports else str(run)
        reports[label] = load_run(run).cost()
    return figure(name, reports)
