"""A network in floats one step at a time: spike for spike what its forward gives for all steps at once.

Weights are whole numbers over powers of two, and so are gains: no sum is rounded, whatever the size of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import UserError
from bitspike.frontend import ModelStepper
from bitspike.frontend.steps import ADVANCED
from bitspike.ir import save
from bitspike.layers import (
    Encoder,
    EventEncoder,
    OverTime,
    Recurrent,
    Release,
    ReleasedAffine,
    SpikingMaxPool2d,
    SqueezeTime,
    mean_over_time,
)
from bitspike.lowering import freeze
from bitspike.neurons import BaseNode, IFNode, LIFNode, MultiBitLIFNode, STBIFNode
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

TRAIN = Sample((2, 6, 6), T=5, lo=0, hi=3)
T = 5


def exact(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights that add up without rounding, and batch norms that multiply by powers of two."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        for name, value in module.named_parameters(recurse=False):
            drawn = torch.randint(-8, 9, value.shape, generator=generator) / 16
            value.data = 2.0 ** drawn.mul(4).round() if name == "weight" and value.ndim == 1 else drawn
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
            module.running_mean = torch.randint(-4, 5, module.running_mean.shape, generator=generator) / 8
    return model.eval()


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = EventEncoder(TRAIN, scale=0.5)
        self.stem, self.node = OverTime(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)), LIFNode(T=T)
        self.conv = OverTime(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.last, self.pool = MultiBitLIFNode(T=T, spike_bits=2), OverTime(nn.MaxPool2d(2))
        self.head = nn.Linear(36, 3)

    def forward(self, codes: Tensor) -> Tensor:
        spikes = self.node(self.stem(self.encoder(codes)))
        spikes = self.last(self.conv(spikes) + spikes)
        return mean_over_time(self.head(self.pool(spikes).flatten(2)))


def plain(*layers: nn.Module, of: int = 72) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(Encoder(), *layers, nn.Flatten(2), nn.Linear(of, 3))


def converted() -> nn.Module:
    release = Release(T, parts=3)
    affine = ReleasedAffine(torch.tensor([0.5, 2]), torch.tensor([3.0, 6]), release)
    eye = (Encoder(), release, OverTime(nn.Conv2d(2, 2, 3, bias=False), affine))
    neurons = STBIFNode(T=T, v_threshold=2.0, S_max=4)
    return nn.Sequential(*eye, neurons, SpikingMaxPool2d(2), nn.Flatten(2), nn.Linear(8, 3, bias=False))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "image": plain(OverTime(nn.Conv2d(2, 2, 3, padding=1)), LIFNode(T=T), OverTime(nn.Conv2d(2, 2, 1)), IFNode(T=T)),
    "train": lambda: nn.Sequential(
        EventEncoder(TRAIN), OverTime(nn.Conv2d(2, 2, 3), nn.AvgPool2d(2)), LIFNode(T=T), nn.Flatten(2), nn.Linear(8, 3)
    ),
    "recurrent": lambda: nn.Sequential(
        EventEncoder(TRAIN), nn.Flatten(2), nn.Linear(72, 8), Recurrent(nn.Linear(8, 8), LIFNode(T=T)), nn.Linear(8, 3)
    ),
    "converted": converted,
    "one step": plain(OverTime(nn.Conv2d(2, 2, 1)), IFNode(T=1), OverTime(nn.Conv2d(2, 2, 1)), IFNode(T=T)),
    "residual": Residual,
}


def sequences(model: nn.Module, count: int = 7, seed: int = 1) -> Tensor:
    encoder = next(module for module in model.modules() if isinstance(module, Encoder | EventEncoder))
    generator = torch.Generator().manual_seed(seed)
    if isinstance(encoder, Encoder):
        return torch.randint(0, 256, (count, 2, 6, 6), dtype=torch.uint8, generator=generator)
    return torch.randint(0, 4, (count, *TRAIN.array_shape), dtype=torch.uint8, generator=generator)


def at(codes: Tensor, t: int) -> Tensor:
    return codes if codes.ndim == 4 else codes[:, t]


def apart(model: nn.Module, codes: Tensor) -> dict[str, int]:
    """Spikes of each layer, and logits, that differ between all steps at once and one at a time."""
    sent: dict[str, Tensor] = {}
    neurons = {
        n: m for n, m in model.named_modules() if isinstance(m, BaseNode | Recurrent) and not n.endswith(".node")
    }
    for name, neuron in neurons.items():
        neuron.register_forward_hook(lambda m, x, y, name=name: sent.__setitem__(name, y))
    with torch.no_grad():
        logits = model(codes)
    for neuron in neurons.values():
        neuron._forward_hooks.clear()
    stepper, found = ModelStepper(model), dict.fromkeys([*neurons, "logits"], 0)
    steps: dict[str, list[Tensor]] = {name: [] for name in neurons}
    answers = []
    paths = {call: call.path for call in stepper.calls}
    for call, how in list(stepper.how.items()):
        if paths[call] in steps:
            stepper.how[call] = _kept(how, steps[paths[call]])
    for t in range(stepper.T):
        answers.append(stepper.step(at(codes, t)))
    for name, seen in steps.items():
        made = torch.cat(seen)
        wanted = sent[name].expand_as(made)
        assert made.shape == (T, *sent[name].shape[1:])
        found[name] = int((made != wanted).sum())
    assert any(spikes.std() > 0 for spikes in sent.values())
    one = torch.stack(answers) if logits.ndim == 3 else answers[-1]
    assert one.shape == logits.shape
    found["logits"] = int((one != logits).sum())
    return {name: count for name, count in found.items() if count}


def _kept(how: Any, into: list[Tensor]) -> Any:
    def advance(*given: Any) -> Any:
        made, state = how(*given)
        into.append(made)
        return made, state

    return advance


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_steps_are_all_steps_at_once(name: str, seed: int) -> None:
    model = exact(MODELS[name](), seed)
    assert not apart(model, sequences(model, seed=seed))


@pytest.mark.parametrize(
    ("kind", "name"), [("BaseNode", "image"), ("Recurrent", "recurrent"), ("Release", "converted")]
)
def test_what_forgets_is_found(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ADVANCED[kind]
    monkeypatch.setitem(ADVANCED._known, kind, lambda m, t, state, x: right(m, 0, None, x))
    model = exact(MODELS[name]())
    assert apart(model, sequences(model))


def test_a_reset_begins_anew_and_what_was_taken_is_not_taken_again() -> None:
    model = exact(MODELS["train"]())
    codes, stepper = sequences(model), ModelStepper(model)
    first = [stepper.step(codes[:, t]) for t in range(T)]
    with pytest.raises(UserError, match="step: got 5; the network has 5 steps; reset it"):
        stepper.step(codes[:, 0])
    stepper.reset()
    assert all(torch.equal(stepper.step(codes[:, t]), first[t]) for t in range(T))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((IFNode(T=4), SqueezeTime()), "layer: got '2'; SqueezeTime does not run step by step: it waits for the last"),
        ((IFNode(T=4), IFNode(T=4), Release(3, 1)), "layer: got '3'; 3 steps; step by step all take the same, which"),
    ],
)
def test_what_does_not_stream_is_refused_by_path(layers: tuple[nn.Module, ...], says: str) -> None:
    with pytest.raises(UserError, match=says):
        ModelStepper(plain(*layers)())


def test_a_wrong_step_is_refused_and_changes_nothing() -> None:
    model = exact(MODELS["train"]())
    codes, stepper = sequences(model), ModelStepper(model)
    stepper.step(codes[:, 0])
    with pytest.raises(UserError, match="codes: got"):
        stepper.step(codes)
    again = ModelStepper(model)
    again.step(codes[:, 0])
    assert torch.equal(stepper.step(codes[:, 1]), again.step(codes[:, 1]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_inputs_is_refused_and_changes_nothing(count: int) -> None:
    """A state of one would have been that of all, or one input that of every state."""
    model = exact(MODELS["train"]())
    codes, stepper, again = sequences(model, 12), ModelStepper(model), ModelStepper(model)
    stepper.step(codes[:, 0])
    again.step(codes[:, 0])
    with pytest.raises(UserError, match=r"codes: got .*; want 12 inputs, as at the steps before"):
        stepper.step(codes[:count, 1])
    assert torch.equal(stepper.step(codes[:, 1]), again.step(codes[:, 1]))
    stepper.reset()
    assert len(stepper.step(codes[:1, 0])) == 1


@pytest.mark.parametrize("codes", [np.zeros((2, 2, 6, 6), np.uint8), [1], None])
def test_what_is_no_tensor_is_refused(codes: Any) -> None:
    with pytest.raises(UserError, match=r"codes: got .*; want a torch.Tensor for floats"):
        ModelStepper(MODELS["train"]()).step(codes)


def test_the_door_streams_floats_and_integers(tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS["recurrent"]()
    quantize_weights(model, 4)
    net = freeze(model.eval(), TRAIN)
    codes = sequences(model, 40)
    floats, integers = bitspike.stream(model), bitspike.stream(net)
    save(net, tmp_path / "net.bitspike")
    file = bitspike.stream(tmp_path / "net.bitspike")
    total = torch.zeros(40, 3)
    assert floats.T == integers.T == T
    for t in range(T):
        total += floats.step(codes[:, t])
        found = integers.step(codes[:, t].numpy())
        assert np.array_equal(found, file.step(codes[:, t].numpy()))
    assert (found.argmax(1) == total.argmax(1).numpy()).mean() > 0.9
    with torch.no_grad():
        assert torch.allclose(total, model(codes).sum(0), atol=1e-4)


def test_the_door_streams_nothing_else() -> None:
    with pytest.raises(UserError, match="network: got 'int'; want a frozen network"):
        bitspike.stream(3)  # type: ignore[arg-type]
