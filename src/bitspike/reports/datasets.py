"""Data sets as tables: what is there, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Column, Table
from rich.text import Text

__all__ = ["check_lines", "checks_tables", "datasets_table"]


def datasets_table(rows: Sequence[Mapping[str, Any]], directory: str) -> Table:
    """A row for each data set (`bitspike data list --json`)."""
    columns = (Column(name, no_wrap=True) for name in ("name", "image", "classes", "train", "test", "here"))
    table = Table(*columns, title=Text(f"data sets in {directory}"))
    for row in rows:
        here = (
            "cannot be read"
            if row["problem"]
            else {2: "yes", 1: f"{' '.join(row['here'])} only", 0: "no"}[len(row["here"])]
        )
        counts = [f"{row[key]:,}" if row[key] is not None else "" for key in ("classes", "train", "test")]
        if row["train"] is None:
            counts[1] = f"{row['recordings']:,} in all"
        table.add_row(row["name"], row["image"] + " events" * ("recordings" in row), *counts, here)
    return table


def checks_tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A row for each file, and in a table of their own for each class of recordings (`bitspike data check --json`)."""
    files = [row for row in rows if "checksum" in row]
    recordings = [row for row in rows if row.get("classes")]
    boxed = [row for row in rows if row.get("boxes")]
    return [_files(files)] * bool(files) + [_recordings(recordings)] * bool(recordings) + [_boxed(boxed)] * bool(boxed)


def check_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the tables do not say: every problem, and that a set is not the whole one."""
    lines = []
    for row in rows:
        of = f"{row['dataset']} {row['split']}"
        problems = row["problems"] if "problems" in row else [row["problem"]]
        lines += [f"{of}: {problem}" for problem in problems if problem]
        lines += [f"{of}: left out: {line}" for line in row.get("left_out", ())]
        count, full = sum(one["recordings"] for one in row.get("classes", ())), row.get("full")
        if count and full is not None and count < full:
            lines.append(f"{of}: {count:,} of {full:,} recordings, a subset")
        elif count and full is None and row["total"] is not None:
            lines.append(f"{of}: {count:,} recordings; the whole set has {row['total']:,} in both splits")
    return lines


def _recordings(rows: Sequence[Mapping[str, Any]]) -> Table:
    numbers = (Column(name, no_wrap=True, justify="right") for name in ("recordings", "events"))
    table = Table(*(Column(name, no_wrap=True) for name in ("data set", "split", "class")), *numbers)
    for row in rows:
        both = [sum(one[key] for one in row["classes"]) for key in ("recordings", "events")]
        for one in (*row["classes"], {"name": "all", "recordings": both[0], "events": both[1]}):
            counts = (f"{one[key]:,}" for key in ("recordings", "events"))
            table.add_row(Text(row["dataset"]), row["split"], Text(one["name"]), *counts)
        table.add_section()
    return table


def _boxed(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each class, and one for all: images, those of them without boxes, boxes."""
    numbers = (Column(name, no_wrap=True, justify="right") for name in ("images", "without boxes", "boxes"))
    table = Table(*(Column(name, no_wrap=True) for name in ("data set", "split", "class")), *numbers)
    for row in rows:
        for one in row["boxes"]:
            table.add_row(Text(row["dataset"]), row["split"], Text(one["name"]), "", "", f"{one['boxes']:,}")
        counts = (row["images"], row["empty"], sum(one["boxes"] for one in row["boxes"]))
        table.add_row(Text(row["dataset"]), row["split"], "all", *(f"{count:,}" for count in counts))
        table.add_section()
    return table


def _files(rows: Sequence[Mapping[str, Any]]) -> Table:
    file = Column("file", overflow="fold", min_width=20)  # a path; it folds
    table = Table(*(Column(name, no_wrap=True) for name in ("data set", "split")), file)
    for name in ("bytes", "checksum"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        place = row["path"] if row["present"] else f"missing from {row['path']}"
        table.add_row(row["dataset"], row["split"], Text(place), f"{row['bytes']:,}", row["checksum"])
    return table
