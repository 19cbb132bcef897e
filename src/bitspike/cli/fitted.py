"""What `bitspike allocate` does of a device's limits."""

from __future__ import annotations

from functools import partial
from typing import Any

import typer

import bitspike
from bitspike.cli.options import amount, given, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

__all__ = ["print_fitted"]


def print_fitted(
    recipe: str,
    edits: list[str] | None,
    device: dict[str, str],
    budget: dict[str, Any],
    cc: str | None,
    trials: int,
    others: dict[str, Any],
    where: dict[str, Any],
    as_json: bool,
) -> None:
    """Trains what fits, a line for each phase and trial, and prints the best."""
    from bitspike import reports
    from bitspike.cli.progress import ProgressBar

    for option, value in {**budget, **given(**others)}.items():
        raise UserError(f"--{option.replace('_', '-')}", value, "it is for learned bits; leave out the device's limits")
    limits = {key: amount(f"--max-{key}", text) for key, text in device.items()}
    say = partial(typer.echo, err=True)
    how: dict[str, Any] = {"trials": trials, "cc": cc, "observed": ProgressBar, "say": say, **where}
    found = bitspike.fit(recipe, *(edits or []), limits=limits, **how)
    if as_json:
        print_json(found.to_dict())
        return
    print_tables(reports.results_table([found.run.result], found.run.folder.name))
    print_tables(reports.device_table(found.device.to_dict()), reports.budget_table(limits, found.device.costs))
    typer.echo(f"run folder: {found.run.folder}")
