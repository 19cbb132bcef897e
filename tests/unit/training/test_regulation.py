"""Paper 002's regulation in training: firing rates held near a half, and signs that grow steeper with the epochs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from bitspike import UserError
from bitspike.neurons import IFNode, MultiBitLIFNode
from bitspike.quant import BinaryRegulated
from bitspike.training import LossConfig, RunFolder, TrainConfig, train
from bitspike.training.loss import loss_of
from bitspike.training.methods import SpikeRegulation, SpikeRegulationSettings, Training
from bitspike.training.methods.annealed_sign import set_temperature, temperature_at
from bitspike.training.methods.spike_regulation import FiringRates, spike_regulation
from bitspike.training.setup import make_model

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]
SIGNS = ("bits=1/1/2/2", "neuron.kind=quant-lif", "quantizer=ws-dr", "methods.annealed-sign.first=0.1")


# Spikes


def test_spike_regulation_is_the_squared_distance_from_a_half() -> None:
    rates = [torch.tensor(0.25), torch.tensor(1.0), torch.tensor(0.5)]
    assert spike_regulation(rates, "sum") == 0.0625 + 0.25
    assert spike_regulation(rates, "mean") == pytest.approx(0.3125 / 3)


@pytest.mark.parametrize(("reduction", "layers"), [("sum", 1), ("mean", 2)])
def test_its_gradient_is_twice_the_distance(reduction: str, layers: int) -> None:
    rates = torch.tensor([0.25, 1.0], requires_grad=True)
    spike_regulation(rates.unbind(), reduction).backward()
    assert rates.grad is not None
    assert rates.grad.tolist() == [-0.5 / layers, 1.0 / layers]


def regulated(model: nn.Module, **settings: Any) -> float:
    """What a loss of 1 becomes with spike regulation, in one pass of ones through ``model``."""
    method = SpikeRegulation(SpikeRegulationSettings(**settings))
    method.start(Training(None, None, model, None))  # type: ignore[arg-type]

    def one(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        model(x)
        return torch.ones(())

    return float(method.loss(one)(model, torch.ones(1, 4, 3), torch.zeros(4)).detach())


class Every(nn.Module):
    """Lets one of so many neurons through, so that the next layer has a rate."""

    def __init__(self, of: int) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.arange(x.numel()).reshape(x.shape) % self.of == 0)


@pytest.mark.parametrize(("reduction", "term"), [("sum", 0.3125), ("mean", 0.15625)])
def test_the_loss_adds_it_with_its_weight(reduction: str, term: float) -> None:
    """Hidden rates of 1 and a quarter: (1/2)^2 and (1/4)^2."""
    model = nn.Sequential(IFNode(1), IFNode(1), Every(4), IFNode(1))
    assert regulated(model, weight=0.5, reduction=reduction) == 1 + 0.5 * term
    assert regulated(model, weight=0.0, reduction=reduction) == 1
    assert regulated(nn.Sequential(IFNode(1)), weight=0.5, reduction=reduction) == 1  # no hidden layer, no term


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_its_second_term_tet_is_the_mean_over_time_of_cross_entropies(smoothing: float) -> None:
    logits, labels = torch.randn(3, 5, 4), torch.tensor([0, 1, 2, 3, 0])
    by_hand = torch.stack([nn.functional.cross_entropy(o, labels, label_smoothing=smoothing) for o in logits]).mean()
    config = LossConfig(kind="tet", tet_lambda=0, label_smoothing=smoothing)
    torch.testing.assert_close(loss_of(logits, labels, config), by_hand)
    assert not torch.isclose(loss_of(logits, labels, LossConfig(label_smoothing=smoothing)), by_hand)


class Scaled(nn.Module):
    """Neurons behind a factor that learns."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.factor, self.neuron = nn.Parameter(torch.tensor(1.0)), neuron

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = self.neuron(self.factor * x)
        return spikes


def test_rates_are_those_of_the_hidden_layers_in_their_order() -> None:
    model = nn.Sequential(Scaled(IFNode(2)), Scaled(IFNode(2)), Scaled(MultiBitLIFNode(2, 2, v_threshold=0.5)))
    rates = FiringRates(model)
    sent: list[Tensor] = []
    for part in model:
        part.neuron.register_forward_hook(lambda module, x, spikes: sent.append(spikes))
    model(torch.rand(2, 4, 10, generator=torch.Generator().manual_seed(0)) * 2)
    second, third = rates.take()
    assert torch.isclose(second, (sent[1] > 0).float().mean())
    assert torch.isclose(third, (sent[2] / 0.5).mean() / 3)  # of the highest level
    assert rates.take() == []
    model(torch.rand(2, 4, 10))
    assert len(rates.take()) == 2  # of one pass, not of all


def test_the_gradient_of_the_regulation_reaches_hidden_layers_only() -> None:
    """The first layer learns from the rate of the second, not from its own."""
    model = nn.Sequential(Scaled(IFNode(2)), Scaled(IFNode(2)))
    rates = FiringRates(model)
    x = torch.rand(2, 4, 10, generator=torch.Generator().manual_seed(0)) * 2
    model(x)
    spike_regulation(rates.take(), "sum").backward()
    first, second = (part.factor.grad for part in model)
    assert second is not None
    assert second != 0
    f = model(x).mean()
    (by_hand,) = torch.autograd.grad((f - 0.5) ** 2, model[1].factor)
    torch.testing.assert_close(second, by_hand)
    torch.testing.assert_close(first, torch.autograd.grad((model(x).mean() - 0.5) ** 2, model[0].factor)[0])


def test_a_single_layer_of_neurons_is_no_hidden_one() -> None:
    model = nn.Sequential(IFNode(1))
    rates = FiringRates(model)
    model(torch.ones(1, 3))
    assert rates.take() == []


def test_evaluation_gathers_nothing() -> None:
    model = nn.Sequential(IFNode(1), IFNode(1))
    rates = FiringRates(model)
    model.eval()(torch.ones(1, 3))
    assert rates.take() == []
    model.train()(torch.ones(1, 3))
    assert len(rates.take()) == 1


def test_a_network_without_neurons_adds_nothing_to_the_loss() -> None:
    assert regulated(nn.Linear(3, 2), weight=1) == 1


def test_what_a_pass_left_is_forgotten_by_the_next() -> None:
    """A loss that runs the network without asking for its rates keeps none of them."""
    model = nn.Sequential(IFNode(1), IFNode(1))
    rates = FiringRates(model)
    for _ in range(3):
        model(torch.ones(1, 3))
    assert len(rates.take()) == 1


def test_regulation_changes_a_run_from_its_first_loss(tiny: Tiny, losses: Losses) -> None:
    without, with_ = losses(tiny(*SIGNS)), losses(tiny(*SIGNS, "methods.spike-regulation.weight=1"))
    assert with_[0] != without[0]
    assert 0 <= with_[0] - without[0] <= 0.25


# Temperature


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 400))
def test_the_temperature_has_equal_ratios_and_exact_ends(first: float, last: float, epochs: int) -> None:
    found = [temperature_at(epoch, epochs, first, last) for epoch in range(epochs)]
    assert (found[0], found[-1]) == (first, last)
    ratio = (last / first) ** (1 / (epochs - 1))
    for before, after in pairwise(found):
        assert after / before == pytest.approx(ratio)


def test_the_temperature_of_one_epoch_is_the_first() -> None:
    assert temperature_at(0, 1, 0.1, 10) == 0.1
    assert [round(temperature_at(e, 5, 0.1, 10), 9) for e in range(5)] == [0.1, 0.316227766, 1, 3.16227766, 10]


def temperatures(model: nn.Module) -> list[float]:
    return [float(m.temperature) for m in model.modules() if isinstance(m, BinaryRegulated)]


def test_it_reaches_every_layer_of_signs(tiny: Tiny) -> None:
    model = make_model(tiny(*SIGNS, 'layers={"features.0.0": {"w": 8}}'))
    assert temperatures(model) == [1.0, 1.0, 1.0]
    set_temperature(model, 2.5)
    assert temperatures(model) == [2.5, 2.5, 2.5]


@pytest.mark.parametrize("quantizer", ["lsq", "lsq-channel", "uniform"])
def test_a_temperature_that_nothing_would_read_is_refused(tiny: Tiny, tmp_path: Path, quantizer: str) -> None:
    config = tiny("bits=1/1/1", "neuron.kind=lif", f"quantizer={quantizer}", "methods.annealed-sign.last=10")
    name = "UniformSymmetric" if quantizer == "uniform" else "LSQ"
    with pytest.raises(UserError, match=rf"methods\.annealed-sign: got '{name}'; want null: .* signs") as no:
        train(config, RunFolder(tmp_path / "run"))
    assert "\n" not in str(no.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("bits", ["16/1/2", "8/1/2"])
def test_the_wider_twins_of_signs_have_none_to_anneal(tiny: Tiny, bits: str) -> None:
    assert temperatures(make_model(tiny(*SIGNS, f"bits={bits}"))) == []


QUANTIZERS = {
    "binary": ("nothing", False),
    "ws-dr": ("channel", False),
    "ws-dr-paper": ("layer", False),
    "ws-dr-code": ("channel", True),
}


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_a_quantizer_by_name(tiny: Tiny, quantizer: str) -> None:
    model = make_model(tiny(*SIGNS, f"quantizer={quantizer}"))
    found = {(m.over, m.power_of_two) for m in model.modules() if isinstance(m, BinaryRegulated)}
    assert found == {QUANTIZERS[quantizer]}


class KilledError(Exception):
    """Stands for the kill: the process leaves the run as it is on disk."""


class KillsAt:
    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, step: int, *told: Any) -> None:
        if step == self.at:
            raise KilledError

    def begin(self, config: TrainConfig) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize("step", [8, 10])  # four steps an epoch: after the second epoch, and within the third
def test_a_killed_run_of_signs_resumes_to_the_same_weights_and_temperature(
    tiny: Tiny, tmp_path: Path, step: int
) -> None:
    config = tiny(*SIGNS, "epochs=4", "checkpoint_every=1", "methods.spike-regulation.weight=0.01")
    straight, killed = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "killed")
    train(config, straight)
    with pytest.raises(KilledError):
        train(config, killed, observer=KillsAt(step + 1))
    held = load_file(killed.checkpoint_file)
    names = [name for name in held if name.endswith("temperature")]
    assert len(names) == 4
    for name in names:
        assert held[name] == torch.tensor(temperature_at(step // 4 - (step == 8), 4, 0.1, 10))
    train(config, killed, resume=True)
    ours, theirs = load_file(killed.checkpoint_file), load_file(straight.checkpoint_file)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert {float(ours[name]) for name in names} == {10.0}
    assert any(not torch.equal(held[name], theirs[name]) for name in held)


def test_the_temperature_of_signs_changes_what_is_learned(tiny: Tiny, losses: Losses) -> None:
    warm, cold = losses(tiny(*SIGNS)), losses(tiny(*SIGNS, "methods.annealed-sign=null"))
    assert warm[0] == cold[0]  # the values are the same signs
    assert warm != cold
