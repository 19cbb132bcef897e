"""Runs that are killed, again and again, and all that a run leaves: what a resumed run has to leave too."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple, Protocol

from safetensors.torch import load_file

from bitspike.training import RunFolder


class Process(Protocol):
    """One life of a run, as `subprocess` and `multiprocessing` start it."""

    @property
    def pid(self) -> int | None: ...


class Moment(NamedTuple):
    """When a life ends: so many seconds after the step is in the metrics, or after its start where ``step`` is 0."""

    step: int
    seconds: float


def moments(seed: int, kills: int, last: int, longest: float, early: int = 0, start: float = 0.0) -> list[Moment]:
    """Random moments: after steps up to ``last``, in their order, and among them ``early`` ones at a start.

    Args:
        seed: decides them.
        kills: how many.
        last: step after which none is waited for.
        longest: seconds after a step.
        early: how many are within ``start`` seconds of a start.
        start: see above.
    """
    drawn = Random(seed)
    steps = sorted(drawn.sample(range(1, last + 1), kills - early))
    found = [Moment(step, drawn.uniform(0, longest)) for step in steps]
    for _ in range(early):
        found.insert(drawn.randrange(len(found) + 1), Moment(0, drawn.uniform(0, start)))
    return found


def kill(folder: RunFolder, start: Callable[[bool], Process], ended: Callable[[Any], int | None], at: Moment) -> None:
    """Starts a life, with what is there, and ends it by SIGKILL at its moment, before it can end by itself.

    Args:
        folder: of the run.
        start: starts a life, resumed or from nothing.
        ended: the exit status of one, if it has ended.
        at: the moment.
    """
    wanted = max(at.step, steps_of(folder) + 1) if at.step else 0  # steps that it has not taken before
    process = start(folder.config_file.exists())
    while steps_of(folder) < wanted:
        assert ended(process) is None, f"it ended before step {wanted}"
        time.sleep(0.002)
    time.sleep(at.seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    while ended(process) is None:
        time.sleep(0.002)
    assert ended(process) == -signal.SIGKILL, f"it ended before it could be killed at {at}"


def steps_of(folder: RunFolder) -> int:
    return sum("loss" in line for line in folder.metrics())


def left(folder: RunFolder) -> dict[str, Any]:
    """All that a run found, to the last bit, but for the time it took."""
    tensors = load_file(folder.checkpoint_file)
    files = (folder.bits_file, folder.activity_file, folder.cost_file, folder.samples_file)
    return {
        "tensors": {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in tensors.items()},
        "lines": list(timeless(folder.metrics())),
        "files": {file.name: file.read_text() for file in files if file.exists()},
        "result": list(timeless([json.loads(folder.result_file.read_text())])),
    }


def timeless(lines: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return ({key: value for key, value in line.items() if key != "seconds"} for line in lines)
