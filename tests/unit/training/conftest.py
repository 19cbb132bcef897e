"""Tiny runs on the digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitspike.recipes import recipe
from bitspike.training import RunFolder, TrainConfig, override, train

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=2", "optimizer.warmup_epochs=0")


@pytest.fixture
def tiny() -> Callable[..., TrainConfig]:
    """The digits recipe, cut down to a second."""

    def make(*edits: str) -> TrainConfig:
        return override(recipe("digits-convnet"), [*TINY, *edits])

    return make


@pytest.fixture
def losses(tmp_path: Path) -> Callable[[TrainConfig], list[float]]:
    """Trains in a fresh folder and returns the loss of every step."""

    def run(config: TrainConfig, **how: Any) -> list[float]:
        folder = RunFolder(tmp_path / f"run-{len(list(tmp_path.iterdir()))}")
        train(config, folder, **how)
        return [line["loss"] for line in folder.metrics() if "loss" in line]

    return run
