"""A training method from a file of one's own: it registers itself, the command edits it, the loop calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bitspike import UserError
from bitspike.costs import CostReport
from bitspike.ir import Graph
from bitspike.training import METHODS, Method, MethodSettings, Objective, RunFolder, TrainConfig, override, train
from bitspike.training.methods import ParameterGroup, Training, settings_of
from bitspike.training.setup import graph_of, make_model

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]


class MineSettings(MethodSettings):
    weight: float = 1.0
    average: float = 0.9


class Mine(Method[MineSettings]):
    """Squares of the logits, an average of the weights over the steps, and biases that learn at twice the rate."""

    settings_type = MineSettings

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        if config.loss.kind != "mean":
            raise UserError("methods.mine", config.loss.kind, "want loss.kind=mean")
        model.register_buffer("prepared", torch.ones(()))
        return model

    @classmethod
    def without(cls, model: nn.Module, config: TrainConfig) -> nn.Module:
        model.register_buffer("without", torch.ones(()))
        return model

    def start(self, training: Training) -> None:
        self.training, self.epochs, self.steps = training, [], 0
        self.average = {name: p.detach().clone() for name, p in training.model.named_parameters()}

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
        return [ParameterGroup(biases, 2 * self.training.config.optimizer.lr)]

    def loss(self, inner: Objective) -> Objective:
        def mine(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            logits: list[Tensor] = []
            hook = model.register_forward_hook(lambda *call: logits.append(call[2]))
            loss = inner(model, x, y)
            hook.remove()
            return loss + self.settings.weight * logits[0].square().mean()

        return mine

    def before_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def after_step(self, step: int) -> None:
        self.steps = step
        for name, parameter in self.training.model.named_parameters():
            self.average[name].lerp_(parameter.detach(), 1 - self.settings.average)

    def after_epoch(self, epoch: int) -> dict[str, Any]:
        return {"mine": [epoch, self.steps, round(float(sum(v.sum() for v in self.average.values())), 5)]}

    def result(self, graph: Graph, report: CostReport) -> dict[str, Any]:
        (self.training.folder.path / "mine.json").write_text(json.dumps(self.epochs))
        return {"mine": len(graph.nodes), "mine_bytes": report.total.size_bytes}

    def state(self) -> Mapping[str, Tensor]:
        return self.average

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.average = {name: value.clone() for name, value in state.items()}


@pytest.fixture
def registered() -> Iterator[None]:
    with METHODS.added("mine", Mine):
        yield


def test_a_name_that_is_not_registered_is_refused(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r"--set key: got 'methods\.mine\.weight'"):
        tiny("methods.mine.weight=0.1", "precision=float32")
    with pytest.raises(UserError, match="method: got 'mine'"):
        settings_of("mine", {})


@pytest.mark.usefixtures("registered")
def test_it_trains_by_its_name_on_the_command_line(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny("methods.mine.weight=0.1", "precision=float32")
    assert config.methods == {"mine": MineSettings(weight=0.1, average=0.9)}
    folder = RunFolder(tmp_path / "run")
    result = train(config, folder)
    assert folder.read_config() == config
    graph = graph_of(config, make_model(config))
    assert (result["mine"], result["mine_bytes"]) == (len(graph.nodes), result["size_bytes"])
    assert json.loads((folder.path / "mine.json").read_text()) == [0, 1]
    told = [line["mine"][:2] for line in folder.metrics() if "epoch" in line]
    assert told == [[0, 4], [1, 8]]
    held = load_file(folder.checkpoint_file)
    assert "model.prepared" in held
    assert "model.without" not in held
    assert any(name.startswith("method.mine.") for name in held)


@pytest.mark.usefixtures("registered")
def test_its_term_is_in_the_loss(tiny: Tiny, losses: Losses) -> None:
    light, heavy, nothing = (losses(tiny(f"methods.mine.weight={w}")) for w in (0.1, 0.2, 0))
    term = heavy[0] - light[0]
    assert term > 0
    assert light[0] - nothing[0] == pytest.approx(term, rel=1e-4)
    assert nothing[0] == losses(tiny())[0]
    assert nothing != losses(tiny()), "its biases learn at twice the rate"


@pytest.mark.usefixtures("registered")
def test_what_it_does_not_fit_is_refused_before_anything_is_written(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"methods\.mine: got 'tet'"):
        train(tiny("methods.mine={}", "loss.kind=tet"), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("registered")
def test_a_network_without_it_is_what_it_says(tiny: Tiny) -> None:
    assert set(dict(make_model(tiny()).named_buffers())) & {"without", "prepared"} == {"without"}


class StopError(Exception):
    """Stands for a kill."""


class Stop:
    def step(self, step: int, *told: Any) -> None:
        if step == 6:
            raise StopError

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None: ...


@pytest.mark.usefixtures("registered")
def test_its_state_survives_a_kill(tiny: Tiny, tmp_path: Path) -> None:
    config, whole, cut = tiny("methods.mine.weight=0.1", "checkpoint_every=1"), tmp_path / "whole", tmp_path / "cut"
    train(config, RunFolder(whole))
    with pytest.raises(StopError):
        train(config, RunFolder(cut), observer=Stop())
    train(config, RunFolder(cut), resume=True)
    ours, theirs = (load_file(RunFolder(path).checkpoint_file) for path in (cut, whole))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    averages = [name for name in ours if name.startswith("method.mine.")]
    assert any(not torch.equal(ours[n], ours[n.replace("method.mine.", "model.")]) for n in averages)


@pytest.mark.usefixtures("registered")
def test_methods_wrap_each_other_in_the_order_of_the_config(tiny: Tiny, losses: Losses) -> None:
    """Each adds its own term, and a method of the package stands beside it."""
    signs = ("bits=1/1/2/2", "neuron.kind=quant-lif", "quantizer=ws-dr")
    one, other = "methods.mine.weight=0.1", "methods.spike-regulation.weight=1"
    first = {edits: losses(tiny(*signs, *edits))[0] for edits in ((), (one,), (other,), (one, other), (other, one))}
    both = first[one,] + first[other,] - first[()]
    assert first[one, other] == pytest.approx(both, rel=1e-5)
    assert first[other, one] == pytest.approx(both, rel=1e-5)
    assert list(override(tiny(one), [other]).methods) == ["mine", "spike-regulation"]
