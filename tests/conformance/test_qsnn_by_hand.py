"""A trained network of one-bit weights and membranes of two or four bits, computed again in integers, by hand.

Nothing of the library computes on the right-hand side: a layer's constants are read once as exact fractions and rounded
once to 2^-40. Its weights are +-1, its input spikes 0 or 1, its membrane 3 or 15 codes. The network itself runs in
float64, so that no sum of its own rounds across a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from bitspike.data import load
from bitspike.neurons import QuantLIFNode
from bitspike.quant import BinaryRegulated, weight_quantizer
from bitspike.recipes import recipe
from bitspike.training import RunFolder, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.setup import make_model

Int = NDArray[np.int64]

ONE = 1 << 40
"""The threshold, 1, in fixed point."""

EDITS = (
    "neuron.kind=quant-lif",
    "neuron.surrogate_function=null",
    "neuron.detach_reset=false",
    "quantizer=ws-dr",
    "methods.annealed-sign.last=10",
    'layers={"features.0.0": {"w": 8}, "classifier.1.0": {"w": 8}}',
    "channels=8,16,16",
    "epochs=4",
    "optimizer.warmup_epochs=0",
)
HIDDEN = {"features.3": "features.4", "features.6": "features.7"}
"""Convolution and batch norm, and the neurons behind them."""


@dataclass(frozen=True)
class Layer:
    """A hidden layer in integers. ``gain``, ``offset`` and ``level`` are in units of 2^-40."""

    signs: Int
    """``[C_out, C_in, 3, 3]`` of +-1."""
    gain: Int
    offset: Int
    level: int
    """Value of one membrane code; even, so that half of it is whole."""
    top: int
    resets: bool = True
    leaks: bool = True

    def spikes(self, inputs: Int) -> Int:
        """``[T, N, C_out, H, W]`` of 0 and 1 from ``[T, N, C_in, H, W]`` of 0 and 1."""
        code, sent = np.int64(0), []
        for x in inputs:
            u = self.gain * accumulated(x, self.signs) + self.offset + self.level // (2 if self.leaks else 1) * code
            fired = (u >= ONE).astype(np.int64)
            left = u * (1 - fired) if self.resets else u
            code = np.clip((2 * left + self.level) // (2 * self.level), -self.top, self.top)
            sent.append(fired)
        return np.stack(sent)


def accumulated(x: Int, signs: Int) -> Int:
    """The convolution: additions and subtractions of input spikes, borders of zeros."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = np.zeros((len(x), len(signs), height, width), np.int64)
    for i in range(3):
        for j in range(3):
            window = padded[:, :, i : i + height, j : j + width]
            total += np.einsum("nchw,oc->nohw", window, signs[:, :, i, j])
    return total


def fixed(value: Fraction) -> int:
    return round(value * ONE)


def layer_of(conv: nn.Conv2d, norm: nn.BatchNorm2d, node: QuantLIFNode) -> Layer:
    """Its constants from what was learned: the weights' regulation, the batch norm, the membrane's maximum."""
    quantizer = weight_quantizer(conv)
    assert isinstance(quantizer, BinaryRegulated)
    learned = conv.parametrizations.weight.original.detach().numpy()  # type: ignore[union-attr, operator]
    signs, gains, offsets = [], [], []
    for channel, weights in enumerate(learned):
        exact = [Fraction(float(w)) for w in weights.ravel()]
        mean = sum(exact) / len(exact)
        deviation = root(sum((w - mean) ** 2 for w in exact) / len(exact))
        signs.append([1 if w >= mean else -1 for w in exact])
        scale = sum(abs(w - mean) for w in exact) / len(exact) / deviation
        variance, factor, shift, centre, eps = (
            Fraction(float(v))
            for v in (
                *(values[channel] for values in (norm.running_var, norm.weight, norm.bias, norm.running_mean)),
                norm.eps,
            )
        )
        factor /= root(variance + eps)
        gains.append(fixed(scale * factor))
        offsets.append(fixed(shift - centre * factor))
    top = 2 ** (node.store.bits - 1) - 1  # type: ignore[operator]
    level = 2 * round(Fraction(float(node.store.peak)) / top * ONE / 2)
    per_channel = (-1, 1, 1)
    return Layer(
        np.array(signs).reshape(learned.shape),
        np.array(gains).reshape(per_channel),
        np.array(offsets).reshape(per_channel),
        level,
        top,
    )


def root(x: Fraction) -> Fraction:
    """Its square root, to 2^-100."""
    return Fraction(isqrt((x.numerator << 200) // x.denominator), 1 << 100)


@pytest.fixture(scope="module", params=[2, 4])
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nn.Module, dict[str, Int]]:
    """A network after four epochs on digits, and what its layers see and send on the 360 test images."""
    config = override(recipe("digits-convnet"), [*EDITS, f"bits=1/1/2/{request.param}"])
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "signs")
    result = train(config, folder)
    assert result["test_accuracy"] > 40  # it has learned something: its constants are no random ones
    model = make_model(config)
    load_model(folder.checkpoint_file, model)
    model.double().eval()
    seen: dict[str, Int] = {}

    def note(name: str, value: torch.Tensor) -> None:
        assert value.eq(value.round()).all()
        seen[name] = value.long().numpy()

    for name, node in HIDDEN.items():
        model.get_submodule(name).register_forward_pre_hook(lambda m, x, name=name: note(name, x[0]))
        model.get_submodule(node).register_forward_hook(lambda m, x, y, name=node: note(name, y))
    with torch.no_grad():
        model(load("digits", None)[1].images.double())
    return model, seen


@torch.no_grad()
def in_integers(model: nn.Module, name: str) -> Layer:
    conv, norm = model.get_submodule(name)  # type: ignore[misc]
    return layer_of(conv, norm, model.get_submodule(HIDDEN[name]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_layer_is_equal_spike_for_spike(network: tuple[nn.Module, dict[str, Int]], name: str) -> None:
    model, seen = network
    inputs, sent = seen[name], seen[HIDDEN[name]]
    assert inputs.shape[:2] == (2, 360)
    assert set(np.unique(inputs)) == {0, 1}
    layer = in_integers(model, name)
    assert set(np.unique(layer.signs)) == {-1, 1}
    assert np.array_equal(layer.spikes(inputs), sent)
    assert 0.02 < sent.mean() < 0.98


PLANTED = {
    2: ("membranes of one bit more", "a threshold of 1 + 2^-5", "one sign"),
    4: ("membranes of one bit more", "a threshold of 1 + 2^-5", "one sign", "no reset", "no leak"),
}
"""By membrane bits. Two bits here hold what inhibits, or nothing: no second step shows how they leak or reset."""


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(
    ("network", "wrong"),
    [(u, wrong) for u, errors in PLANTED.items() for wrong in errors],
    indirect=["network"],
    scope="module",
)
def test_the_comparison_finds_a_planted_error(network: tuple[nn.Module, dict[str, Int]], name: str, wrong: str) -> None:
    model, seen = network
    right = in_integers(model, name)
    one_sign = right.signs.copy()
    one_sign[0, 0, 1, 1] *= -1
    finer = 2 * right.top + 1
    planted = {
        "membranes of one bit more": replace(right, level=right.level * right.top // finer // 2 * 2, top=finer),
        "no reset": replace(right, resets=False),
        "no leak": replace(right, leaks=False),
        "a threshold of 1 + 2^-5": replace(right, offset=right.offset - ONE // 32),
        "one sign": replace(right, signs=one_sign),
    }[wrong]
    assert not np.array_equal(planted.spikes(seen[name]), seen[HIDDEN[name]])


def test_membranes_hold_no_more_than_their_codes(network: tuple[nn.Module, dict[str, Int]]) -> None:
    model, _ = network
    held: dict[str, torch.Tensor] = {}
    hooks = []
    for name in HIDDEN.values():
        store = model.get_submodule(name).store

        def note(module: nn.Module, x: object, y: torch.Tensor, name: str = name) -> None:
            held[name] = (y / module.step_size()).unique()  # type: ignore[operator]

        hooks.append(store.register_forward_hook(note))  # type: ignore[union-attr, operator]
    with torch.no_grad():
        model(load("digits", None)[1].images.double())
    for hook in hooks:
        hook.remove()
    for name, layer in ((node, in_integers(model, name)) for name, node in HIDDEN.items()):
        codes = held[name].round().long().tolist()
        assert torch.allclose(held[name], held[name].round())
        assert 1 < len(codes) <= 2 * layer.top + 1
        assert max(map(abs, codes)) <= layer.top
