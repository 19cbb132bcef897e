"""Times `bitspike train` by two copies of bitspike in turns: images a second, and where the time of a step goes.

``--before`` is the ``src`` folder of another commit (``git worktree add /tmp/before COMMIT``). Both copies train the
same recipe on the same images with the same Python, one after the other within every round; each as it does by
default, so that the precision that a copy chooses by itself counts. Images a second are those of the steps, as the run
notes them, without reading data and the evaluation at the end.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from machine import command, commit

import bitspike
from bitspike.files import write_json
from bitspike.native import detected
from bitspike.training.result import machine_class

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "train_pace.json"
PROGRAM = (sys.executable, "-c", "from bitspike.cli import main; main()")
RUNS = {  # by what a run shows: recipe, and edits beside its size
    "digits-convnet 2/2/1": ("digits-convnet", "bits=2/2/1"),
    "fashion-convnet 2/2/1": ("fashion-convnet", "bits=2/2/1"),
    "fashion-convnet 16/1/4": ("fashion-convnet", "bits=16/1/4"),
    "cifar10-resnet18 2/2/1": ("cifar10-resnet18", "bits=2/2/1", "batch_size=64"),
    "cifar10-resnet18 1/1/4": ("cifar10-resnet18", "bits=1/1/4", "batch_size=64"),
    "adaptive-resnet8-thin-fashion": ("adaptive-resnet8-thin-fashion",),
}
SIZES = {"digits": 1024, "fashion": 2560, "cifar10": 384}


def trained(
    source: Path, recipe: str, edits: tuple[str, ...], size: int, data_dir: Path, threads: int
) -> dict[str, Any]:
    """One epoch by that copy: images a second of its steps, its precision, and its pace where it notes one."""
    with tempfile.TemporaryDirectory() as folder:
        given = [
            part
            for edit in (*edits, f"train_size={size}", "validation_size=200", "epochs=1")
            for part in ("--set", edit)
        ]
        words = ["train", recipe, *given, "--name", "run", "--runs-dir", folder, "--data-dir", str(data_dir)]
        environ = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run([*PROGRAM, *words], env=environ, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        run = Path(folder, "run")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        seconds = next(line["seconds"] for line in lines if "epoch" in line)
        pace = run / "pace.json"
        return {
            "images_per_second": size / seconds,
            "precision": json.loads((run / "config.json").read_text())["precision"],
            "percent_of_time": json.loads(pace.read_text())["percent_of_time"] if pace.exists() else None,
        }


def main(
    before: Annotated[Path, typer.Option(help="The src folder of the commit to compare with.")],
    data_dir: Annotated[Path, typer.Option(help="Where the data sets lie.")],
    only: Annotated[list[str] | None, typer.Option(help="Runs whose name has this in it.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs by either copy.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of either.")] = 1,
    out: Annotated[Path, typer.Option(help="File to write; what it has of other runs stays.")] = RESULTS,
) -> None:
    """Trains every run by both copies in turns."""
    copies = {"before": before, "after": HERE / "src"}
    rows: dict[str, Any] = json.loads(out.read_text())["runs"] if out.exists() else {}
    for name, (recipe, *edits) in RUNS.items():
        if only and not any(part in name for part in only):
            continue
        size = next(size for start, size in SIZES.items() if start in recipe)
        taken: dict[str, list[dict[str, Any]]] = {copy: [] for copy in copies}
        for _ in range(rounds):
            for copy, source in copies.items():
                taken[copy].append(trained(source, recipe, tuple(edits), size, data_dir, threads))
        speeds = {copy: [one["images_per_second"] for one in runs] for copy, runs in taken.items()}
        ratios = [b / a for a, b in zip(speeds["before"], speeds["after"], strict=True)]
        rows[name] = {
            **{
                copy: {
                    "images_per_second": [round(value, 1) for value in sorted(speeds[copy])],
                    "precision": runs[-1]["precision"],
                    "percent_of_time": runs[-1]["percent_of_time"],
                }
                for copy, runs in taken.items()
            },
            "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(value, 3) for value in sorted(ratios)],
            "train_images": size,
        }
        medians = " ".join(f"{statistics.median(values):8.1f}" for values in speeds.values())
        print(f"{name:26} {medians} images/s, {rows[name]['ratio']:.2f}")
    record = {
        "command": command(__file__, SRC=before, DATA=data_dir),
        "machine": f"{machine_class()}, {detected().name}",
        "commit": {copy: commit(source) for copy, source in copies.items()},
        "versions": {"bitspike": bitspike.__version__, "torch": metadata.version("torch")},
        "rounds": rounds,
        "threads": threads,
        "runs": rows,
    }
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
