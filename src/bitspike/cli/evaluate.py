"""`bitspike evaluate`: the accuracy of a trained run, or of the integers frozen from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import bitspike
from bitspike.cli.notices import notices
from bitspike.cli.options import CCompiler, DataDir, Json, given, print_json

__all__ = ["evaluate"]

Split = Literal["test", "validation"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder of `bitspike train`, or a file of `bitspike freeze`.")],
    split: Annotated[
        Split | None, typer.Option("--split", help="Which images of a run to classify. Default: test, as of a file.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="What runs a file: oracle, its definition; native, the fastest; c, compiled here; onnx; or verilog. "
            "Default: oracle.",
        ),
    ] = None,
    cc: CCompiler = None,
    threads: Annotated[int | None, typer.Option("--threads", help="How many run a file: of native and onnx.")] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="Of verilog, which is simulated: shared or streaming.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Classify a data set with a trained or frozen network and print how many images it gets right.

    Examples: bitspike evaluate runs/fashion-convnet-2-2-1-seed0; bitspike evaluate net.bitspike --engine c
    """
    with notices():
        of_engine = given(cc=cc, threads=threads, architecture=architecture)
        found = bitspike.evaluate(run, split, engine=engine, data_dir=data_dir, **of_engine)
    if as_json:
        print_json({"run" if found.engine is None else "file": str(run), **found.to_dict()})
    else:
        typer.echo(found)
