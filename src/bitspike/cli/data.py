"""`bitspike data`: which data sets there are, which of them are here, and whether their files are whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitspike.cli.options import DataDir, Json, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from bitspike.data import Dataset, FileCheck

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_datasets(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print every data set, where it is, and how to get it if it is not here.

    Files are looked for in --data-dir, else in $BITSPIKE_DATA, else in ./data. Nothing is downloaded.
    """
    from bitspike.data import DATASETS
    from bitspike.data.files import data_directory

    directory = str(data_directory(data_dir))
    rows = [_describe(dataset, data_dir) for dataset in DATASETS.values()]
    if as_json:
        print_json({"data_dir": directory, "datasets": rows})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = Text(f"data sets in {directory}")  # a path is no markup
    table = Table("name", "image", "classes", "train", "test", "here", title=title)
    for row in rows:
        here = {2: "yes", 1: f"{' '.join(row['here'])} only", 0: "no"}[len(row["here"])]
        table.add_row(row["name"], row["image"], *(f"{row[key]:,}" for key in ("classes", "train", "test")), here)
    console = Console()
    console.print(table)
    for row in rows:
        if len(row["here"]) < 2:
            console.print(f"{row['name']}: {row['how_to_get']}.", highlight=False, markup=False)


@app.command("check")
def check_datasets(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Data sets to check. Default: all.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read data sets file by file: are they there, whole, and the official ones?

    Exit status 2 if a file is damaged or not the official one, or if a data set that was named is missing.
    """
    from bitspike.data import DATASETS, check, find_dataset

    chosen = [find_dataset(name).name for name in names or DATASETS]
    results = [result for name in chosen for result in check(name, data_dir)]
    if as_json:
        print_json([{**asdict(result), "ok": result.ok} for result in results])
    else:
        _print_checks(results)
    if any(not result.ok and (result.present or names) for result in results):
        raise typer.Exit(2)


def _describe(dataset: Dataset, data_dir: Path | None) -> dict[str, Any]:
    from bitspike.data import where

    places = {split: where(dataset.name, split, data_dir) for split in dataset.images}
    return {
        "name": dataset.name,
        "image": "x".join(str(size) for size in dataset.image_shape),
        "classes": dataset.num_classes,
        "train": dataset.train_count,
        "test": dataset.test_count,
        "here": {split: place for split, place in places.items() if place is not None},
        "how_to_get": dataset.how_to_get,
        "citation": dataset.citation,
    }


def _print_checks(results: list[FileCheck]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from bitspike.data import DATASETS

    table = Table("data set", "split", Column("file", overflow="fold"), "bytes", "checksum")
    for result in results:
        file = result.path if result.present else f"missing from {result.path}"
        table.add_row(result.dataset, result.split, Text(file), f"{result.bytes:,}", result.checksum)
    console = Console()
    console.print(table)
    for result in results:
        if result.problem:
            line = f"{result.dataset} {result.split}: {result.problem}"
            console.print(line, highlight=False, markup=False)
    for name in sorted({result.dataset for result in results if not result.ok}):
        console.print(f"{name}: {DATASETS[name].how_to_get}.", highlight=False, markup=False)
