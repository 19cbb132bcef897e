"""`bitspike convert`: a trained network as a spiking one that computes the same, and the proof on real images."""

from __future__ import annotations

from pathlib import Path

import typer

import bitspike
from bitspike.cli import convert_options as options
from bitspike.cli.options import DataDir, Json, Resume, RunsDir, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import require

__all__ = ["convert"]


def convert(
    source: options.Source,
    edits: options.Edits = None,
    ann: options.Ann = None,
    dataset: options.Dataset = None,
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

    Examples: bitspike convert spikezip-resnet8-thin-fashion --data-dir ~/data;
    bitspike convert runs/my-ann --set neuron.levels=4; bitspike convert examples.plain:make_net --dataset digits
    """
    from bitspike import reports
    from bitspike.cli.progress import ProgressBar
    from bitspike.conversion import EXACT_BITS

    if picture:
        reports.check_picture("--picture", picture)
        require("matplotlib", "viz")
    found = bitspike.convert(
        source,
        *(edits or []),
        ann=ann,
        dataset=dataset,
        method=method,
        steps=steps,
        images=images,
        split=split,
        stop_when_settled=stop_when_settled,
        name=name,
        runs_dir=runs_dir,
        data_dir=data_dir,
        resume=resume,
        observers=ProgressBar,
    )
    if picture:
        reports.save_picture(reports.conversion_figure(found.record), picture)
    if as_json:
        print_json(found.to_dict())
    else:
        print_tables(reports.conversion_table(found.record), reports.total_table(found.cost))
        for line in reports.conversion_lines(found.record, EXACT_BITS):
            typer.echo(line)
        typer.echo(f"run folder: {found.run.folder}")
    if found.is_wrong:
        raise typer.Exit(1)
