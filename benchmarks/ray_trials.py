"""A sweep on a Ray cluster of two workers, one of which is killed, beside the same sweep in one process.

Both are ``bitspike allocate`` of a small network on scikit-learn's digits. Halfway, the worker that has a trial in its
search, behind a checkpoint, gets SIGKILL. Writes what docs/scale.md quotes; ends with 1 unless both are the same.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from machine import command, processor

from bitspike import __version__
from bitspike.files import write_json

EDITS = (
    "dataset=digits", "augment=", "channels=8,8,8", "train_size=1024", "validation_size=200", "batch_size=32",
    "epochs=3", "bits=3/3/1", "optimizer.lr=0.02", "neuron.spare_steps=0", "checkpoint_every=8",
)  # fmt: skip
ALLOCATE = ("allocate", "adaptive-resnet8-thin-fashion", "--max-size", "3k")
RESULTS = Path(__file__).parent.parent / "results" / "scale" / "ray.json"
LONGEST = 3600
"""Seconds after which a sweep has failed."""


def started(folder: Path, name: str, trials: int, *more: str) -> subprocess.Popen[str]:
    edits = [word for edit in EDITS for word in ("--set", edit)]
    typed = [*ALLOCATE, *edits, "--trials", str(trials), "--name", name, "--runs-dir", str(folder), *more]
    print(f"bitspike {shlex.join(typed)}", file=sys.stderr)
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen([sys.executable, "-m", "bitspike", *typed], text=True, stderr=log, env=environ)


def killed(folder: Path, after: int, sweep: subprocess.Popen[str]) -> dict[str, Any]:
    """Kills the worker of the first trial from ``after`` on that has a checkpoint of its search and no more."""
    end = time.monotonic() + LONGEST
    while sweep.poll() is None and time.monotonic() < end:
        for trial in sorted(folder.glob("[0-9]*")):
            search = trial / "search"
            if int(trial.name[:3]) < after or not (search / "checkpoint.safetensors").exists():
                continue
            if (search / "result.json").exists():
                continue
            try:
                pid = int((search / ".lock").read_text().split()[0])
                os.kill(pid, signal.SIGKILL)
            except (OSError, ValueError, IndexError):
                continue
            born = (search / "config.json").stat().st_mtime_ns
            steps = [json.loads(line)["step"] for line in whole_lines(search / "metrics.jsonl")]
            return {"trial": trial.name, "after_step": max(steps, default=0), "born": born}
        time.sleep(0.02)
    raise SystemExit("no worker could be killed in time")


def whole_lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.endswith("}")]


def begun(log: Path) -> Counter[str]:
    """How often each trial was begun."""
    return Counter(re.findall(r"trial \d+, (\S+): begins", log.read_text()))


def main(
    trials: Annotated[int, typer.Option(help="Networks in a sweep.")] = 20,
    workers: Annotated[int, typer.Option(help="Of the cluster.")] = 2,
    to: Annotated[Path, typer.Option(help="Where the result goes.")] = RESULTS,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = {}
        clock = time.perf_counter()
        assert started(folder, "alone", trials).wait(LONGEST) == 0, (folder / "alone.log").read_text()
        times["one process"] = round(time.perf_counter() - clock, 1)
        clock = time.perf_counter()
        on_ray = started(folder, "ray", trials, "--ray", "local", "--jobs", str(workers))
        victim = killed(folder / "ray", trials // 2, on_ray)
        assert on_ray.wait(LONGEST) == 0, (folder / "ray.log").read_text()
        times["ray"] = round(time.perf_counter() - clock, 1)
        alone, many = (json.loads((folder / one / "sweep.json").read_text()) for one in ("alone", "ray"))
        again = begun(folder / "ray.log")
        search = folder / "ray" / victim["trial"] / "search"
        steps = Counter(
            line["step"] for line in map(json.loads, whole_lines(search / "metrics.jsonl")) if "epoch" not in line
        )
        found = {
            "command": command(__file__, TO=to),
            "machine": processor(),
            "versions": {"bitspike": __version__, **{name: metadata.version(name) for name in ("ray", "optuna")}},
            "torch": torch.__version__,
            "allocate": " ".join(["bitspike", *ALLOCATE, *(f"--set {edit}" for edit in EDITS)]),
            "trials": trials,
            "workers": workers,
            "killed": {
                "trial": victim["trial"],
                "signal": "SIGKILL",
                "after_step_of_search": victim["after_step"],
                "went_on_in_its_folder": (search / "config.json").stat().st_mtime_ns == victim["born"],
                "every_step_recorded_once": set(steps.values()) == {1},
            },
            "finished": len(many),
            "folders": len(list((folder / "ray").glob("[0-9]*"))),
            "begun_once": sum(times == 1 for times in again.values()),
            "begun_twice": [name for name, times in again.items() if times == 2],
            "pareto": [point["folder"] for point in many if point["best"]],
            "same_points": many == alone,
            "same_pareto": [p for p in many if p["best"]] == [p for p in alone if p["best"]],
            "distinct_accuracies": len({point["validation_accuracy"] for point in many}),
            "seconds": times,
            "points": many,
        }
    write_json(to, found)
    print(json.dumps({key: value for key, value in found.items() if key != "points"}, indent=2))
    right = found["same_points"] and found["finished"] == trials and found["begun_once"] == trials - 1
    sys.exit(not right)


if __name__ == "__main__":
    typer.run(main)
