"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bitspike.errors import UserError

__all__ = [
    "CCompiler",
    "DataDir",
    "Jobs",
    "Json",
    "Ray",
    "Resume",
    "RunsDir",
    "amount",
    "given",
    "numbers",
    "print_json",
]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the data sets lie. Default: $BITSPIKE_DATA, else see `bitspike data list`."),
]
CCompiler = Annotated[
    str | None,
    typer.Option("--cc", metavar="COMMAND", help="C compiler, with its flags. Default: the first of cc, gcc, clang."),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where run folders go.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, max=1000, help="Runs at once, a thread each. With --ray: all it can do.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="ADDRESS", help="Ray cluster that runs them: local, auto, HOST:PORT (docs/scale.md)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on stdout.")]

UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def given(**options: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value is not None}


def numbers(text: str, option: str = "--channels") -> tuple[int, ...]:
    """``16,32,64`` as numbers."""
    if not re.fullmatch(r"[1-9]\d{0,4}(,[1-9]\d{0,4})*", text, flags=re.ASCII):
        raise UserError(option, text, "want whole numbers with commas, for example 16,32,64")
    return tuple(int(part) for part in text.split(","))


def amount(option: str, text: str) -> float:
    """``40k`` is 40,000."""
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)([kMG]?)", text, flags=re.ASCII)
    if not found or float(found[1]) == 0:
        raise UserError(option, text, "want a number above 0, for example 40000, 40k or 1.5M")
    return float(found[1]) * UNITS[found[2]]
