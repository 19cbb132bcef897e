"""`bitspike bench`: how fast a frozen network runs here, and where its time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bitspike
from bitspike.cli.options import Json, numbers, print_json
from bitspike.cli.tables import print_tables

__all__ = ["bench"]


def bench(
    file: Annotated[Path, typer.Argument(help="A file of `bitspike freeze`.")],
    batch: Annotated[str, typer.Option("--batch", help="Images at once; several with commas.")] = "1,32",
    threads: Annotated[str, typer.Option("--threads", help="How many run it; several with commas.")] = "1",
    as_json: Json = False,
) -> None:
    """Time a frozen network: images a second, beside ONNX Runtime where that is installed, and the time of each layer.

    Example: bitspike bench net.bitspike --batch 1,32 --threads 1,2
    """
    found = bitspike.bench(file, batch=numbers(batch, "--batch"), threads=numbers(threads, "--threads"))
    if as_json:
        print_json(found.to_dict())
        return
    from bitspike import reports

    print_tables(*reports.bench_tables(found.to_dict()))
