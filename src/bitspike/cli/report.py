"""`bitspike report`: finished runs as a page, or as a picture."""

from __future__ import annotations

from pathlib import Path

import typer

from bitspike.cli import report_options as options
from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Json, given, print_json
from bitspike.cli.page import print_page
from bitspike.cli.runs import Csv
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

__all__ = ["report"]


def report(
    name: options.Figure,
    runs: options.Runs = None,
    output: options.Output = None,
    images: options.Images = None,
    lowest: options.Lowest = None,
    data_dir: DataDir = None,
    show: options.Show = False,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Show finished runs beside each other: all that was measured on one page of HTML, or one picture of it.

    A page takes run folders and frozen files; it needs no network and nothing beside it. Pictures have names.

    Examples: bitspike report runs/a runs/b a.bitspike -o report.html;
    bitspike report information runs/with runs/without -o information.png;
    bitspike report pareto runs/a runs/b-seed0 runs/b-seed1 -o pareto.svg;
    bitspike report boxes runs/ann runs/quantized snn.bitspike -o boxes.png
    """
    from bitspike import reports
    from bitspike.api.page import is_page
    from bitspike.api.report import PARETO, check_picture_name, drawn
    from bitspike.api.runs import compared

    if output is not None and is_page(output):
        for option, value in given(csv=as_csv or None, images=images, lowest=lowest).items():
            raise UserError(f"--{option}", value, "it is for a picture; a page has all there is")
        print_page([Path(name), *(runs or [])], output, data_dir, as_json)
        return
    check_picture_name(name)
    if not runs:
        raise UserError("runs", None, "want run folders behind the name of the picture; or -o FILE.html, for a page")
    if output is not None:
        reports.check_picture("--output", output)
    elif name != PARETO:
        raise UserError("--output", None, f"{name} is a picture; want --output FILE")
    if as_csv and name != PARETO:
        raise UserError("--csv", name, f"it is for {PARETO}")
    rows = compared(runs) if name == PARETO else []
    if output is not None:
        with notices():
            picture = drawn(name, runs, data_dir, **given(images=images, lowest=lowest))
        reports.save_picture(picture, output)
    if as_json:
        told = {"figure": name, "runs": [str(run) for run in runs], "file": None if output is None else str(output)}
        print_json(told | ({"rows": rows} if name == PARETO else {}))
    elif as_csv:
        typer.echo(reports.as_csv(rows), nl=False)
    else:
        print_tables(*[reports.compared_table(rows)] * bool(rows))
        typer.echo(f"wrote {output}") if output is not None else None
