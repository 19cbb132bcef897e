"""Runs what has no result yet, and appends one JSON line for each run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import Any

from bitspike.errors import UserError
from bitspike.training.migrate import MOVED
from claims.claim import Run

__all__ = ["append", "folder_name", "read_results", "run_all"]

TRAINING_ANN = Lock()


def read_results(folder: Path, scale: str) -> dict[str, dict[str, Any]]:
    """Results by run, in today's keys; a line that a crash cut short counts as not run."""
    file = folder / f"{scale}.jsonl"
    found: dict[str, dict[str, Any]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            result = json.loads(line)
        except ValueError:
            continue
        found[_todays(result["run"])] = result
    return found


def _todays(run: str) -> str:
    """A run's key with the settings called as they are now: recorded lines stay as they were written."""
    words = (word.partition("=") for word in run.split(" "))
    return " ".join(MOVED.get(key, key) + equals + value for key, equals, value in words)


def run_all(runs: Iterable[Run], folder: Path, scale: str, jobs: int, runs_dir: Path, data_dir: Path | None) -> None:
    """Trains each run that ``folder`` has no line of, ``jobs`` at a time with the cores shared between them.

    Raises:
        UserError: a run failed; its own message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = read_results(folder, scale)
    waiting = [run for run in dict.fromkeys(runs) if run.key not in done]
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    print(f"{len(waiting)} of {len(set(runs))} runs to do at scale {scale}, {jobs} at a time", file=sys.stderr)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_one, run, scale, threads, runs_dir, data_dir): run for run in waiting}
        try:
            for future in as_completed(futures):
                key, result = futures[future].key, future.result()
                append(folder / f"{scale}.jsonl", {"run": key, "scale": scale, **result})
                score = result.get("test_accuracy", result.get("test_map50"))
                print(f"{key}: {score:.2f} %", file=sys.stderr)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def folder_name(run: Run, scale: str) -> str:
    """Of the run's folder."""
    return "-".join((scale, run.key)).replace(" ", "-").replace("/", "-").replace("=", "-")


def _one(run: Run, scale: str, threads: int, runs_dir: Path, data_dir: Path | None) -> dict[str, Any]:
    name = folder_name(run, scale)
    command = ["convert" if run.converts else "train", run.recipe]
    if run.converts:
        ann = Run(f"{run.recipe}-ann", (), run.seed)
        with TRAINING_ANN:  # which several conversions start from
            if not (runs_dir / folder_name(ann, scale) / "result.json").exists():
                _one(ann, scale, threads, runs_dir, data_dir)
        command += ["--ann", str(runs_dir / folder_name(ann, scale))]
        options = run.options(scale)
        command += options if any(o.startswith("--method") for o in options) else (*options, "--stop-when-settled")
    for edit in run.all_edits(scale):
        command += ["--set", edit]
    where = ["--name", name, "--runs-dir", str(runs_dir), "--json"]
    where += ["--data-dir", str(data_dir)] if data_dir else []
    where += ["--resume"] if (runs_dir / name / "config.json").exists() else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    program = [sys.executable, "-c", "from bitspike.cli import main; main()"]
    finished = subprocess.run([*program, *command, *where], capture_output=True, text=True, env=environment)
    if finished.returncode:
        errors = finished.stderr.strip().splitlines()
        raise UserError("run", run.key, errors[-1] if errors else f"it ended with status {finished.returncode}")
    result: dict[str, Any] = json.loads(finished.stdout)
    for place in ("folder", "report"):  # of this machine
        result.pop(place, None)
    said = " ".join(["bitspike", *command]).replace(str(runs_dir), "runs/claims")  # no path of this machine
    return {**result, "command": said, "commit": _commit()}


def _commit() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


def append(file: Path, line: Mapping[str, Any]) -> None:
    """Adds a JSON line; one that a crash cut short is ended first."""
    cut_short = file.exists() and not file.read_bytes().endswith(b"\n")
    with file.open("a") as out:
        out.write("\n" * cut_short + json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())
