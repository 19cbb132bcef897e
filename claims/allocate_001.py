"""``python -m claims.allocate_001``: networks that `bitspike allocate` fits into the cost of a uniform one, beside it.

For each data set and each uniform network: its size and its S-ACE are the budget; the allocated network learns its bits
and is fine-tuned with them (``EPOCHS``), the uniform one trains for as many epochs in all. One JSON line a comparison
under ``results/claims/allocate-001.jsonl``; those that are there are not run again. With ``--table`` it prints what is
there as Markdown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from bitspike import __version__, recipes
from bitspike.allocation import allocate
from bitspike.costs import cost
from bitspike.errors import UserError, closest
from bitspike.training import BudgetConfig, RunFolder, TrainConfig, override, train
from bitspike.training.result import machine_class
from bitspike.training.setup import graph_of, make_model
from claims.claim import SCALES, Run
from claims.paper_001 import DATA
from claims.paper_001 import uniform as uniform_bits

ROOT = Path(__file__).parent.parent
UNIFORM = ("2/2/1", "2/3/1", "3/3/1")
EPOCHS = {"small": (3, 2), "real": (6, 4)}
"""Of the search, and of the fine-tuning that follows; the uniform network trains for as many together."""
SHOWN = ("test_accuracy", "size_bytes", "s_ace", "mean_w", "mean_s", "mean_t")


def compare(scale: str, data: str, bits: str, seed: int, runs_dir: Path, data_dir: Path | None) -> dict[str, Any]:
    """Trains both networks."""
    recipe, name = DATA[data], f"{scale}-{data}-{bits.replace('/', '-')}-seed{seed}"
    search, fine_tune = EPOCHS[scale]

    def config(*edits: str) -> TrainConfig:
        return override(recipes.recipe(recipe), [*Run(recipe, (), seed).all_edits(scale), *edits])

    uniform = config(*uniform_bits(bits), f"epochs={search + fine_tune}")
    total = cost(graph_of(uniform, make_model(uniform))).total
    budget = BudgetConfig(max_size=total.size_bytes, max_s_ace=total.s_ace)
    searching = config(f"epochs={search}")
    found = allocate(searching, budget, runs_dir / name, data_dir, fine_tune_epochs=fine_tune)
    folder = RunFolder(runs_dir / f"{name}-uniform")
    twin = json.loads(folder.result_file.read_text()) if folder.result_file.exists() else None
    twin = twin or train(uniform, folder, data_dir, resume=folder.config_file.exists())
    return {
        "data": data,
        "uniform_bits": bits,
        "seed": seed,
        "budget": budget.limits(),
        "kept": all(found["costs"][name] <= limit for name, limit in budget.limits().items()),
        "allocated": {key: found["result"][key] for key in SHOWN},
        "uniform": {key: twin[key] for key in SHOWN},
        "plan": found["plan"],
        "recipe": recipe,
        "scale": scale,
        "edits": SCALES[scale][recipe],
        "epochs": [search, fine_tune],
        "machine": machine_class(),
        "bitspike": __version__,
    }


def rows(lines: list[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table: a row for each budget, means over the seeds."""
    yield "| scale, data, budget of | seeds | allocated | uniform | w/s/T allocated | size, S-ACE spent |"
    yield "|---|---|---|---|---|---|"
    for key in dict.fromkeys(map(_group, lines)):
        some = [line for line in lines if _group(line) == key]
        ours, theirs = ({k: mean(line[of][k] for line in some) for k in SHOWN} for of in ("allocated", "uniform"))
        widths = "/".join(f"{ours[k]:.2f}" for k in ("mean_w", "mean_s", "mean_t"))
        spent = ", ".join(f"{100 * ours[k] / theirs[k]:.1f} %" for k in ("size_bytes", "s_ace"))
        accuracies = f"{ours['test_accuracy']:.2f} % | {theirs['test_accuracy']:.2f} %"
        yield f"| {', '.join(key)} | {len(some)} | {accuracies} | {widths} | {spent} |"


def _group(line: dict[str, Any]) -> tuple[str, str, str]:
    """The first lines were written when there was one scale."""
    return line.get("scale", "small"), line["data"], line["uniform_bits"]


def main(
    data: Annotated[list[str] | None, typer.Option(help="fashion, cifar10; default both.")] = None,
    scale: Annotated[str, typer.Option(help=f"How long trainings are: {' or '.join(EPOCHS)}.")] = "small",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to this less one.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where run folders go.")] = ROOT / "runs" / "allocate-001",
    table: Annotated[bool, typer.Option("--table", help="Run nothing; print the table.")] = False,
) -> None:
    """Compare allocated networks with uniform ones."""
    for thing, given, known in (("--scale", [scale], EPOCHS), ("--data", data or [], DATA)):
        for name in given:
            if name not in known:
                raise UserError(thing, name, closest(name, known))
    file = ROOT / "results" / "claims" / "allocate-001.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if table:
        print("\n".join(rows(done)))
        return
    there = {(*_group(line), line["seed"]) for line in done}
    for key in ((scale, part, bits, seed) for seed in range(seeds) for part in data or DATA for bits in UNIFORM):
        if key not in there:
            line = compare(*key, runs_dir, data_dir)
            with file.open("a") as out:
                out.write(json.dumps(line) + "\n")
            print(key, line["allocated"]["test_accuracy"], line["uniform"]["test_accuracy"], file=sys.stderr)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"allocate_001: {wrong}")
