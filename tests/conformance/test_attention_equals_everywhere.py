"""Spiking self-attention: the frozen network is the model, and every backend is the oracle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from attention import SHAPE, former, sent
from random_graphs import differences, images, random_graph
from test_streaming import streams
from torch import nn

from bitspike import UserError, native
from bitspike.backends import backend, c, oracle
from bitspike.backends.c import products as c_products
from bitspike.backends.c.build import traced
from bitspike.backends.native import products as native_products
from bitspike.backends.onnx.model import Model
from bitspike.frontend import ModelStepper
from bitspike.ir import Accumulate, Difference, FrozenGraph, Node, Stepper
from bitspike.ir.steps import codes_of_steps
from bitspike.lowering import freeze, lower

IMAGES = np.random.default_rng(3).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
FORMS = pytest.mark.parametrize("features", [False, True], ids=["tokens", "features"])
LEVELS = [level.name for level in native.Level if level <= native.detected() != native.Level.neon] or ["scalar"]
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@cache
def frozen(features: bool, T: int = 3, bits: int = 2, heads: int = 2, blocks: int = 1) -> FrozenGraph:
    return freeze(former(features, T, heads=heads, bits=bits, blocks=blocks), SHAPE)


@FORMS
@pytest.mark.parametrize(("T", "bits", "heads", "blocks"), [(3, 2, 2, 1), (1, 3, 4, 2), (4, 1, 1, 2), (2, 2, 8, 1)])
def test_the_frozen_network_is_the_model(features: bool, T: int, bits: int, heads: int, blocks: int) -> None:
    model, net = former(features, T, heads=heads, bits=bits, blocks=blocks), frozen(features, T, bits, heads, blocks)
    spikes, edges = sent(model, torch.from_numpy(IMAGES)), oracle.run(net, IMAGES)
    assert spikes.keys() == {node.name for node in net.graph.neurons()}
    for name, values in spikes.items():
        levels = (values / net.graph.edges[name].scale).round().long().numpy()
        assert levels.shape == edges[name].shape
        assert (levels != edges[name]).mean() < 2e-3, name  # floats on a threshold
        assert levels.any() or name.endswith("proj_neuron")


@FORMS
def test_edges_of_the_structural_graph(features: bool) -> None:
    graph = lower(former(features, T=3, bits=2, heads=2), SHAPE)
    scores, mixed = graph.products()
    edge, behind = graph.edges[scores.name], graph.edges[mixed.name]
    assert (edge.shape, edge.T, edge.lo, edge.hi) == ((2, 16, 16), 3, 0, 4 * 3 * 3)
    assert behind.shape == ((2, 4, 16) if features else (2, 16, 4))
    assert (behind.lo, behind.hi) == (0, 16 * 36 * 3)
    spike = graph.edges["blocks.0.v_neuron"].scale
    assert graph.edges[graph.nodes[-1].name].shape == (5,)
    assert behind.scale == pytest.approx(spike**3 * (1 if features else 0.25))


@FORMS
@pytest.mark.parametrize("name", ["onnx", pytest.param("c", marks=needs_cc)])
@pytest.mark.parametrize(("T", "bits", "heads", "blocks"), [(3, 2, 2, 2), (1, 3, 4, 1)])
def test_backends_are_the_oracle(features: bool, name: str, T: int, bits: int, heads: int, blocks: int) -> None:
    net = frozen(features, T, bits, heads, blocks)
    wanted = oracle.run(net, IMAGES)
    assert not differences(net, wanted, *backend(name).trace(net, IMAGES))
    assert np.array_equal(backend(name).run(net, IMAGES), wanted[net.graph.nodes[-1].name][0])


@FORMS
@pytest.mark.parametrize("level", LEVELS)
def test_native_is_the_oracle(monkeypatch: pytest.MonkeyPatch, features: bool, level: str) -> None:
    monkeypatch.setenv(native.VARIABLE, level)
    for T, bits, heads in ((3, 2, 2), (1, 3, 4)):
        net = frozen(features, T, bits, heads, 2)
        wanted = oracle.run(net, IMAGES)
        assert not differences(net, wanted, *backend("native").trace(net, IMAGES))
        assert np.array_equal(backend("native").run(net, IMAGES), wanted[net.graph.nodes[-1].name][0])


@needs_cc
@pytest.mark.parametrize("flags", [("-O1",), ("-O2",), ("-O3",), ("-Os",)], ids=" ".join)
def test_equal_layers_are_not_taken_for_one_another(flags: tuple[str, ...]) -> None:
    """gcc 12 folded functions that differ in the places of their edges alone (`BITSPIKE_LAYER`)."""
    net = frozen(False, blocks=2)
    assert not differences(net, oracle.run(net, IMAGES), *traced(net, IMAGES, c.compiler(), *flags))


@needs_cc
@pytest.mark.parametrize("features", [False, True])
def test_sanitized(features: bool) -> None:
    net = frozen(features)
    sanitized = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert not differences(net, oracle.run(net, IMAGES), *traced(net, IMAGES, c.compiler(), *sanitized))


def last_axis_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = c_products._element
    patch.setattr(c_products, "_element", lambda code, name, at: original(code, name, (*at[:-1], "0")))


def last_axis_turned_round(patch: pytest.MonkeyPatch) -> None:
    original = native_products._places
    patch.setattr(native_products, "_places", lambda edge: original(edge)[..., ::-1])


def first_step_at_all_steps(patch: pytest.MonkeyPatch) -> None:
    original, first = Model.emit, {}

    def emit(model: Model, node: Node, t: int, dtype: str, kind: str, *inputs: str, **options: object) -> str:
        read = first.setdefault(node.name, inputs) if kind == "MatMul" else inputs
        return original(model, node, t, dtype, kind, *read, **options)

    patch.setattr(Model, "emit", emit)


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        pytest.param("c", last_axis_forgotten, marks=needs_cc),
        ("native", last_axis_turned_round),
        ("onnx", first_step_at_all_steps),
    ],
)
def test_a_planted_error_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, planted: Callable[[pytest.MonkeyPatch], None]
) -> None:
    planted(monkeypatch)
    net = freeze(former(True), SHAPE)  # which no backend has compiled
    assert differences(net, oracle.run(net, IMAGES), *backend(name).trace(net, IMAGES))


def test_attention_takes_one_step_at_a_time() -> None:
    """In the oracle and in C, with sums over steps and their difference too, which are carried."""
    torch.manual_seed(1)
    drawn = (random_graph(seed) for seed in range(400))
    trains = (net for net in drawn if any(isinstance(node, Accumulate | Difference) for node in net.graph.nodes))
    changing = [net for net in trains if streams(net) and {"Accumulate", "Difference"} <= moving(net)][:6]
    assert len(changing) == 6
    for net in (frozen(True), frozen(False), *changing):
        shown = images(net, 1)
        stepper, wanted = Stepper(net), oracle.run(net, shown)
        answers = [stepper.step(codes) for codes in codes_of_steps(net, shown)]
        assert np.array_equal(answers[-1], oracle.logits(net, shown))
        assert all(np.array_equal(stepper.edges[name][0], edge[-1]) for name, edge in list(wanted.items())[:-1])
        if shutil.which("cc"):
            found = c.logits(net, shown, ["cc"], "-O2", streaming=True)
            assert np.array_equal(found, np.stack(answers, axis=1))


def test_attention_in_floats_takes_one_step_at_a_time() -> None:
    images_ = torch.from_numpy(IMAGES)
    for features in (True, False):
        model = former(features)
        stepper = ModelStepper(model)
        with torch.no_grad():
            steps = torch.stack([stepper.step(images_) for _ in range(3)])
            assert (steps - model(images_)).abs().max() < 1e-5


def moving(net: FrozenGraph) -> set[str]:
    """Kinds of the ops whose edges change from step to step."""
    return {type(node).__name__ for node in net.graph.nodes if net.graph.edges[node.name].T > 1}


def test_currents_whose_channels_are_not_first_are_refused() -> None:
    class Bare(nn.Module):
        """Heads of a current, before any neuron."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = former(False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            m = self.inner
            x = m.neuron(m.patches(m.encoder(images))).flatten(3).transpose(2, 3)
            y = m.blocks[0].q_layer(x).unflatten(3, (4, 2)).flatten(2)
            return m.head(m.blocks[0].neuron(y).unflatten(2, (8, 4, 4)))

    with pytest.raises(UserError, match=r"reshape .*: got 'a current whose channels are axis 1 of 2'; wants them"):
        freeze(Bare().eval(), SHAPE)
