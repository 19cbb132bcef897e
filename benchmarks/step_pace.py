"""Times steps of training of every family by two copies of bitspike in turns, on made-up images.

``--before`` is the ``src`` folder of another commit, with a library built of it. A process of each copy
(`benchmarks/step_worker.py`) makes the recipe's network and optimizer; then they take turns, a step each. Seconds are
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
    """A process of one copy, which takes a step when told."""

    def __init__(self, source: Path, precision: str, threads: int, recipe: tuple[str, ...]) -> None:
        environ = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": str(threads)}
        words = [sys.executable, str(HERE / "benchmarks" / "step_worker.py"), precision, *recipe]
        self.process = subprocess.Popen(
            words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def step(self) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("a copy ended before it answered; its words are above")
        found: dict[str, Any] = json.loads(answer)
        return found

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def turns(sources: dict[str, Path], precision: str, threads: int, recipe: tuple[str, ...], rounds: int) -> Any:
    """What the copies answered, of each step in turn."""
    workers = {name: Worker(source, precision, threads, recipe) for name, source in sources.items()}
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            taken[name].append(worker.step())
    for worker in workers.values():
        worker.end()
    return taken


def row(sources: dict[str, Path], threads: int, recipe: tuple[str, ...], rounds: int) -> dict[str, Any]:
    taken = turns(sources, "bf16", threads, recipe, rounds + 2)
    exact = turns(sources, "float32", threads, recipe, 4)
    speeds = {
        name: [one["images"] / one["processor"] for one in steps[2:]] for name, steps in taken.items()
    }  # two to warm up
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
    rows: dict[str, Any] = json.loads(out.read_text())["rows"] if out.exists() else {}
    for name, recipe in RECIPES.items():
        if only and not any(part in name for part in only):
            continue
        rows[name] = row(sources, threads, recipe, rounds)
        found = rows[name]["images_per_processor_second"]
        print(f"{name:36} {found['before']:8.1f} {found['after']:8.1f} images/s, {rows[name]['ratio']:.2f}", flush=True)
    record = {
        "command": command(__file__, SRC=before),
        "machine": processor() | {"beside": "other work ran on it: seconds are the processor's, and copies took turns"},
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
