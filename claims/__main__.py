"""``python -m claims``: runs what is missing, then writes docs/claims.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bitspike.errors import UserError, closest
from claims import paper_000, paper_001, paper_002, paper_003, paper_004
from claims.claim import SCALES
from claims.page import page
from claims.runner import read_results, run_all

PAPERS = (paper_000.PAPER, paper_001.PAPER, paper_002.PAPER, paper_003.PAPER, paper_004.PAPER)
ROOT = Path(__file__).parent.parent


def claims(
    scale: Annotated[
        str, typer.Option(help=f"How long runs are: {', '.join(SCALES)} (claims/claim.py says more).")
    ] = "small",
    only: Annotated[list[str] | None, typer.Option(help="Names of the claims to run, for example 000.1.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; the cores are shared between them.")] = 2,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where run folders go.")] = ROOT / "runs" / "claims",
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Run nothing; write the page from what is there.")
    ] = False,
) -> None:
    """Run the papers' claims that have no result yet, and write docs/claims.md from all results."""
    if scale not in SCALES:
        raise UserError("--scale", scale, closest(scale, SCALES))
    known = {claim.name: claim for paper in PAPERS for claim in paper.claims}
    for name in only or ():
        if name not in known:
            raise UserError("--only", name, closest(name, known))
    folder = ROOT / "results" / "claims"
    try:
        if not page_only:
            runs = [run for name, claim in known.items() if not only or name in only for run in claim.runs]
            chosen = [run for run in runs if run.is_of(scale)]
            if only and len(chosen) < len(runs):
                left_out = next(run for run in runs if not run.is_of(scale))
                raise UserError("--scale", scale, f"it does not have {left_out.recipe}; want small or full")
            run_all(chosen, folder, scale, jobs, runs_dir, data_dir)
    finally:
        results = {name: read_results(folder, name) for name in SCALES}
        (ROOT / "docs" / "claims.md").write_text(page(PAPERS, results))


if __name__ == "__main__":
    try:
        typer.run(claims)
    except UserError as wrong:
        sys.exit(f"claims: {wrong}")
