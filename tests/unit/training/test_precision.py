"""What precision a run settles on, the memory order that goes with it, and where the time of a run went."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from bitspike.errors import UserError
from bitspike.recipes import recipe
from bitspike.training import RunFolder, TrainConfig, override, train
from bitspike.training import precision as precision_of
from bitspike.training.pace import Pace, pace_line
from bitspike.training.precision import laid_out, settled
from bitspike.training.setup import graph_of, make_model

CPU = torch.device("cpu")
Tiny = Callable[..., TrainConfig]


@pytest.mark.parametrize(
    ("name", "fast", "found"),
    [
        ("fashion-convnet", True, "bf16"),
        ("fashion-convnet", False, "float32"),
        ("digits-convnet", True, "float32"),  # 0.5 M multiply-accumulates: it would gain nothing
    ],
)
def test_auto_settles(monkeypatch: pytest.MonkeyPatch, name: str, fast: bool, found: str) -> None:
    monkeypatch.setattr(precision_of, "has_bf16", lambda device: fast)
    config = recipe(name)
    assert config.precision == "auto"
    graph = graph_of(config, make_model(config))
    assert settled(config, graph, CPU) == config.model_copy(update={"precision": found})
    for said in ("float32", "bf16"):
        config = override(recipe(name), [f"precision={said}"])
        assert settled(config, graph, CPU) is config


def test_a_run_says_what_it_settled_on_and_goes_on_with_it(
    monkeypatch: pytest.MonkeyPatch, tiny: Tiny, tmp_path: Path
) -> None:
    monkeypatch.setattr(precision_of, "has_bf16", lambda device: True)
    monkeypatch.setattr(precision_of, "LEAST_MACS", 0)
    folder = RunFolder(tmp_path / "run")
    train(tiny(), folder)
    assert folder.read_config().precision == "bf16"
    monkeypatch.setattr(precision_of, "has_bf16", lambda device: False)  # another machine
    folder.result_file.unlink()
    train(tiny(), folder, resume=True)
    assert folder.read_config().precision == "bf16"
    with pytest.raises(UserError, match="precision"):
        train(tiny("precision=float32"), folder, resume=True)


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_the_memory_order(precision: str) -> None:
    model, images = nn.Conv2d(3, 4, 3), torch.zeros(2, 3, 5, 5)
    last = precision == "bf16"
    for tensor in (laid_out(model, precision).weight, laid_out(images, precision)):
        assert tensor.is_contiguous(memory_format=torch.channels_last) == last
        assert tensor.is_contiguous() != last
    assert laid_out(model, "float32").weight.is_contiguous()


def test_bf16_trains_the_same_network_however_it_lies(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny("precision=bf16")
    model = make_model(config)
    train(config, RunFolder(tmp_path / "run"), model=model)
    assert all(p.is_contiguous() for p in model.parameters())  # as it was given


def test_the_pace(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train(tiny(), folder)
    pace = json.loads(folder.pace_file.read_text())
    assert pace["images_per_second"] > 0
    assert list(pace["percent_of_time"]) == ["data", "forward", "backward", "optimizer"]
    assert sum(pace["percent_of_time"].values()) == pytest.approx(100, abs=0.3)
    assert pace_line(pace).startswith(f"{pace['images_per_second']:,.0f} images/s while it trained: data ")
    assert Pace().to_dict() == {}
