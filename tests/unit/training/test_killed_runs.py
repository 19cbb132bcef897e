"""A run that is killed at random moments, and resumed each time, leaves what it leaves undisturbed, to the last bit."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import kill, left, moments, steps_of

from bitspike import native
from bitspike.neurons import node
from bitspike.training import RunFolder, TrainConfig, train

Tiny = Callable[..., TrainConfig]
HALF = ("bits=2/2/2", "precision=bf16", "methods.weight-average.decay=0.95")


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the C library ran the neurons, call after call of this process."""
    known: list[bool] = []
    steps = node.fused_steps

    def watched(*given: Any) -> Any:
        spikes = steps(*given)
        known.append(spikes is not None)
        return spikes

    monkeypatch.setattr(node, "fused_steps", watched)
    return known


@pytest.mark.parametrize("edits", [("bits=16/1/2",), HALF], ids=["float32", "bf16-average-fused"])
def test_killed_three_times(tiny: Tiny, tmp_path: Path, fused: list[bool], edits: tuple[str, ...]) -> None:
    config = tiny(*edits, "epochs=12", "checkpoint_every=3", "augment=crop1,flip")
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(config, whole)
    assert any(fused) or native.library() is None
    forks = multiprocessing.get_context("forkserver")  # of a server that has torch, but has computed nothing
    forks.set_forkserver_preload(["bitspike.training"])

    def start(resume: bool) -> Any:
        life = forks.Process(target=train, args=(config, cut), kwargs={"resume": resume})
        life.start()
        return life

    for moment in moments(seed=7, kills=3, last=36, longest=0.02):
        kill(cut, start, lambda life: life.exitcode, moment)
    assert 0 < steps_of(cut) < steps_of(whole) == 48
    train(config, cut, resume=True)
    assert left(cut) == left(whole)


@pytest.mark.slow
@pytest.mark.usefixtures("fused")
def test_the_command_killed_twenty_times(tmp_path: Path) -> None:
    """The default channels of the recipe, by the command itself; five of the kills are while it starts."""
    edits = (*HALF, "train_size=1024", "epochs=10", "checkpoint_every=3", "augment=crop1,flip")
    typed = [sys.executable, "-m", "bitspike", "train", "digits-convnet", "--runs-dir", str(tmp_path)]
    typed += [word for edit in edits for word in ("--set", edit)]

    def start(name: str, resume: bool) -> subprocess.Popen[bytes]:
        more = ["--name", name, *(["--resume"] if resume else [])]
        return subprocess.Popen([*typed, *more], stdout=subprocess.DEVNULL)

    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    assert start("whole", False).wait() == 0
    total = steps_of(whole)
    for moment in moments(seed=20, kills=20, last=total * 3 // 4, longest=0.05, early=5, start=4.0):
        kill(cut, lambda resume: start("cut", resume), subprocess.Popen.poll, moment)
    assert 0 < steps_of(cut) < total
    assert start("cut", True).wait() == 0
    assert left(cut) == left(whole)
