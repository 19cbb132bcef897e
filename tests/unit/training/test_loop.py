"""The loop: the same run twice, a run that must stop; a killed one is in test_killed_runs.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.costs import Activity
from bitspike.training import RunFolder, TrainConfig, train
from bitspike.training.methods import METHODS, Method, MethodSettings, Training

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]


def test_a_run_leaves_everything_that_it_promises(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    result = train(tiny("bits=2/2/2"), folder)
    assert json.loads(folder.result_file.read_text()) == result
    assert result["test_images"] == 360
    assert (result["bit_budget"], result["train_images"]) == (8, 256)
    assert folder.read_config() == tiny("bits=2/2/2", "precision=float32")  # too small to gain from bf16
    lines = list(folder.metrics())
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 9))
    activity = Activity.from_dict(json.loads(folder.activity_file.read_text()))
    assert activity.images == 100
    assert {path.name for path in folder.path.iterdir()} == {
        "config.json", "metrics.jsonl", "checkpoint.safetensors", "activity.json", "cost.json", "pace.json",
            "samples.json", "result.json",
    }  # fmt: skip


def test_the_seed_decides_the_run(tiny: Tiny, losses: Losses) -> None:
    first = losses(tiny("augment=crop1,flip"))
    assert losses(tiny("augment=crop1,flip")) == first
    assert losses(tiny("augment=crop1,flip", "seed=1")) != first


def test_the_comparison_of_losses_can_fail(tiny: Tiny, losses: Losses) -> None:
    straight = losses(tiny())
    assert losses(tiny("optimizer.lr=0.0041")) != straight  # 2.5 % more: a planted error


class Poison(Method[MethodSettings]):
    """Spoils a batch norm after the second step."""

    settings_type = MethodSettings

    def start(self, training: Training) -> None:
        self.weight = training.model.get_submodule("features.3.1").weight

    def after_step(self, step: int) -> None:
        if step == 2:
            self.weight.data.fill_(float("inf"))  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("bits", ["2/2/1", "16/1/2"])
def test_what_is_no_number_stops_the_run_with_step_and_layer(tiny: Tiny, tmp_path: Path, bits: str) -> None:
    """Binary neurons turn NaN into silence: the gradients show it where the loss does not."""
    named = r"step 3: got .*nan.* first not finite: parameter features\.3\.1\.weight"
    with METHODS.added("poison", Poison), pytest.raises(UserError, match=named):
        train(tiny(f"bits={bits}", "methods.poison={}"), RunFolder(tmp_path / "run"))


def test_a_folder_is_never_overwritten(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(tiny())
    with pytest.raises(UserError, match="it holds a run; give --resume"):
        train(tiny(), folder)
    with pytest.raises(UserError, match=r"--resume with epochs: got 5; it has not ended; go on with epochs=2 first"):
        train(tiny("epochs=5"), folder, resume=True)


def test_resume_without_a_run_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no config"):
        train(tiny(), RunFolder(tmp_path / "none"), resume=True)
    assert not (tmp_path / "none").exists()


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch_size: got 512; want at most 256"):
        train(tiny("batch_size=512"), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_bf16_trains(tiny: Tiny, losses: Losses) -> None:
    half, full = losses(tiny("precision=bf16")), losses(tiny())
    assert half != full
    assert abs(half[0] - full[0]) < 0.05


def test_tensorboard_writes_its_events(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(tiny("tensorboard=true", "epochs=1"), RunFolder(tmp_path / "run"))
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
