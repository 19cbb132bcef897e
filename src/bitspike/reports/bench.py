"""How fast a network runs, and where its time goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from bitspike.reports.tables import si, table_of

__all__ = ["bench_tables"]


def bench_tables(result: Mapping[str, Any]) -> list[Table]:
    """Images a second of each engine; then the stages of the network (`bitspike bench --json`)."""
    title = f"{result['processor']}, {result['level']}"
    speeds = table_of(title, "engine", "batch", "threads", "images/s", "quartiles")
    for speed in result["speeds"]:
        quartiles = f"{si(speed['lower_quartile'])} to {si(speed['upper_quartile'])}"
        row = (str(speed["batch"]), str(speed["threads"]), si(speed["images_per_second"]), quartiles)
        speeds.add_row(speed["engine"], *row)
    total = sum(stage["seconds"] for stage in result["stages"])
    caption = "One thread, one image."
    if result["peak"] is not None:
        caption += f" Share: of {si(result['peak'])} products of bytes a second, which this machine was seen to add up;"
        caption += " kernels that read bits can do more."
    stages = table_of("", "layer", "kernel", "us", "of all", "MAC/s", "share", caption=caption)
    for stage in result["stages"]:
        name, kernel = stage["ops"][0], stage["kernel"] or "–"
        took = (f"{1e6 * stage['seconds']:.1f}", f"{100 * stage['seconds'] / total:.1f} %")
        share = "–" if stage["share"] is None else f"{100 * stage['share']:.0f} %"
        rate = (si(stage["macs_per_second"]), share) if stage["macs"] else ("–", "–")
        stages.add_row(escape(name), kernel, *took, *rate)
    return [speeds, stages]
