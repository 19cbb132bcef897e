"""`bitspike.runs`: the runs in a folder, and several beside each other; runs that differ in the seed alone as one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from bitspike.api.run import Run, load_run
from bitspike.api.sources import as_run
from bitspike.errors import UserError
from bitspike.files import at_home

__all__ = ["COSTS", "compared", "runs"]

COSTS = ("size_bytes", "s_ace", "ns_ace", "energy_nj")
"""Keys of a result that accuracy is seen against."""
RESULT = ("validation_accuracy", "test_accuracy", "mean_bit_budget", *COSTS, "seconds")
DEPTH = 4
"""How far below a folder runs are looked for."""


def runs(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """Every run in a folder and the folders in it, by name: what was trained, how far, and what came of it.

    Accuracies in percent, costs of one image; ``None`` while a run has not ended. ``problem`` says what is wrong with
    a run whose files are damaged.

    >>> [run["test_accuracy"] for run in bitspike.runs("runs")]
    [97.7778, 96.1111]

    Args:
        folder: where they are.

    Raises:
        UserError: there is no such folder.
    """
    home = at_home(folder)
    if not home.is_dir():
        raise UserError("runs", str(folder), "there is no such folder")
    return [_row(path, os.path.relpath(path, home)) for path in _folders(home, DEPTH)]


def _folders(home: Path, depth: int) -> Iterator[Path]:
    if os.path.isfile(home / "config.json"):
        yield home
    if not depth:
        return
    try:
        inside = sorted(entry.name for entry in os.scandir(home) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in inside:
        yield from _folders(home / name, depth - 1)


def _row(path: Path, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    try:
        run = load_run(path)
        config = run.config
        row |= {key: getattr(config, key) for key in ("recipe", "dataset", "model", "seed", "epochs")}
        row |= {"bits": str(config.bits), "finished": run.finished, "problem": ""}
        done = max((line["epoch"] for line in run.files.metrics() if "epoch" in line), default=0)
        result = run.result if run.finished else {}
        return row | {"epochs_done": done} | {key: result.get(key) for key in RESULT}
    except UserError as wrong:
        empty = dict.fromkeys(("recipe", "dataset", "model", "seed", "epochs", "bits", "epochs_done", *RESULT))
        return empty | row | {"finished": False, "problem": str(wrong)}


def compared(several: Sequence[Run | str | Path], measure: str = "test_accuracy") -> list[dict[str, Any]]:
    """Finished runs by what they cost, those that differ in the seed alone as one.

    Of such a group ``test_accuracy`` (or another ``measure``) and each cost are a mean, ``spread`` the standard
    deviation of the accuracy (of two runs and more), ``least`` and ``most`` its ends; ``best`` marks groups that no
    other beats in accuracy and every cost.

    >>> bitspike.compared(["runs/low-seed0", "runs/low-seed1"])[0]["spread"]
    0.4

    Args:
        several: runs, or their folders.
        measure: the key of their results that costs are held against; of runs that find boxes ``test_map50``.

    Raises:
        UserError: no run, one that has not ended or has no such measure, or one that is given twice.
    """
    groups: dict[str, list[Run]] = {}
    seen: set[str] = set()
    for source in several:
        run = as_run(source)
        if (real := os.path.realpath(run.folder)) in seen:
            raise UserError("run folder", str(run.folder), "it is given twice")
        seen.add(real)
        told = {key: value for key, value in run.config.model_dump(mode="json").items() if key != "seed"}
        groups.setdefault(json.dumps(told, sort_keys=True), []).append(run)
    rows = [_group(group, measure) for group in groups.values()]
    for row in rows:
        row["best"] = not any(_beats(other, row, measure) for other in rows)
    return sorted(rows, key=lambda row: (row["size_bytes"], row["name"]))


def _group(group: Sequence[Run], measure: str) -> dict[str, Any]:
    results = [run.result for run in group]
    for run, result in zip(group, results, strict=True):
        if result.get(measure) is None:
            raise UserError(
                f"{measure} of run", str(run.folder), "it was measured by another number; want runs of a kind"
            )
    accuracies = [result[measure] for result in results]
    names = [Path(os.path.realpath(run.folder)).name for run in group]
    row: dict[str, Any] = {
        "name": names[0] if len(group) == 1 else names[0].removesuffix(f"-seed{group[0].config.seed}"),
        "runs": [str(run.folder) for run in group],
        "seeds": [run.config.seed for run in group],
        "bits": str(group[0].config.bits),
        "dataset": group[0].config.dataset,
        measure: fmean(accuracies),
        "spread": stdev(accuracies) if len(group) > 1 else None,
        "least": min(accuracies),
        "most": max(accuracies),
    }
    for key in COSTS:
        values = [result.get(key) for result in results]
        row[key] = None if None in values else fmean(values)  # type: ignore[arg-type]  # none is None
    return row


def _beats(a: dict[str, Any], b: dict[str, Any], measure: str = "test_accuracy") -> bool:
    """At least as good in everything that both have, and better in something."""
    costs = [key for key in COSTS if a[key] is not None and b[key] is not None]
    ours, theirs = ([-row[measure], *(row[key] for key in costs)] for row in (a, b))
    return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))
