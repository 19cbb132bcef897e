"""Networks that have learned their bits, steps and thresholds (paper 001) are the same in integers, level for level.

Every layer has its own ``w``, ``s``, ``T`` and ``V``; constants are dyadic, as in `test_oracle_equals_model`, and ``V``
too. A mean over three steps is not: there the two may differ where a potential meets a threshold.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oracle_equals_model import IMAGE, dyadic, images
from torch import Tensor, nn

from bitspike import BitPlan, Bits
from bitspike.backends import c, oracle
from bitspike.ir import Affine, Fire, FrozenGraph, Relu, SumTime
from bitspike.layers import SqueezeTime
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import AdaptiveIFNode, neuron_settings
from bitspike.quant import AdaptiveWeights
from bitspike.training.methods.learned_bits import adaptive_neurons, adaptive_weights

CHANNELS = {"pre-resnet8-thin": (3, 4, 6), "pre-sew-resnet34": (2, 3, 3, 4)}
THRESHOLDS = (0.25, 0.5, 1.0, 2.0)


@torch.no_grad()
def network(
    name: str,
    seed: int,
    steps: Sequence[int] = (1, 2),
    squeezed: bool = True,
    rounds: bool = True,
    tau: float = 1.0,
    most: int = 4,
) -> nn.Module:
    """Widths of each layer drawn up to ``most``, its steps from ``steps``: one for all where they are not squeezed."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    config = neuron_settings(kind="adaptive", tau=tau, squeeze=squeezed, rounds=rounds, spare_bits=3, spare_steps=3)
    model = build_model(
        name,
        BitPlan(Bits(2, 2, 1)),
        sample=IMAGE,
        num_classes=5,
        neuron=config,
        quantizer=AdaptiveWeights,
        channels=CHANNELS[name],
    )
    for weights in adaptive_weights(model).values():
        weights.quantizer.learned_bits.fill_(int(generator.integers(1, most + 1)))
    same = int(generator.choice(list(steps)))
    for node in adaptive_neurons(model).values():
        (quantizer,) = node.active_quantizers()
        quantizer.learned_bits.fill_(max(int(generator.integers(1, most + 1)), quantizer.least))
        quantizer.step.fill_(float(generator.choice(THRESHOLDS)))
        quantizer.started.fill_(True)
        node.learned_T.fill_(int(generator.choice(list(steps))) if squeezed else same)
    return dyadic(model, seed)


@torch.no_grad()
def differences(model: nn.Module, net: FrozenGraph, shown: Tensor) -> dict[str, int]:
    """Values that differ: levels of every neuron, sums of every squeeze, what every relu lets through, and logits."""
    sent: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls = sum(key == name or key.startswith(f"{name}_") for key in sent)
            sent[f"{name}_{calls + 1}" if calls else name] = output

        return hook

    kinds = AdaptiveIFNode | SqueezeTime | nn.ReLU
    hooks = [m.register_forward_hook(keep(name)) for name, m in model.named_modules() if isinstance(m, kinds)]
    logits = model(shown).sum(0)  # over steps, as the readout does: a mean over three would round
    for hook in hooks:
        hook.remove()
    edges, graph = oracle.run(net, shown.numpy()), net.graph
    assert sent.keys() == {node.name for node in graph.nodes if isinstance(node, Fire | SumTime | Relu)}
    readout = graph.nodes[-1].name
    found = {readout: unlike(logits[None], scale(net, readout), edges[readout])}
    return found | {name: unlike(values, scale(net, name), edges[name]) for name, values in sent.items()}


def unlike(values: Tensor, level: float, integers: np.ndarray) -> int:
    whole = torch.round(values.double() / level).to(torch.int64).numpy()
    assert whole.shape == integers.shape
    return int((whole != integers).sum())


def scale(net: FrozenGraph, name: str) -> float:
    """Value of one level: told by the graph, or the fixed point of the affine that is read."""
    if isinstance(net.graph[name], Fire | SumTime):
        told = net.graph.edges[name].scale
        assert told is not None
        return told
    source = net.graph[net.graph[name].inputs[0]]
    while not isinstance(source, Affine):
        source = net.graph[source.inputs[0]]
    assert source.fraction_bits is not None
    return 2.0**-source.fraction_bits


drawn = {
    "name": st.sampled_from(sorted(CHANNELS)),
    "seed": st.integers(0, 9999),
    "rounds": st.booleans(),
    "tau": st.sampled_from([1.0, 2.0]),
}


@settings(max_examples=16)
@given(**drawn)
def test_every_layer_with_widths_of_its_own_is_equal_level_for_level(
    name: str, seed: int, rounds: bool, tau: float
) -> None:
    model = network(name, seed, rounds=rounds, tau=tau)
    net = freeze(model, IMAGE)
    told = {node.name: (node.T, node.lo, node.hi, node.dynamics.rounds) for node in net.graph.neurons()}
    for index, (where, node) in enumerate(adaptive_neurons(model).items()):
        lo, hi = node.active_quantizers()[0].alphabet
        assert told[where] == (node.T, lo, hi, rounds or index == 0)  # the eye rounds
    assert [lo < 0 for _, lo, _, _ in told.values()] == [True] + [False] * (len(told) - 1)
    shown = images(seed)
    found = differences(model, net, shown)
    assert not any(found.values()), found
    for edge, values in oracle.run(net, shown.numpy()).items():
        assert net.ranges[edge].lo <= values.min(), edge
        assert values.max() <= net.ranges[edge].hi, edge


@settings(max_examples=10)
@given(**drawn)
def test_unsqueezed_steps_are_equal_level_for_level(name: str, seed: int, rounds: bool, tau: float) -> None:
    """Up to three, which no mean divides before the readout."""
    model = network(name, seed, (1, 2, 3), squeezed=False, rounds=rounds, tau=tau)
    found = differences(model, freeze(model, IMAGE), images(seed))
    assert not any(found.values()), found


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("tau", [1.0, 2.0])
@pytest.mark.parametrize("rounds", [True, False])
def test_means_over_three_steps_are_equal_but_for_ties(name: str, tau: float, rounds: bool) -> None:
    model = network(name, 7, (3,), rounds=rounds, tau=tau)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.data += 0.0123  # what is not on the grid of the thirds meets no threshold
    net, shown = freeze(model, IMAGE), images(7, 20)
    found = differences(model, net, shown)
    neurons = [node.name for node in net.graph.neurons()]
    total = sum(net.graph.edges[where].size * net.graph.edges[where].T * len(shown) for where in neurons)
    assert sum(found[where] for where in neurons) / total < 1e-3


@pytest.mark.parametrize("name", CHANNELS)
def test_most_layers_say_something(name: str) -> None:
    said = []
    for seed in range(5):
        net = freeze(network(name, seed), IMAGE)
        edges = oracle.run(net, images(seed).numpy())
        said += [bool(np.ptp(edges[node.name])) for node in net.graph.neurons()]
    assert sum(said) > 0.8 * len(said)


@pytest.mark.parametrize("part", ["multiplier", "offset", "weight"])
def test_the_comparison_finds_a_wrong_number(part: str) -> None:
    model = network("pre-resnet8-thin", 1)
    net = freeze(model, IMAGE)
    assert not any(differences(model, net, images(1)).values())
    name = next(n for n in net.tensors if n.startswith("blocks.0.conv1") and n.endswith(part))
    right = net.tensors[name].astype(np.int64)
    wrong = right + (1 << 18) if part == "offset" else -right
    assert any(differences(model, FrozenGraph(net.graph, {**net.tensors, name: wrong}), images(1)).values())


@pytest.mark.parametrize("wrong", ["rounding", "leak", "threshold", "bits"])
def test_the_comparison_finds_a_neuron_that_is_another(wrong: str) -> None:
    model = network("pre-resnet8-thin", 3, (2,), tau=1.0)
    net = freeze(model, IMAGE)
    assert not any(differences(model, net, images(3)).values())
    with torch.no_grad():
        for node in adaptive_neurons(model).values():
            (quantizer,) = node.active_quantizers()
            if wrong == "rounding":
                quantizer.rounds = quantizer.signed
            elif wrong == "leak":
                node.integrate.retention = 0.5
            elif wrong == "threshold":
                quantizer.step.mul_(2)
            elif wrong == "bits":
                quantizer.learned_bits.add_(1)
    assert any(differences(model, net, images(3)).values())


SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize(
    ("name", "rounds", "tau", "squeezed", "build"),
    [
        ("pre-resnet8-thin", True, 1.0, True, ("gcc", *SANITIZED)),
        ("pre-resnet8-thin", False, 2.0, False, ("gcc", *SANITIZED)),
        ("pre-resnet8-thin", False, 2.0, True, ("clang", "-O2")),
        ("pre-sew-resnet34", True, 2.0, True, ("gcc", "-O1")),
    ],
)
def test_its_c_is_equal(name: str, rounds: bool, tau: float, squeezed: bool, build: tuple[str, ...]) -> None:
    compiler, *flags = build
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    net = freeze(network(name, 5, (1, 2, 3), squeezed=squeezed, rounds=rounds, tau=tau), IMAGE)
    shown = images(5).numpy()
    wanted = oracle.run(net, shown)
    (logits,), edges = c.traced(net, shown, [compiler], *flags)
    assert np.array_equal(logits, wanted[net.graph.nodes[-1].name][0])
    assert {node.name for node in net.graph.nodes if isinstance(node, SumTime)} <= edges.keys()
    assert all(np.array_equal(values, wanted[edge]) for edge, values in edges.items())
