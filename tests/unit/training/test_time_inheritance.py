"""Training batches of the first epochs run fewer time steps; nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from killed import left
from torch import Tensor, nn
from toy_trains import TOYS

from bitspike import UserError
from bitspike.datasets import registry
from bitspike.neurons import BaseNode
from bitspike.recipes import recipe
from bitspike.training import METHODS, Method, MethodSettings, Objective, RunFolder, TrainConfig, override, train
from bitspike.training.methods import TimeInheritance, TimeInheritanceSettings, Training
from bitspike.training.methods.time_inheritance import steps_at
from bitspike.training.setup import graph_of, make_model

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]
SHORT = ("bits=2/2/4", "methods.time-inheritance.epochs=2", "epochs=3")


class Told(Method[MethodSettings]):
    """Notes the steps of the neurons, within the loss of a batch and behind it."""

    settings_type = MethodSettings
    seen: list[set[int]] = []  # noqa: RUF012

    def start(self, training: Training) -> None:
        self.nodes = [node for node in training.model.modules() if isinstance(node, BaseNode)]

    def note(self) -> None:
        self.seen.append({node.T for node in self.nodes})

    def loss(self, inner: Objective) -> Objective:
        def noted(model: nn.Module, x: Tensor, y: Any) -> Tensor:
            self.note()
            return inner(model, x, y)

        return noted

    def after_step(self, step: int) -> None:
        self.note()


@pytest.mark.parametrize(("layers", "own"), [({}, set()), ({"features.4.0": {"t": 2}}, {2})])
def test_the_steps_grow(tiny: Tiny, tmp_path: Path, layers: dict[str, dict[str, int]], own: set[int]) -> None:
    Told.seen.clear()
    with METHODS.added("told", Told):
        config = tiny("methods.told={}", "neuron.squeeze=true", *SHORT).model_copy(update={"layers": layers})
        result = train(config, RunFolder(tmp_path / "run"))
    assert Told.seen[::2] == [{1}] * 4 + [{2}] * 4 + [{4} | own] * 4
    assert Told.seen[1::2] == [{4} | own] * 12
    assert result["mean_t"] == 4 or own


def test_an_epoch_is_that_of_a_network_of_so_many_steps(tiny: Tiny, losses: Losses) -> None:
    grown, one, four = losses(tiny(*SHORT)), losses(tiny("bits=2/2/1", "epochs=3")), losses(tiny("bits=2/2/4"))
    assert grown[:4] == one[:4]
    assert grown[4] == pytest.approx(one[4], abs=0.5)
    assert grown[4:8] != one[4:8]
    assert grown[:4] != four[:4]


@given(epochs=st.integers(1, 50), first=st.integers(1, 8), more=st.integers(1, 8))
def test_they_grow_evenly(epochs: int, first: int, more: int) -> None:
    found = [steps_at(epoch, epochs, first, first + more) for epoch in range(epochs + 2)]
    assert found == sorted(found)
    assert found[0] == first
    assert found[epochs - 1] < found[epochs] == found[epochs + 1] == first + more
    counts = [found[:epochs].count(steps) for steps in range(first, first + more)]
    assert max(counts) - min(counts) <= 1


class StopError(Exception):
    """Stands for a kill."""


class Stop:
    def step(self, step: int, *told: Any) -> None:
        if step == 7:
            raise StopError

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None: ...


def test_a_killed_run_goes_on_to_the_same_end(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny(*SHORT, "methods.weight-average.decay=0.9", "checkpoint_every=3", "precision=bf16")
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(config, whole)
    with pytest.raises(StopError):
        train(config, cut, observer=Stop())
    train(config, cut, resume=True)
    assert left(cut) == left(whole)


def test_a_loss_that_fails_leaves_all_steps(tiny: Tiny, tmp_path: Path) -> None:
    config, method = tiny(*SHORT), TimeInheritance(TimeInheritanceSettings(epochs=2))
    model = make_model(config)
    method.start(Training(config, RunFolder(tmp_path), model, graph_of(config, model)))
    method.before_epoch(0)
    with pytest.raises(AttributeError):
        method.loss(lambda model, x, y: model(None))(model, None, None)  # type: ignore[arg-type]
    assert {node.T for node in method.nodes} == {4}


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (("methods.time-inheritance.epochs=3",), r"epochs: got 3; want fewer than the 3 epochs"),
        (("methods.time-inheritance.first=4",), r"first: got 4; want fewer than the 4 time steps"),
        (("bits=2/2/1",), r"first: got 1; want fewer than the 1 time steps"),
    ],
)
def test_what_it_cannot_shorten_is_refused(tiny: Tiny, tmp_path: Path, edits: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=r"methods\.time-inheritance\." + said):
        train(tiny(*SHORT, *edits), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_steps_that_are_not_the_runs_to_choose_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = ("dataset=digits", "augment=", "channels=4,4,4", "train_size=256", "validation_size=100")
    learned = override(recipe("adaptive-resnet8-thin-fashion"), [*small, "methods.time-inheritance.epochs=1"])
    with pytest.raises(UserError, match=r"got 'AdaptiveIFNode at .*'; how many steps it runs is its own to say"):
        train(learned, RunFolder(tmp_path / "run"))
    monkeypatch.setattr(registry, "DATASETS", {**registry.DATASETS, **TOYS})
    edits = ("dataset=toy-bursts", "model=mlp", "channels=16,16", "bits=4/2/4", "augment=", "mean=null", "std=null")
    trains = override(recipe("digits-convnet"), [*edits, "methods.time-inheritance.epochs=1", "validation_size=60"])
    with pytest.raises(UserError, match="got 'samples of 4 steps'; a train has the steps it has"):
        train(trains, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
