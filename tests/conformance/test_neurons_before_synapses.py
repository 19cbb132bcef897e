"""Networks whose neurons stand before the synapses, as paper 001's: frozen, they are the trained ones, spike for spike.

Between two neurons lies ``squeeze -> conv -> bn -> relu``: a current that goes through a relu is fixed point, and
spikes that are summed over time let every layer have its own ``T``. Constants are dyadic, as in
`test_oracle_equals_model`; the mean over three steps is not, and is compared with exact fractions.
"""

from __future__ import annotations

import importlib
import shutil
from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oracle_equals_model import IMAGE, dyadic, images
from torch import Tensor, nn

from bitspike import UserError
from bitspike.backends import backend, c, oracle
from bitspike.backends.onnx import to_onnx
from bitspike.ir import Affine, FrozenGraph, Relu, SumTime
from bitspike.layers import Encoder, OverTime, SqueezeTime, mean_over_time
from bitspike.lowering import agreement, freeze
from bitspike.neurons import IFNode, MultiBitLIFNode, MultiLevelIFNode, SpikingNode
from bitspike.quant import quantize_weights, weight_quantizer

CHANNELS = 4


def neuron(kind: str, T: int, v_reset: float | None = 0.0) -> SpikingNode:
    if kind == "multi-level":
        return MultiLevelIFNode(T, 4)
    return MultiBitLIFNode(T, int(kind), tau=2.0, v_threshold=2.0 ** (1 - int(kind)), v_reset=v_reset)


class Squeezed(nn.Module):
    """A neuron and, behind it, its spikes' mean over time, or all of its steps."""

    def __init__(self, node: SpikingNode, squeezes: bool) -> None:
        super().__init__()
        self.node, self.squeeze = node, SqueezeTime() if squeezes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = self.squeeze(self.node(x))
        return spikes


class Block(nn.Module):
    """Neuron, conv-bn, relu, neuron, conv-bn, + x, relu; ``x`` is a current."""

    def __init__(self, kind: str, steps: tuple[int, int], squeezes: bool, v_reset: float | None) -> None:
        super().__init__()
        self.first, self.second = (Squeezed(neuron(kind, T, v_reset), squeezes) for T in steps)
        self.conv1, self.conv2 = (normed(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)) for _ in range(2))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(self.first(x)))
        return torch.relu(self.conv2(self.second(y)) + x)


def normed(conv: nn.Conv2d) -> OverTime:
    return OverTime(conv, nn.BatchNorm2d(conv.out_channels))


class Residual(nn.Module):
    """The image's neuron, a stem, two blocks, then neuron, pool, fc; ``steps`` of all neurons in order."""

    def __init__(
        self,
        kind: str,
        steps: tuple[int, ...],
        squeezes: bool = True,
        v_reset: float | None = 0.0,
        max_pool: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(1 / 64)
        self.stem = normed(nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False))
        self.max_pool = OverTime(nn.MaxPool2d(3, 2, 1)) if max_pool else nn.Identity()
        self.blocks = nn.Sequential(
            Block(kind, (steps[0], steps[1]), squeezes, v_reset), Block(kind, (steps[2], steps[3]), squeezes, v_reset)
        )
        self.last = Squeezed(neuron(kind, steps[4], v_reset), squeezes)
        self.head = OverTime(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(CHANNELS * (4 if max_pool else 16), 5))

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.max_pool(torch.relu(self.stem(self.encoder(pixels))))
        logits: Tensor = self.head(self.last(self.blocks(x)))
        return logits


def network(kind: str, steps: tuple[int, ...], seed: int = 0, w: int = 3, **how: object) -> nn.Module:
    torch.manual_seed(seed)
    return dyadic(quantize_weights(Residual(kind, steps, **how), w), seed)  # type: ignore[arg-type]


@torch.no_grad()
def differences(model: nn.Module, net: FrozenGraph, shown: Tensor) -> dict[str, int]:
    """Values that differ: levels of every neuron, sums of every squeeze, and what every `nn.ReLU` lets through."""
    kinds, sent = SpikingNode | SqueezeTime | nn.ReLU, {}

    def keep(name: str) -> object:
        return lambda module, x, y: sent.setdefault(name, []).append(y)

    named = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    hooks = [module.register_forward_hook(keep(name)) for name, module in named.items()]
    model(shown)
    for hook in hooks:
        hook.remove()
    edges, graph = oracle.run(net, shown.numpy()), net.graph
    compared = {n.name for n in graph.nodes if isinstance(n, SumTime)} | {n.name for n in graph.neurons()}
    assert compared <= sent.keys(), "every layer of neurons, and every squeeze, is compared"
    found = {}
    for name, (values,) in sent.items():
        scale = 2.0 ** -fraction_bits(net, name) if isinstance(graph[name], Relu) else graph.edges[name].scale
        levels = torch.round(values.double() / scale).to(torch.int64).numpy()
        assert levels.shape == edges[name].shape
        found[name] = int((levels != edges[name]).sum())
    return found


def fraction_bits(net: FrozenGraph, relu: str) -> int:
    """Of what a relu reads: an affine, or a sum of them."""
    source = net.graph[net.graph[relu].inputs[0]]
    while not isinstance(source, Affine):
        source = net.graph[source.inputs[0]]
    assert source.fraction_bits is not None
    return source.fraction_bits


def awake(net: FrozenGraph, shown: Tensor) -> None:
    edges = oracle.run(net, shown.numpy())
    assert all(np.ptp(edges[node.name]) for node in net.graph.neurons()), "the network says too little"


KINDS = ["1", "2", "3", "multi-level"]
some_steps = st.tuples(*[st.sampled_from([1, 2, 4])] * 5)


@settings(max_examples=30)
@given(
    kind=st.sampled_from(KINDS),
    steps=some_steps,
    v_reset=st.sampled_from([0.0, None, -0.25]),
    w=st.integers(1, 4),
    max_pool=st.booleans(),
    seed=st.integers(0, 999),
)
def test_residual_blocks_with_unequal_steps_are_equal_spike_for_spike(
    kind: str, steps: tuple[int, ...], v_reset: float | None, w: int, max_pool: bool, seed: int
) -> None:
    model = network(kind, steps, seed, w, v_reset=v_reset, max_pool=max_pool)
    net = freeze(model, IMAGE)
    assert [node.T for node in net.graph.neurons()] == list(steps)
    shown = images(seed)
    found = differences(model, net, shown)
    assert not any(found.values()), found
    for name, values in oracle.run(net, shown.numpy()).items():
        assert net.ranges[name].lo <= values.min(), name
        assert values.max() <= net.ranges[name].hi, name


@settings(max_examples=10)
@given(kind=st.sampled_from(KINDS), T=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 999))
def test_without_squeezing_all_steps_are_equal_spike_for_spike(kind: str, T: int, seed: int) -> None:
    """Then ``x`` is held where the first block adds to it, and has ``T`` steps from there on."""
    model = network(kind, (T,) * 5, seed, squeezes=False)
    found = differences(model, freeze(model, IMAGE), images(seed))
    assert not any(found.values()), found


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_says_something(kind: str) -> None:
    net = freeze(network(kind, (1, 2, 4, 2, 4), 1), IMAGE)
    awake(net, images(1))
    kinds = [type(node) for node in net.graph.nodes]
    assert (kinds.count(Relu), kinds.count(SumTime)) == (5, 5)


PLANTED = {
    "offset of a relu": lambda name: name.endswith("relu.current0.offset"),
    "offset of a sum's relu": lambda name: name.startswith("blocks.0.relu_") and name.endswith("current0.offset"),
    "the shortcut": lambda name: name.startswith("blocks.1.relu_") and name.endswith("current1.multiplier"),
    "behind a squeeze": lambda name: name == "last.node.current0.multiplier",
}


@pytest.mark.parametrize("part", PLANTED)
def test_the_comparison_finds_a_planted_error(part: str) -> None:
    model = network("2", (2, 4, 1, 2, 4), 1)
    net = freeze(model, IMAGE)
    (name, *_) = filter(PLANTED[part], net.tensors)
    right = net.tensors[name].astype(np.int64)
    wrong = right + (1 << 18 if name.endswith("offset") else max(1, int(right.max()) // 8))
    assert any(differences(model, FrozenGraph(net.graph, {**net.tensors, name: wrong}), images(1)).values())


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Relu, lambda x: np.abs(x)),
        (Relu, lambda x: x),
        (SumTime, lambda x: x[:1] * len(x)),
        (SumTime, lambda x: x[1:].sum(0, keepdims=True)),
    ],
)
def test_the_comparison_finds_another_meaning(monkeypatch: pytest.MonkeyPatch, kind: type, wrong: object) -> None:
    model = network("2", (2, 4, 2, 2, 4), 1)
    net, step = freeze(model, IMAGE), oracle.step
    assert not any(differences(model, net, images(1)).values())
    monkeypatch.setattr(
        oracle, "step", lambda net, node, shown, *x: wrong(*x) if type(node) is kind else step(net, node, shown, *x)
    )
    assert any(differences(model, net, images(1)).values())


# A mean over three steps


class Three(nn.Module):
    """A neuron of three steps, squeezed, then a matrix and neurons of two steps that keep half of their potential."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.first, self.squeeze = Encoder(1 / 64), neuron("2", 3), SqueezeTime()
        self.fc = OverTime(nn.Flatten(), nn.Linear(192, 20, bias=False))
        self.second = neuron("3", 2, None)

    def forward(self, pixels: Tensor) -> Tensor:
        return mean_over_time(self.second(self.fc(self.squeeze(self.first(self.encoder(pixels))))))


def three() -> nn.Module:
    torch.manual_seed(0)
    return dyadic(quantize_weights(Three(), 3), 0)


def potentials(sums: np.ndarray, codes: np.ndarray, unit: Fraction) -> list[list[Fraction]]:
    """``u/v_threshold`` of the second neurons at both steps, exactly: threshold 1/4, 3 bits, soft reset, tau 2."""
    found = []
    for total in (codes.astype(object) @ sums.astype(object).T).T.flatten():
        v, seen = Fraction(0), []
        for _ in range(2):
            u = v / 2 + int(total) * unit / Fraction(1, 4)
            v = u - min(max(floor(u), 0), 7)
            seen.append(u)
        found.append(seen)
    return found


def unlike(net: FrozenGraph, shown: Tensor, unit: Fraction) -> tuple[int, int]:
    """Levels that are not those of the exact potentials, and how many of these lie too near to a threshold to say."""
    edges = oracle.run(net, shown.numpy())
    (second,) = (node for node in net.graph.neurons() if node.name == "second")
    exact = potentials(edges["squeeze"][0].reshape(len(shown), -1), net.tensors["fc.1.weight"], unit)
    sent = edges["second"].reshape(2, -1).T.tolist()
    near = Fraction(4, 2**second.dynamics.fraction_bits)
    wrong = ties = 0
    for levels, (u, later) in zip(sent, exact, strict=True):
        tie = min(abs(x - round(x)) for x in (u, later)) < near
        ties += tie
        wrong += not tie and levels != [min(max(floor(x), 0), 7) for x in (u, later)]
    return wrong, ties


THIRD = Fraction(1, 2) / 3 * Fraction(1, 4)
"""A level of the first neuron is 1/2, of the squeezed map a third of that, and a code is 1/4."""


def test_a_mean_over_three_steps_is_that_of_exact_fractions() -> None:
    model, shown = three(), images(7, 40)
    net = freeze(model, IMAGE)
    assert net.graph.edges["squeeze"].scale == 0.5 / 3
    assert net.ranges["squeeze"] == (0, 9)
    wrong, ties = unlike(net, shown, THIRD)
    assert wrong == 0
    assert ties < 0.5 * 20 * len(shown), "most potentials are decided by the mean itself"
    for planted in (Fraction(99, 100), Fraction(3, 4), Fraction(3)):  # three steps counted as four, and as one
        assert unlike(net, shown, THIRD * planted)[0] > 0


def test_a_mean_over_three_steps_agrees_with_floats_but_for_ties() -> None:
    """Thirds round: where a multiple of the threshold is met, floats and integers may fall on different sides."""
    model, shown = three(), images(7, 40)
    net = freeze(model, IMAGE)
    found = differences(model, net, shown)
    assert found["first"] == found["squeeze"] == 0
    near = unlike(net, shown, THIRD)[1]
    assert found["second"] <= 2 * near
    squeezed, shown = network("2", (3, 2, 3, 1, 3), 4), images(4, 20)
    for module in squeezed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.data += 0.0123  # what is not on the grid of the thirds meets no threshold
    net = freeze(squeezed, IMAGE)
    awake(net, shown)
    found = differences(squeezed, net, shown)
    total = sum(net.graph.edges[node.name].size * node.T * len(shown) for node in net.graph.neurons())
    assert sum(found[node.name] for node in net.graph.neurons()) / total < 1e-3


def test_agreement_counts_such_a_network_too() -> None:
    model = network("2", (2, 4, 1, 2, 4), 1)
    found = agreement(model, freeze(model, IMAGE), [images(1)])
    assert found.same_class == found.images
    assert len(found.layers) == 5
    assert not any(layer.mismatches or layer.own for layer in found.layers)


# Backends


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", ["2", "multi-level"])
def test_its_c_is_equal(kind: str, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    net, shown = freeze(network(kind, (1, 2, 4, 3, 2), 2, max_pool=True), IMAGE), images(2).numpy()
    wanted = oracle.run(net, shown)
    # Without inlining: clang takes minutes over all checks of all layers in one function.
    flags = ("-O1", "-fno-inline", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    (logits,), edges = c.traced(net, shown, [compiler], *flags)
    assert np.array_equal(logits, wanted["readout"][0])
    assert {node.name for node in net.graph.nodes if isinstance(node, SumTime)} <= edges.keys()
    assert all(np.array_equal(values, wanted[name]) for name, values in edges.items())


def test_spikes_that_only_a_squeeze_reads_are_never_stored() -> None:
    program = c.to_c(freeze(network("2", (4, 4, 4, 4, 4)), IMAGE))
    text = program.files["network.c"]
    assert text.count("total += n_level;") == text.count("/* sumtime ") == 5
    assert "/* fire " not in text


@pytest.mark.parametrize("kind", ["2", "multi-level"])
def test_its_onnx_is_equal(kind: str) -> None:
    pytest.importorskip("onnxruntime")
    net, shown = freeze(network(kind, (1, 2, 4, 3, 2), 2, max_pool=True), IMAGE), images(2).numpy()
    assert np.array_equal(backend("onnx").run(net, shown), oracle.logits(net, shown))


def test_learned_thresholds_keep_the_products_small_enough_for_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A current of 30 bits times a multiplier that is not dyadic: floats of 53 bits hold it."""
    pytest.importorskip("onnx")
    model = network("2", (1, 1, 1, 1, 1))
    for module in model.modules():
        if isinstance(module, Squeezed):
            module.node = MultiBitLIFNode(1, 2, v_threshold=0.7310585)
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data *= 1e4
    net = freeze(model, IMAGE)
    assert max(net.ranges[node.name].hi for node in net.graph.nodes if isinstance(node, Relu)) > 2**28
    assert to_onnx(net).ByteSize()
    monkeypatch.setattr(importlib.import_module("bitspike.lowering.fixed_point"), "EXACT", 62)
    with pytest.raises(UserError, match=r"exact to 2\^53 only"):
        to_onnx(freeze(model, IMAGE))


# What is refused


def without_neurons() -> nn.Module:
    layers = OverTime(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 2))
    return nn.Sequential(Encoder(), layers)


class Late(nn.Module):
    """A synapse behind what ``between`` makes of a current."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.encoder, self.conv = Encoder(), OverTime(nn.Conv2d(3, 4, 3))
        self.between, self.fc = between, OverTime(nn.Flatten(), nn.LazyLinear(2))

    def forward(self, pixels: Tensor) -> Tensor:
        return mean_over_time(self.fc(self.between(self.conv(self.encoder(pixels)))))


def late(*between: nn.Module) -> nn.Module:
    model = Late(nn.Sequential(*between))
    model(images(0))
    return quantize_weights(model, 2).eval()


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (
            lambda: quantize_weights(without_neurons(), 2),
            "^conv 1.2: got 'a current'; wants spikes: put a neuron before it$",
        ),
        (lambda: without_neurons(), "^conv 1.0: got 'float weights'; cannot be frozen"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "^input input: got 'unquantized images'"),
        (lambda: late(nn.ReLU()), "^linear fc.1: got 'a current'; wants spikes"),
        (lambda: late(nn.ReLU(), OverTime(nn.MaxPool2d(2))), "^linear fc.1: got 'a current'; wants spikes"),
        (lambda: late(nn.ReLU(), SqueezeTime()), "^linear fc.1: got 'a current'; wants spikes"),
        (lambda: late(IFNode(2), nn.ReLU()), "^linear fc.1: got 'a current'; wants spikes"),
        (lambda: late(SqueezeTime()), "^sumtime between.0: got 'a current'; wants spikes: put a neuron before it$"),
    ],
)
def test_currents_where_spikes_are_needed_are_refused_by_name(model: object, named: str) -> None:
    with pytest.raises(UserError, match=named) as refused:
        freeze(model(), IMAGE)  # type: ignore[operator]
    assert "\n" not in str(refused.value)


def test_a_relu_of_spikes_lets_all_of_them_through() -> None:
    model = dyadic(late(IFNode(2), nn.ReLU(), neuron("2", 2)), 0)
    net = freeze(model, IMAGE)
    assert net.graph["between.1"].inputs == ("between.0",)
    edges = oracle.run(net, images(0).numpy())
    assert np.array_equal(edges["between.1"], edges["between.0"])
    assert weight_quantizer(model.fc[1]) is not None
