"""A signal ends a run after its step, and the run goes on as if there had been none."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitspike.stopping import SIGNALS, Signals, Stopped, kept
from bitspike.training import RunFolder, TrainConfig, loop, train

Tiny = Callable[..., TrainConfig]


class Sends:
    """An observer that sends this process a signal after a step, or after an epoch."""

    def __init__(self, number: int, at_step: int = 0, after_epoch: int = 0) -> None:
        self.number, self.at_step, self.after_epoch = number, at_step, after_epoch

    def step(self, step: int, *told: Any) -> None:
        if step == self.at_step:
            os.kill(os.getpid(), self.number)

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None:
        if line["epoch"] == self.after_epoch:
            os.kill(os.getpid(), self.number)


def told(folder: RunFolder) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in folder.metrics()]


@pytest.fixture
def whole(tiny: Tiny, tmp_path: Path) -> tuple[TrainConfig, list[dict[str, Any]]]:
    config = tiny("augment=crop1,flip", "epochs=3")
    folder = RunFolder(tmp_path / "whole")
    train(config, folder)
    return config, told(folder)


@pytest.mark.parametrize("number", SIGNALS)
def test_in_the_middle_and_at_the_end_of_an_epoch(
    number: int, whole: tuple[TrainConfig, list[dict[str, Any]]], tmp_path: Path
) -> None:
    config, lines = whole
    before = [signal.getsignal(one) for one in SIGNALS]
    observers = {"inside": Sends(number, at_step=3), "last": Sends(number, at_step=4), "epoch": Sends(number, 0, 1)}
    steps = {"inside": 3, "last": 4, "epoch": 4}  # four steps are an epoch
    for name, observer in observers.items():
        cut = RunFolder(tmp_path / name)
        with pytest.raises(Stopped) as stopped:
            train(config, cut, observer=observer)
        assert (stopped.value.number, stopped.value.folder) == (number, cut.path)
        assert max(line["step"] for line in told(cut)) == steps[name]
        assert cut.checkpoint_file.exists()
        assert not (cut.path / ".lock").exists()
        train(config, cut, resume=True)
        assert told(cut) == lines
    assert [signal.getsignal(one) for one in SIGNALS] == before


def test_in_the_last_step_and_after_it(whole: tuple[TrainConfig, list[dict[str, Any]]], tmp_path: Path) -> None:
    config, lines = whole
    cut = RunFolder(tmp_path / "cut")
    with pytest.raises(Stopped):
        train(config, cut, observer=Sends(signal.SIGINT, at_step=12))
    assert not cut.result_file.exists()
    assert told(cut) == lines
    assert train(config, cut, resume=True)["epochs"] == 3


def test_while_images_are_read(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "load_images", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped):
        train(tiny(), RunFolder(tmp_path / "runs" / "run"))
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Signals(tmp_path) as signals:
        signals.hold()
        signal.raise_signal(signal.SIGINT)
        assert signals.came == signal.SIGINT
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGTERM)
    assert stopped.value.number == signal.SIGTERM


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup does, and a shell's `&`
    try:
        with Signals(tmp_path) as signals:
            signal.raise_signal(signal.SIGINT)
            signals.end()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_is_stopped_says_where_it_goes_on(tmp_path: Path) -> None:
    for error in (KeyboardInterrupt(), Stopped(signal.SIGINT)):
        with pytest.raises(Stopped) as stopped, kept(tmp_path):
            raise error
        assert stopped.value.folder == tmp_path
    with pytest.raises(Stopped) as stopped, kept(tmp_path), kept(tmp_path / "inner"):
        raise Stopped(signal.SIGTERM)
    assert (stopped.value.number, stopped.value.folder) == (signal.SIGTERM, tmp_path / "inner")
