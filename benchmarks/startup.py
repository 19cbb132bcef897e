"""Times how long commands take from the shell's side, imports included, by two copies of bitspike in turns.

``--before`` is the ``src`` folder of another commit (``git worktree add /tmp/before COMMIT``). Both copies run with
the same Python, one after the other within every round, and the first run of each, which fills the disk's cache, does
not count. ``evaluate``, ``cost`` and ``export`` read a network of digits that each copy has trained and frozen for
itself, because files of another commit may be of another version.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from machine import command as command_of
from machine import commit

import bitspike
from bitspike.files import write_json
from bitspike.training.result import machine_class

COMMANDS = (
    "--help",
    "data list",
    "data check digits",
    "train --list",
    "cost FILE",
    "evaluate FILE",
    "evaluate FILE --engine c",
    "export FILE --to onnx --output OUT",
)
HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "startup.json"


def seconds(source: Path, *words: object) -> float:
    """How long one run of a command by that copy takes."""
    environ = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    called = [sys.executable, "-m", "bitspike", *map(str, words)]
    start = time.perf_counter()
    done = subprocess.run(called, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{source}: bitspike {' '.join(map(str, words))}: {done.stderr}")
    return time.perf_counter() - start


def frozen_digits(source: Path, folder: Path) -> Path:
    """A network of digits, trained and frozen by that copy."""
    edits = ("--set", "bits=2/2/1", "--set", "epochs=1")
    seconds(source, "train", "digits-convnet", *edits, "--name", "digits", "--runs-dir", folder)
    file = folder / "digits.bitspike"
    seconds(source, "freeze", folder / "digits", "--output", file, "--images", 0)
    return file


def summary(times: list[float]) -> dict[str, float]:
    """Median, quartiles and the least, in seconds."""
    first, middle, third = statistics.quantiles(times, n=4, method="inclusive")
    named = {"median": middle, "first_quartile": first, "third_quartile": third, "least": min(times)}
    return {name: round(value, 3) for name, value in named.items()}


def main(
    before: Annotated[Path, typer.Option(help="The src folder of the commit to compare with.")],
    rounds: Annotated[int, typer.Option(min=2, help="Runs of every command by either copy.")] = 7,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times every command by both copies in turns."""
    copies = {"before": before, "after": HERE / "src"}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        places = {
            name: {"FILE": frozen_digits(source, Path(folder, name)), "OUT": Path(folder, name, "out")}
            for name, source in copies.items()
        }
        for command in COMMANDS:
            calls = {
                name: (source, *(places[name].get(word, word) for word in command.split()))
                for name, source in copies.items()
            }
            for call in calls.values():
                seconds(*call)
            times: dict[str, list[float]] = {name: [] for name in copies}
            for _ in range(rounds):
                for name, call in calls.items():
                    times[name].append(seconds(*call))
            rows[command] = {name: summary(taken) for name, taken in times.items()}
            ratio = rows[command]["before"]["median"] / rows[command]["after"]["median"]
            print(
                f"{command:36}" + "".join(f"{rows[command][name]['median']:8.3f} s" for name in copies), f"{ratio:6.2f}"
            )
    record = {
        "command": command_of(__file__, SRC=before),
        "machine": machine_class(),
        "commit": {name: commit(source) for name, source in copies.items()},
        "versions": {"bitspike": bitspike.__version__, "torch": metadata.version("torch")},
        "rounds": rounds,
        "seconds": rows,
    }
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
