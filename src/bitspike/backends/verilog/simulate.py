"""Running an exported network, cycle by cycle, in a simulator: Verilator or Icarus."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.verilog.program import Program
from bitspike.backends.verilog.streaming import Pipeline
from bitspike.errors import UserError

__all__ = ["SIMULATORS", "Simulated", "simulated", "simulator"]

Hardware = Program | Pipeline
SIMULATORS = {"verilator": "verilator", "icarus": "iverilog"}
"""Their commands, by name."""


@dataclass(frozen=True)
class Simulated:
    """What was seen.

    Attributes:
        logits: ``[N, K]``. cycles: of each sample, from its first beat in to its last beat out.
        edges: of a traced run, every edge that a layer stores, ``[T, N, *shape]`` by name.
        ends: the cycle of each sample's last beat out.
    """

    logits: NDArray[np.int64]
    cycles: NDArray[np.int64]
    edges: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def simulator(wanted: str | None = None) -> str:
    """The simulator of that name, or the first that is installed.

    Raises:
        UserError: there is none, or no such.
    """
    if wanted is not None and wanted not in SIMULATORS:
        raise UserError("simulator", wanted, f"want {' or '.join(SIMULATORS)}")
    found = next((name for name in ([wanted] if wanted else SIMULATORS) if shutil.which(SIMULATORS[name])), None)
    if found is None:
        raise UserError("simulator", wanted or "none", "install verilator or iverilog (Debian has both)")
    return found


def simulated(
    program: Hardware, samples: NDArray[np.uint8], tool: str, seed: int = 0, trace: bool = False
) -> Simulated:
    """The network on samples ``[N, ...]``.

    Args:
        program: the network.
        samples: as they are sent.
        tool: one of `SIMULATORS`.
        seed: of gaps in what comes in and pauses in what goes out; 0 for none.
        trace: whether to tell every edge.

    Raises:
        UserError: the simulator fails, or what it says is not the answer to so many samples.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in program.files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        Path(folder, "samples.mem").write_text(
            "\n".join(f"{code:02x}" for code in program.order(samples).ravel().tolist()) + "\n"
        )
        build, binary = _commands(program, tool, trace)
        _run(build, folder)
        said = _run(
            [
                *binary,
                "+samples=samples.mem",
                f"+count={len(samples)}",
                f"+seed={seed}",
                f"+limit={program.limit(len(samples))}",
            ],
            folder,
        )
    return _read(program, said, len(samples))


def _commands(program: Hardware, tool: str, trace: bool) -> tuple[list[str], list[str]]:
    """What builds the simulation, and what runs it."""
    defined = ["-DBITSPIKE_TRACE"] * trace
    sources = [name for name in program.files if name.endswith(".sv")]
    top = f"{program.name}_tb"
    if tool == "icarus":
        return ["iverilog", "-g2012", *defined, "-s", top, "-o", "simulation", *sources], ["vvp", "-n", "simulation"]
    fast = ["-CFLAGS", "-O1", "-O3", "--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal"]
    return ["verilator", "--binary", "--timing", *fast, *defined, "--top-module", top, *sources], [f"obj_dir/V{top}"]


def _run(command: Sequence[str], folder: str) -> str:
    path = shutil.which(command[0]) or str(Path(folder, command[0]))
    done = subprocess.run([path, *command[1:]], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            command[0], f"status {done.returncode}", " ".join(done.stderr.split())[:500] or "it said nothing"
        )
    return done.stdout


def _read(program: Hardware, said: str, samples: int) -> Simulated:
    """Logits, cycles and edges in the order in which they were told."""
    told: list[list[int]] = []
    logits: list[list[int]] = []
    cycles: list[list[int]] = []
    for line in said.splitlines():
        kind, *numbers = line.split() or [""]
        if kind == "wrong:" or numbers[-1:] == ["x"]:
            raise UserError("simulation", line, "that is no answer: something in it is undefined or out of order")
        if kind in ("edge", "logit", "cycles"):
            {"edge": told, "logit": logits, "cycles": cycles}[kind].append([*map(int, numbers)])
    if len(cycles) != samples:
        raise UserError("simulation", f"{len(cycles)} answers", f"want {samples}")
    taken, ends = np.array(cycles, np.int64).T
    return Simulated(np.array(logits, np.int64).reshape(samples, -1), taken, program.edges(told, samples), ends)
