"""Times steps of training of every family by two copies of bitspike in turns, on made-up images.

``--before`` is the ``src`` folder of another commit, with a library built of it. A process of each copy
(`benchmarks/step_worker.py`) makes a recipe's network and optimizer; then they take turns, a step each. Seconds are
those that the processor gave the process, which other work on the machine moves less than the clock; a ratio is the
median of the rounds'. In float32 both train from the same start, and ``first_losses_equal`` counts the steps whose loss
is the same to the last bit.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from machine import command, commit, processor

import bitspike
from bitspike.files import write_json

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "step_pace.json"
RECIPES = {  # by what a row shows: recipe, and edits
    "000 fashion-convnet 2/2/1": ("fashion-convnet", "bits=2/2/1"),
    "000 cifar10-resnet8-thin 2/2/1": ("cifar10-resnet8-thin",),
    "000 cifar10-resnet8-thin 16/1/4": ("cifar10-resnet8-thin", "bits=16/1/4"),
    "001 adaptive-resnet8-thin-fashion": ("adaptive-resnet8-thin-fashion",),
    "002 qsnn-vggsnn-thin-fashion": ("qsnn-vggsnn-thin-fashion",),
    "003 spikezip-resnet8-thin-fashion": ("spikezip-resnet8-thin-fashion",),
    "004 multilevel-vgg9-thin-fashion": ("multilevel-vgg9-thin-fashion",),
}


class Worker:
    """A process of one copy, which makes networks and takes steps when told."""

    def __init__(self, source: Path, threads: int) -> None:
        environ = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": str(threads)}
        words = [sys.executable, str(HERE / "benchmarks" / "step_worker.py")]
        self.process = subprocess.Popen(
            words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")

    def step(self) -> dict[str, Any]:
        self.tell("")
        assert self.process.stdout
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("a copy ended before it answered; its words are above")
        found: dict[str, Any] = json.loads(answer)
        return found


def turns(workers: dict[str, Worker], precision: str, recipe: tuple[str, ...], steps: int) -> Any:
    """What the copies answered, of each step in turn."""
    for worker in workers.values():
        worker.tell(" ".join((precision, *recipe)))
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for _ in range(steps):
        for name, worker in workers.items():
            taken[name].append(worker.step())
    return taken


def row(workers: dict[str, Worker], recipe: tuple[str, ...], rounds: int) -> dict[str, Any]:
    taken, exact = turns(workers, "bf16", recipe, rounds + 1), turns(workers, "float32", recipe, 3)
    speeds = {n: [one["images"] / one["processor"] for one in steps[1:]] for n, steps in taken.items()}  # one warms up
    ratios = [b / a for a, b in zip(speeds["before"], speeds["after"], strict=True)]
    equal = [a["loss"] == b["loss"] for a, b in zip(exact["before"], exact["after"], strict=True)]
    return {
        "images_per_processor_second": {n: round(statistics.median(s), 1) for n, s in speeds.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in sorted(ratios)],
        "first_losses_equal": equal.index(False) if False in equal else len(equal),
        "of_steps": len(equal),
    }


def main(
    before: Annotated[Path, typer.Option(help="The src folder of the commit to compare with.")],
    name_of_before: Annotated[str | None, typer.Option(help="Its commit, where the folder is no checkout.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Rows whose name has this in it.")] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Steps of each copy.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of either.")] = 1,
    out: Annotated[Path, typer.Option(help="File to write; what it has of other rows stays.")] = RESULTS,
) -> None:
    """Takes steps of every recipe by both copies in turns."""
    sources = {"before": before, "after": HERE / "src"}
    workers = {name: Worker(source, threads) for name, source in sources.items()}
    rows: dict[str, Any] = json.loads(out.read_text())["rows"] if out.exists() else {}
    for name, recipe in RECIPES.items():
        if only and not any(part in name for part in only):
            continue
        rows[name] = row(workers, recipe, rounds)
        found = rows[name]["images_per_processor_second"]
        print(f"{name:36} {found['before']:8.1f} {found['after']:8.1f} images/s, {rows[name]['ratio']:.2f}", flush=True)
        record = {
            "command": command(__file__, SRC=before),
            "machine": processor()
            | {"beside": "other work ran on it: seconds are the processor's, and copies took turns"},
            "commit": {"before": name_of_before or commit(before), "after": commit(HERE / "src")},
            "versions": {"bitspike": bitspike.__version__, "torch": metadata.version("torch")},
            "precision": "bf16",
            "rounds": rounds,
            "threads": threads,
            "rows": rows,
        }
        write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
