"""Times a short training under each way for waiting threads, alone and beside other work, in turns.

The command is ``bitspike train digits-convnet --set bits=16/1/4 --set epochs=2``, imports included; other work is busy
loops, each of which wants a core for itself. Ways take turns within every round. Writes what
docs/adr/0015-threads.md quotes, and prints its table.
"""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated

import torch
import typer

from bitspike import __version__
from bitspike.files import write_json
from bitspike.training.result import machine_class

WAYS = {
    "as OpenMP has it (300,000 turns)": {"GOMP_SPINCOUNT": "300000"},
    "10,000 turns": {"GOMP_SPINCOUNT": "10000"},
    "1,000 turns, ours": {"GOMP_SPINCOUNT": "1000"},
    "none": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""What is set before the command starts; it leaves alone what is set."""
READ = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
TRAIN = ("train", "digits-convnet", "--set", "bits=16/1/4", "--set", "epochs=2")
RESULTS = Path(__file__).parent.parent / "results" / "benchmarks" / "threads.json"


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """That many processes that never sleep."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def seconds(way: dict[str, str]) -> float:
    environ = {name: value for name, value in os.environ.items() if name not in READ} | way
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "bitspike.cli", *TRAIN, "--runs-dir", runs]
        start = time.perf_counter()
        subprocess.run(command, env=environ, check=True, capture_output=True)
        return time.perf_counter() - start


def processor() -> str:
    """The model that Linux names, and what torch computes with on it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.processor()])[0]}, {torch.backends.cpu.get_cpu_capability()}"


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Runs of every way beside every number of loops.")] = 3,
    loops: Annotated[list[int] | None, typer.Option(help="Busy loops beside it; several times.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times every way in turns and writes the seconds of each run."""
    beside = loops or [0, 1, 2]
    times: dict[str, dict[int, list[float]]] = {name: {n: [] for n in beside} for name in WAYS}
    for _ in range(rounds):
        for n in beside:
            with busy(n):
                for name, way in WAYS.items():
                    times[name][n].append(round(seconds(way), 1))
    record = {
        "command": shlex.join(["python", "benchmarks/threads.py", *sys.argv[1:]]),
        "timed": shlex.join(["bitspike", *TRAIN]),
        "machine": f"{machine_class()}, {processor()}",
        "versions": {"bitspike": __version__, "torch": metadata.version("torch")},
        "rounds": rounds,
        "ways": WAYS,
        "seconds": times,
    }
    write_json(out, record)
    print("| turns | " + " | ".join(f"{n} busy loops" for n in beside) + " |")
    print("|---" * (len(beside) + 1) + "|")
    for name, rows in times.items():
        print(f"| {name} | " + " | ".join(cell(row) for row in rows.values()) + " |")


def cell(row: list[float]) -> str:
    return f"{statistics.median(row):.1f} ({min(row):.1f} to {max(row):.1f})"


if __name__ == "__main__":
    typer.run(main)
