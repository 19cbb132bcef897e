"""Recipes of Spikformer and of events: their published numbers, networks that exist, and small ones that train."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bitspike import UserError
from bitspike.bits import BitPlan
from bitspike.data import build_augment
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.recipes import events, recipe, transformers
from bitspike.training import RunFolder, TrainConfig, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.setup import make_model

IMAGES = [name.replace("_", "-") for name in transformers.__all__]
EVENTS = [name.replace("_", "-") for name in events.__all__]
SENSORS = {"n-caltech101": (240, 180)}
SMALL = (
    "dataset=digits", "augment=mixup0.5", "tensorboard=false", "channels=2,4,4,8", "train_size=256",
    "validation_size=100", "epochs=1", "batch_size=64",
)  # fmt: skip


def on_meta(config: TrainConfig, sample) -> torch.nn.Module:
    settings = {"neuron": config.neuron, "quantizer": config.quantizer, "channels": config.channels}
    with torch.device("meta"):
        return build_model(config.model, config.plan, sample=sample, num_classes=11, **settings)


@pytest.mark.parametrize("name", [name for name in IMAGES if "384" in name])
def test_the_published_numbers_on_images(name: str) -> None:
    config = recipe(name)
    optimizer = config.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.weight_decay, optimizer.warmup_epochs) == ("adamw", 5e-4, 0.06, 20)
    assert (config.batch_size, config.epochs, config.loss.label_smoothing) == (128, 300, 0.1)
    assert config.augment == ("flip", "rand-m9-n1", "erase0.25", "mixup0.5")
    assert (config.neuron.kind == "adaptive") == name.startswith("adaptive")


@pytest.mark.parametrize("name", EVENTS)
def test_networks_of_recipes_read_their_frames(name: str) -> None:
    config = recipe(name)
    assert config.recipe == name
    assert config.frames is not None
    sample = config.frames.sample(SENSORS.get(config.dataset, (128, 128)))
    assert config.bits.t == sample.T
    assert sample.shape == (2, *((48, 48) if "qsnn" in name else (128, 128)))
    graph = lower(on_meta(config, sample), sample, config.model)
    assert graph.edges[graph.nodes[-1].name].shape == (11,)
    assert build_augment(config.augment).draw(2, sample.array_shape, torch.Generator())


def test_the_published_numbers_on_events() -> None:
    steps = {name: recipe(name).bits.t for name in EVENTS}
    assert {name: T for name, T in steps.items() if name.startswith("spikformer")} == {
        "spikformer-2-256-cifar10-dvs": 16, "spikformer-2-256-dvs128-gesture": 16, "spikformer-2-256-n-caltech101": 16,
    }  # fmt: skip
    assert (steps["qsnn-vggsnn-cifar10-dvs"], steps["qsnn-vggsnn-dvs128-gesture"]) == (10, 16)
    for name in EVENTS:
        config = recipe(name)
        optimizer = (config.optimizer.kind, config.optimizer.lr, config.optimizer.weight_decay)
        if "spikformer" in name:
            assert (*optimizer, config.batch_size) == ("adamw", 1e-3, 0.06, 16)
            assert config.epochs == (192 if name == "adaptive-spikformer-2-256-dvs128-gesture" else 96)
        elif "qsnn" in name:
            assert (*optimizer, config.batch_size) == ("sgd", 0.1, 1e-4, 64)
        else:
            assert (*optimizer, config.optimizer.step_decay, config.epochs) == ("adamw", 1e-3, 0, (0.5, 50), 500)
            assert (config.neuron.levels, config.bits.t) == (10, 1)
        assert "flip" not in config.augment or "gesture" not in name
    gesture = recipe("adaptive-spikformer-2-256-dvs128-gesture").frames
    assert gesture is not None
    assert (gesture.slices, gesture.keep) == (10, 2)


@pytest.mark.parametrize("name", ["spikformer-2-64-fashion", "adaptive-spikformer-2-64-fashion"])
def test_small_ones_train_and_are_read_again(name: str, tmp_path: Path) -> None:
    config = override(recipe(name), list(SMALL))
    folder = RunFolder(tmp_path / "run")
    result = train(config, folder)
    assert result["s_ace"] > 0
    if name.startswith("adaptive"):
        plan = BitPlan.load(folder.bits_file)
        shared = [plan[f"blocks.1.attention.0.{branch}.1.1.0"] for branch in "qkv"]
        assert len({(bits.s, bits.t) for bits in shared}) == 1
    trained, again = make_model(config), make_model(config)
    load_model(folder.checkpoint_file, trained)
    load_model(folder.checkpoint_file, again)
    x = torch.full((2, 1, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(trained.eval()(x), again.eval()(x))
    assert not torch.equal(trained(x), make_model(config).eval()(x))


def test_a_budget_says_what_it_does_not_count(tmp_path: Path) -> None:
    edits = ["methods.learned-bits.target=null", 'methods.learned-bits.budget={"max_size": 1e6}']
    config = override(recipe("adaptive-spikformer-2-64-fashion"), [*SMALL, *edits])
    with pytest.raises(UserError, match=r"methods.learned-bits.budget: got 'product blocks.0.attention.0.matmul'; "):
        train(config, RunFolder(tmp_path / "run"))
