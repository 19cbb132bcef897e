"""`bitspike quickstart`: a full-precision spiking network and its low-bit twin, trained and costed in minutes."""

from __future__ import annotations

from pathlib import Path

import bitspike
from bitspike.cli.options import Json, RunsDir, print_json
from bitspike.cli.page import page_beside, print_places
from bitspike.cli.tables import print_tables
from bitspike.files import is_there
from bitspike.places import checked_place

__all__ = ["quickstart"]

TWINS = ("16/1/4", "2/2/1")
"""Full precision with four steps of binary spikes, and 2-bit weights with one step of 2-bit spikes."""


def quickstart(runs_dir: RunsDir = Path("runs"), as_json: Json = False) -> None:
    """Train two spiking networks on the digits that ship with scikit-learn, and compare accuracy and cost.

    Takes a minute or two on two cores and needs no download.
    """
    from bitspike import reports
    from bitspike.cli.progress import ProgressBar

    parent = _fresh(checked_place("--runs-dir", runs_dir) / "quickstart")
    runs = []
    for bits in TWINS:
        name = bits.replace("/", "-")
        with ProgressBar(f"digits {bits}") as bar:
            run = bitspike.train("digits-convnet", f"bits={bits}", name=name, runs_dir=parent, observer=bar)
        runs.append(run)
    results, page = [run.result for run in runs], page_beside(runs, parent)
    if as_json:
        print_json({"results": results, "folder": str(parent), **page})
        return
    print_tables(reports.results_table(results, "Digits: the same network, full precision and low-bit"))
    print_places(parent, page)


def _fresh(path: Path) -> Path:
    """``path``, or the first of ``path-2``, ``path-3``... that does not exist: an earlier run is never lost."""
    if not is_there(path):
        return path
    number = 2
    while is_there(candidate := path.with_name(f"{path.name}-{number}")):
        number += 1
    return candidate
