"""Times how long commands take from the shell's side, imports included, by two copies of bitspike in turns.

``--before`` is the ``src`` folder of another commit (``git worktree add /tmp/before COMMIT``). Both copies run with
the same Python, one after the other within every round, and the first run of each, which fills the disk's cache, does
not count. ``evaluate`` and ``cost`` read a network of digits that is trained and frozen first.
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


def seconds(source: Path, words: list[str]) -> tuple[float, bytes]:
    """One run of a command by that copy: how long it took, and what it printed."""
    environ = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "bitspike", *words], env=environ, check=True, capture_output=True)
    return time.perf_counter() - start, done.stdout


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
    """Times every command by both copies in turns; refuses to, where they print other results."""
    copies = {"before": before, "after": HERE / "src"}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        run = bitspike.train("digits-convnet", "bits=2/2/1", "epochs=1", name="digits", runs_dir=folder)
        bitspike.freeze(run, Path(folder, "digits.bitspike"), images=0)
        there = {"FILE": f"{folder}/digits.bitspike", "OUT": f"{folder}/out"}
        for command in COMMANDS:
            words = [there.get(word, word) for word in command.split()]
            printed = {name: seconds(source, words)[1] for name, source in copies.items()}
            if command != "--help" and printed["before"] != printed["after"]:  # new verbs are in the help
                sys.exit(f"bitspike {command}: the two copies print different text")
            times: dict[str, list[float]] = {name: [] for name in copies}
            for _ in range(rounds):
                for name, source in copies.items():
                    times[name].append(seconds(source, words)[0])
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
