"""The average of the weights is what is judged and kept; what trains are the weights of the run without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from killed import left
from safetensors.torch import load_file, save_file
from torch import Tensor

from bitspike import UserError
from bitspike.files import safetensors_metadata
from bitspike.recipes import recipe
from bitspike.training import METHODS, Method, MethodSettings, RunFolder, TrainConfig, evaluate, override, train
from bitspike.training.methods import Training, WeightAverage, WeightAverageSettings
from bitspike.training.methods.weight_average import averaged, decay_at
from bitspike.training.setup import load_images, make_model
from bitspike.training.trained import trained_model

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]
UNDER = "method.weight-average."
AVERAGE = "methods.weight-average.decay=0.9"
MEMBRANES = ("bits=1/1/2/4", "neuron.kind=quant-lif", "quantizer=ws-dr", "methods.annealed-sign={}")


class Told(Method[MethodSettings]):
    """Keeps the weights of every step in floats of 64 bits."""

    settings_type = MethodSettings
    steps: list[dict[str, Tensor]] = []  # of the last run, and what it was prolonged by  # noqa: RUF012

    def start(self, training: Training) -> None:
        self.model = training.model

    def after_step(self, step: int) -> None:
        self.steps.append({name: value.double() for name, value in averaged(self.model).items()})


@pytest.fixture
def told() -> Any:
    Told.steps.clear()
    with METHODS.added("told", Told):
        yield Told.steps


def held(folder: RunFolder) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The model of a checkpoint, and the weights that it trains on with."""
    tensors = load_file(folder.checkpoint_file)
    model = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    return model, {n.removeprefix(UNDER): v for n, v in tensors.items() if n.startswith(UNDER)}


def far_apart(ours: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [n for n in wanted if not torch.allclose(ours[n].double(), wanted[n].double(), rtol=1e-5, atol=1e-6)]


def different(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> set[str]:
    assert ours.keys() == theirs.keys()
    return {name for name in ours if not torch.equal(ours[name], theirs[name])}


@pytest.mark.parametrize(("decay", "power"), [(0.6, 0.75), (1.0, 1.0)])
def test_it_is_what_its_equation_says(
    tiny: Tiny, tmp_path: Path, told: list[dict[str, Tensor]], decay: float, power: float
) -> None:
    settings = (f"methods.weight-average.decay={decay}", f"methods.weight-average.power={power}")
    folder = RunFolder(tmp_path / "run")
    train(tiny(*MEMBRANES, *settings, "methods.told={}"), folder)
    wanted = told[0]
    for t, values in enumerate(told[1:], 2):
        kept = min(decay, 1 - t**-power)
        wanted = {name: kept * mean + (1 - kept) * values[name] for name, mean in wanted.items()}
    if power == 1:
        for name, mean in wanted.items():
            assert torch.allclose(mean, torch.stack([values[name] for values in told]).mean(0), atol=1e-9)
    model, raw = held(folder)
    assert len(told) == 8
    assert {"peak", "running_mean", "running_var", "bias", "original"} <= {name.split(".")[-1] for name in wanted}
    assert far_apart(model, wanted) == []
    assert far_apart(raw, told[-1]) == []
    assert far_apart(told[-1], wanted) != []


@given(step=st.integers(1, 10**7), decay=st.floats(0, 1), power=st.floats(0.01, 1))
def test_the_decay_warms_up(step: int, decay: float, power: float) -> None:
    found = decay_at(step, decay, power)
    assert 0 <= found <= decay
    assert decay_at(1, decay, power) == 0
    assert found <= decay_at(step + 1, decay, power)


@pytest.mark.parametrize("edits", [(), MEMBRANES, ("precision=bf16", "bits=2/2/2", "optimizer.kind=sgd")])
def test_the_weights_train_on_as_without_it(tiny: Tiny, tmp_path: Path, edits: tuple[str, ...]) -> None:
    with_it, without = RunFolder(tmp_path / "with"), RunFolder(tmp_path / "without")
    train(tiny(*edits, AVERAGE, "checkpoint_every=1"), with_it)
    train(tiny(*edits), without)
    ours, theirs = ([line["loss"] for line in run.metrics() if "loss" in line] for run in (with_it, without))
    assert ours == theirs
    model, raw = held(with_it)
    plain, nothing = held(without)
    assert nothing == {}
    assert different(raw, {name: plain[name] for name in raw}) == set()
    apart = different(model, plain)
    assert {"running_mean", "running_var"} <= {name.split(".")[-1] for name in apart} <= {n.split(".")[-1] for n in raw}
    assert not {name for name in apart if name.endswith(("num_batches_tracked", "batches_tracked", "temperature"))}


def test_of_decay_0_it_is_the_run_without_it(tiny: Tiny, tmp_path: Path) -> None:
    results = [
        train(tiny(*edits), RunFolder(tmp_path / str(len(edits))))
        for edits in ((), ("methods.weight-average.decay=0",))
    ]
    assert [{**each, "seconds": 0} for each in results] == [{**results[0], "seconds": 0}] * 2


def test_what_is_watched_and_tested_is_what_is_kept(tiny: Tiny, tmp_path: Path) -> None:
    """Run to run, and object to object: whoever gave the network has the average too."""
    config = tiny(AVERAGE, "optimizer.lr=0.02")
    folder, given = RunFolder(tmp_path / "run"), make_model(config)
    result = train(config, folder, model=given)
    images, last = load_images(config, None), list(folder.metrics())[-1]
    for model in (trained_model(folder), given):
        seen = evaluate(model, images.validation)
        assert (seen.loss, round(seen.percent, 4)) == (last["validation_loss"], last["validation_accuracy"])
        assert round(evaluate(model, images.test).percent, 4) == result["test_accuracy"]
    given.load_state_dict(held(folder)[1], strict=False)
    assert evaluate(given, images.validation).loss != last["validation_loss"]


class StopError(Exception):
    """Stands for a kill."""


class Stop:
    def __init__(self, step: int = 0, epoch: int = 0) -> None:
        self.at = step, epoch

    def step(self, step: int, *told: Any) -> None:
        if step == self.at[0]:
            raise StopError

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None:
        if line["epoch"] == self.at[1]:
            raise StopError


class Forgets(WeightAverage):
    """A planted error: the weights that it trains on with are in no checkpoint."""

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        super().restore({name: value.clone() for name, value in averaged(self.model).items()})


@pytest.mark.parametrize(("edits", "stop"), [(MEMBRANES, Stop(step=7)), ((), Stop(epoch=1)), ((), Stop(epoch=3))])
def test_a_killed_run_goes_on_to_the_same_end(tiny: Tiny, tmp_path: Path, edits: tuple[str, ...], stop: Stop) -> None:
    config = tiny(*edits, AVERAGE, "epochs=3", "checkpoint_every=3")
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(config, whole)
    with pytest.raises(StopError):
        train(config, cut, observer=stop)
    train(config, cut, resume=True)
    assert left(cut) == left(whole)


def test_the_comparison_finds_a_state_that_is_left_out(tiny: Tiny, tmp_path: Path) -> None:
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    with METHODS.added("forgets", Forgets):
        config = tiny("methods.forgets.decay=0.9", "epochs=3", "checkpoint_every=3")
        train(config, whole)
        with pytest.raises(StopError):
            train(config, cut, observer=Stop(step=7))
        train(config, cut, resume=True)
    ours, theirs = left(cut), left(whole)
    assert ours["lines"][:6] == theirs["lines"][:6]
    assert ours["lines"] != theirs["lines"]
    assert ours["tensors"] != theirs["tensors"]


def test_a_run_that_was_only_tested_again_says_the_same(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train(tiny(AVERAGE), folder)
    before = left(folder)
    folder.result_file.unlink()
    train(tiny(AVERAGE), folder, resume=True)
    assert left(folder) == before


def test_a_run_with_more_epochs_averages_on(tiny: Tiny, tmp_path: Path, told: list[dict[str, Tensor]]) -> None:
    folder, edits = RunFolder(tmp_path / "run"), ("methods.weight-average.decay=1", "methods.weight-average.power=1")
    train(tiny(*edits, "methods.told={}"), folder)
    train(tiny(*edits, "methods.told={}", "epochs=3"), folder, resume=True)
    assert len(told) == 12
    assert far_apart(held(folder)[0], {n: torch.stack([each[n] for each in told]).mean(0) for n in told[0]}) == []


def test_another_run_starts_from_the_average(tiny: Tiny, tmp_path: Path, told: list[dict[str, Tensor]]) -> None:
    first, second = RunFolder(tmp_path / "first"), RunFolder(tmp_path / "second")
    train(tiny(AVERAGE), first)
    still = ("optimizer.lr=1e-30", "optimizer.weight_decay=0", "epochs=1")
    train(tiny(AVERAGE, *still, f"init={first.path}", "methods.told={}"), second)
    model = held(first)[0]
    weights = {name for name, _ in make_model(tiny()).named_parameters()}
    assert far_apart({n: told[0][n] for n in weights}, {n: model[n] for n in weights}) == []


def test_two_of_them_are_left_in_the_reverse_of_their_order(tiny: Tiny, tmp_path: Path) -> None:
    with METHODS.added("second", WeightAverage):
        config = tiny(AVERAGE, "methods.second.decay=0.5", "checkpoint_every=3")
        whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
        train(config, whole)
        with pytest.raises(StopError):
            train(config, cut, observer=Stop(step=4))
        train(config, cut, resume=True)
    assert left(cut) == left(whole)


def test_what_fails_while_it_is_judged_leaves_it_in_training(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny(AVERAGE)
    model = make_model(config)
    method = WeightAverage(WeightAverageSettings())
    method.start(Training(config, RunFolder(tmp_path), model, graph=None))  # type: ignore[arg-type]
    raw = {name: value.clone() for name, value in averaged(model).items()}
    for value in method.other.values():
        value.zero_()
    average: list[Tensor] = []

    def judge() -> None:
        with method.judged():
            average.extend(value.clone() for value in averaged(model).values())
            assert different(dict(method.state()), raw) == set()
            raise StopError

    with pytest.raises(StopError):
        judge()
    assert average
    assert not any(value.any() for value in average)
    assert different(averaged(model), raw) == set()


def test_learned_bits_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    small = (
        "dataset=digits",
        "augment=",
        "channels=4,4,4",
        "train_size=256",
        "validation_size=100",
        "epochs=1",
        AVERAGE,
    )
    config = override(recipe("adaptive-resnet8-thin-fashion"), small)
    with pytest.raises(UserError, match=r"methods\.weight-average: got 'beside methods\.learned-bits'; a mean of step"):
        train(config, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    train(override(config, ["methods.learned-bits=null"]), RunFolder(tmp_path / "run"))


def test_it_is_left_out_and_cannot_be_on_the_way(tiny: Tiny, tmp_path: Path) -> None:
    config, folder = tiny(AVERAGE), RunFolder(tmp_path / "run")
    assert override(config, ["methods.weight-average=null"]) == tiny()
    train(tiny(), folder)
    folder.result_file.unlink()
    with pytest.raises(UserError, match=r"--resume with methods\.weight-average\.decay: got 0\.9; the run"):
        train(config, folder, resume=True)


def test_a_state_of_something_else_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train(tiny(AVERAGE), folder)
    kept, header = load_file(folder.checkpoint_file), safetensors_metadata(folder.checkpoint_file.read_bytes())
    name = next(name for name in kept if name.startswith(UNDER) and kept[name].ndim == 2)
    without = {key: value for key, value in kept.items() if key != name}
    for spoiled, said in (
        (without, "lacks"),
        (kept | {f"{name}s": kept[name].clone()}, "has an unknown"),
        (without | {name: torch.full_like(kept[name], torch.nan)}, "has no possible"),
        (without | {name: kept[name].double()}, "has no possible"),
        (without | {name: kept[name].repeat(2, 1)}, "has no possible"),
    ):
        save_file(spoiled, folder.checkpoint_file, metadata=dict(header))
        with pytest.raises(UserError, match=f"methods or random numbers does not fit: weight-average {said}"):
            train(tiny(AVERAGE), folder, resume=True)
