"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bitspike.errors import UserError

__all__ = ["CCompiler", "DataDir", "Json", "RunsDir", "image_shape", "print_json"]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the data sets lie. Default: $BITSPIKE_DATA, else see `bitspike data list`."),
]
CCompiler = Annotated[
    str | None,
    typer.Option("--cc", metavar="COMMAND", help="C compiler, with its flags. Default: the first of cc, gcc, clang."),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where run folders go.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on stdout.")]


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def image_shape(text: str) -> tuple[int, int, int]:
    """``CxHxW`` as three numbers."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})", text, flags=re.ASCII)
    if not found:
        raise UserError("--input", text, "want channels x height x width, for example 3x32x32")
    channels, height, width = (int(part) for part in found.groups())
    return channels, height, width
