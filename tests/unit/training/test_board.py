"""What TensorBoard is told: every scalar of docs/training.md, and nothing of it changes the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike.training import RunFolder, TrainConfig, train
from bitspike.training.optimizer import lr_at

Tiny = Callable[..., TrainConfig]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(folder / "tensorboard"), {events.SCALARS: 0})
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_it_is_told_rates_widths_and_the_learning_rate(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny("tensorboard=true", "bits=4/2/2")
    result = train(config, RunFolder(tmp_path))
    told, lines = scalars(tmp_path), list(RunFolder(tmp_path).metrics())
    rates = {tag for tag in told if tag.startswith("rate/")}
    assert told.keys() - rates == {
        *("loss/train", "lr", "accuracy/validation", "loss/validation"),
        *("bits/w", "bits/s", "bits/t"),
    }
    assert len(rates) == 3
    assert all(0 < value < 1 for tag in rates for _, value in told[tag])
    assert [step for step, _ in told["lr"]] == list(range(1, 9))
    assert [rate for _, rate in told["lr"]] == pytest.approx([lr_at(n, 4, 2, config.optimizer) for n in range(8)])
    assert [loss for _, loss in told["loss/train"]] == pytest.approx([line["loss"] for line in lines if "loss" in line])
    assert [step for step, _ in told["bits/w"]] == [4, 8]
    for name in "wst":
        assert told[f"bits/{name}"][-1][1] == pytest.approx(result[f"mean_{name}"])
    assert math.isclose(told["accuracy/validation"][-1][1], result["validation_accuracy"], rel_tol=1e-4)


def test_learned_bits_are_told_as_they_are_now(tiny: Tiny, tmp_path: Path) -> None:
    learning = ("bits=4/2/2", "neuron.kind=adaptive", "quantizer=adaptive", "methods.learned-bits.learns=w,s")
    result = train(tiny("tensorboard=true", *learning), RunFolder(tmp_path))
    assert scalars(tmp_path)["bits/w"][-1][1] == pytest.approx(result["mean_w"])


def test_a_run_that_is_watched_ends_as_one_that_is_not(tiny: Tiny, tmp_path: Path) -> None:
    for name, watched in (("a", "true"), ("b", "false")):
        train(tiny(f"tensorboard={watched}"), RunFolder(tmp_path / name))
    a, b = ((tmp_path / name / "activity.json").read_bytes() for name in "ab")
    assert a == b
    ours, theirs = ([line.get("loss") for line in RunFolder(tmp_path / name).metrics()] for name in "ab")
    assert ours == theirs
