"""`bitspike convert`: a trained network as a spiking one that computes the same, and the proof on real images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import typer

import bitspike
from bitspike.cli import convert_options as options
from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Json, Resume, RunsDir, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import require

__all__ = ["convert"]


def convert(
    source: options.Source,
    edits: options.Edits = None,
    ann: options.Ann = None,
    dataset: options.Dataset = None,
    mean: options.Mean = None,
    std: options.Std = None,
    max_pool: options.MaxPool = None,
    method: options.Method = "spikezip",
    steps: options.Steps = None,
    images: options.Images = None,
    split: options.Split = "test",
    stop_when_settled: options.StopWhenSettled = False,
    picture: options.Picture = None,
    name: options.Name = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Fine-tune a network with quantized ReLUs, convert it to a spiking one, and compare the two on every image.

    The comparison is in integers and without tolerance: the spiking network's logits must be the quantized network's.
    It prints when the last spike was sent, and the accuracy had it been read earlier. The run folder receives
    snn.bitspike, the integers, for `bitspike evaluate` and `export`; snn_cost.json; and conversion.json.

    Before it trains, it says what your network computes on real images, and what it computes as it was read.

    Examples: bitspike convert runs/my-ann --set neuron.levels=4;
    bitspike convert package.module:function --dataset cifar10 --mean 0.5 --std 0.5
    """
    from bitspike import reports
    from bitspike.cli.progress import ProgressBar
    from bitspike.conversion import EXACT_BITS

    if picture:
        reports.check_picture("--picture", picture)
        require("matplotlib", "viz")
    known: dict[str, Any] = {"ann": ann, "dataset": dataset, "mean": mean, "std": std, "max_pool": max_pool}
    made: dict[str, Any] = {"method": method, "steps": steps, "stop_when_settled": stop_when_settled}
    shown: dict[str, Any] = {"images": images, "split": split, "say": partial(typer.echo, err=True)}
    where: dict[str, Any] = {"name": name, "runs_dir": runs_dir, "data_dir": data_dir, "resume": resume}
    with notices():
        found = bitspike.convert(source, *(edits or []), observers=ProgressBar, **known, **made, **shown, **where)
    if picture:
        reports.save_picture(reports.conversion_figure(found.record), picture)
    if as_json:
        print_json(found.to_dict())
    else:
        print_tables(reports.conversion_table(found.record), reports.total_table(found.cost))
        lines = reports.conversion_lines(found.record, EXACT_BITS)
        typer.echo("\n".join((*lines, f"run folder: {found.run.folder}")))
    if found.is_wrong:
        raise typer.Exit(1)
