"""A frozen network, run by the oracle, is the trained network: spike for spike where floats are exact.

Step sizes, batch norms and thresholds are set to dyadic numbers here, so that float32 computes without rounding and any
difference is a difference of meaning. On trained constants the two may differ where a potential falls within a rounding
error of a threshold; that rate is bounded at the end.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bitspike import BitPlan, Bits, UserError
from bitspike.backends import oracle
from bitspike.ir import FrozenGraph
from bitspike.layers import Encoder, OverTime, mean_over_time
from bitspike.lowering import freeze, lower
from bitspike.models import build_model
from bitspike.neurons import IFNode, LIFNode, NeuronSettings, SpikingNode, neuron_settings
from bitspike.neurons.membrane import QuantizedCharge
from bitspike.quant import (
    AdaptiveWeights,
    MembraneQuantizer,
    TanhMembraneQuantizer,
    quantize_weights,
    synapses,
    weight_quantizer,
)

IMAGE = (3, 8, 8)
CHANNELS = {"convnet": (4, 6, 8), "vgg9": (4, 6, 8), "resnet8-thin": (4, 6, 8), "sew-resnet18": (4, 4, 6, 8)}


def dyadic(model: nn.Module, seed: int) -> nn.Module:
    """Constants that float32 and fixed point both hold exactly."""
    generator = torch.Generator().manual_seed(seed)

    def eighths(shape: torch.Size, lo: int, hi: int) -> torch.Tensor:
        return torch.randint(lo, hi + 1, shape, generator=generator) / 8

    for layer in synapses(model).values():
        quantizer = weight_quantizer(layer)
        assert quantizer is not None
        learned = quantizer.quantizer if isinstance(quantizer, AdaptiveWeights) else quantizer
        learned.step.data.fill_(0.25)
        original = layer.parametrizations.weight.original
        top = quantizer.top
        original.data = 0.25 * torch.randint(-top, top + 1, original.shape, generator=generator).float()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eps = 0.0
            module.running_var = torch.ones_like(module.running_var)
            module.running_mean = eighths(module.running_mean.shape, -8, 8)
            module.weight.data = eighths(module.weight.shape, 1, 8)
            module.bias.data = eighths(module.bias.shape, -8, 16)
    return model.eval()


def differences(model: nn.Module, net: FrozenGraph, images: torch.Tensor) -> dict[str, int]:
    """Spikes that differ, by layer; every layer of neurons is compared."""
    sent: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, x, y, name=name: sent.__setitem__(name, y))
        for name, module in model.named_modules()
        if isinstance(module, SpikingNode)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    edges = oracle.run(net, images.numpy())
    assert sent.keys() == {node.name for node in net.graph.neurons()}
    return {
        name: int((torch.round(spikes / net.graph.edges[name].scale).long().numpy() != edges[name]).sum())
        for name, spikes in sent.items()
    }


def images(seed: int, count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, *IMAGE), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(CHANNELS)),
    w=st.integers(1, 4),
    s=st.integers(1, 4),
    t=st.integers(1, 4),
    v_reset=st.sampled_from([0.0, None, -0.25]),
    tau=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 999),
)
def test_every_family_is_equal_spike_for_spike(
    name: str, w: int, s: int, t: int, v_reset: float | None, tau: float, seed: int
) -> None:
    neuron = neuron_settings(v_reset=v_reset, tau=tau)
    model = dyadic(
        build_model(
            name,
            BitPlan(Bits(w, s, t)),
            sample=IMAGE,
            num_classes=5,
            neuron=neuron,
            channels=CHANNELS[name],
        ),
        seed,
    )
    net = freeze(model, IMAGE, name)
    found = differences(model, net, images(seed))
    assert not any(found.values()), found


@pytest.mark.parametrize("kind", ["if", "lif", "plif"])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("v_reset", [0.0, None, 0.25])
def test_binary_neurons_are_equal_too(kind: str, decay_input: bool, v_reset: float | None) -> None:
    decays = {} if kind == "if" else {"decay_input": decay_input}
    neuron = neuron_settings(kind=kind, v_reset=v_reset, **decays)
    plan = BitPlan(Bits(2, 1, 3))
    model = build_model("convnet", plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=(4, 6, 8))
    model = dyadic(model, 0)
    assert not any(differences(model, freeze(model, IMAGE), images(1)).values())


@settings(max_examples=40)
@given(
    name=st.sampled_from(["vgg9", "resnet8-thin", "sew-resnet18", "ms-resnet18", "sparse-resnet18"]),
    levels=st.sampled_from([1, 2, 4, 8]),
    t=st.integers(1, 3),
    u=st.sampled_from([None, None, 5]),
    seed=st.integers(0, 999),
)
def test_multi_level_neurons_and_every_residual_family_are_equal_spike_for_spike(
    name: str, levels: int, t: int, u: int | None, seed: int
) -> None:
    neuron = neuron_settings(kind="multi-level", levels=levels)
    plan = BitPlan(Bits(3, levels.bit_length(), t, u))
    channels = CHANNELS.get(name, (4, 4, 6, 8))
    model = build_model(name, plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=channels)
    for node in model.modules():
        if isinstance(node, MembraneQuantizer):
            node.peak.fill_(node.top / 8)
            node.batches_tracked.fill_(1)
    model = dyadic(model, seed)
    found = differences(model, freeze(model, IMAGE, name), images(seed))
    assert not any(found.values()), found


SEW = {"sew-resnet18": (4, 4, 6, 8), "sew-resnet50": (2, 2, 3, 4)}


def sew(name: str, plan: BitPlan, seed: int, neuron: NeuronSettings | None = None) -> nn.Module:
    model = build_model(name, plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=SEW[name])
    return dyadic(model, seed)


@functools.cache
def sew_neurons(name: str) -> list[str]:
    graph = lower(sew(name, BitPlan(Bits(2, 2, 1)), 0), IMAGE)
    return [node.name for node in graph.neurons()]


@settings(max_examples=20)
@given(
    name=st.sampled_from(sorted(SEW)),
    w=st.integers(1, 4),
    t=st.integers(1, 3),
    v_reset=st.sampled_from([0.0, None, -0.25]),
    tau=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_sums_of_spikes_of_unequal_bits_are_equal_spike_for_spike(
    name: str, w: int, t: int, v_reset: float | None, tau: float, seed: int, data: st.DataObject
) -> None:
    widths = {neuron: {"s": data.draw(st.integers(1, 6))} for neuron in sew_neurons(name)}
    model = sew(name, BitPlan(Bits(w, 2, t), widths), seed, neuron_settings(v_reset=v_reset, tau=tau))
    net = freeze(model, IMAGE, name)
    found = differences(model, net, images(seed))
    assert not any(found.values()), found
    for edge, values in oracle.run(net, images(seed).numpy()).items():
        assert net.ranges[edge].lo <= values.min(), edge
        assert values.max() <= net.ranges[edge].hi, edge


@pytest.mark.parametrize(("shortcut", "residual"), [(1, 3), (3, 1), (4, 1), (2, 2)])
def test_the_coarser_spikes_of_a_sum_are_aligned_with_the_finer(shortcut: int, residual: int) -> None:
    """A level of ``s`` bits is ``2^(1 - s)``: the coarser spikes count in levels of the finer before they are added."""
    plan = BitPlan(Bits(2, 2, 2), {"blocks.2.shortcut.1": {"s": shortcut}, "blocks.2.residual.3": {"s": residual}})
    model = sew("sew-resnet18", plan, seed=5)
    net = freeze(model, IMAGE)
    coarser = "blocks.2.shortcut.1" if shortcut < residual else "blocks.2.residual.3"
    aligned = [node.name for node in net.graph.nodes if ".aligned." in node.name and coarser in node.name]
    assert len(aligned) == (shortcut != residual)
    for name in aligned:
        assert (net.tensors[f"{name}.multiplier"] == 2 ** abs(shortcut - residual)).all()
        assert net.ranges[name] == (0, (2 ** min(shortcut, residual) - 1) * 2 ** abs(shortcut - residual))
    assert not any(differences(model, net, images(5)).values())


def with_stored_membranes(model: nn.Module, bits: int, level: float) -> nn.Module:
    """The same neurons, with membranes of ``bits`` bits whose levels have the value ``level``."""
    for node in [module for module in model.modules() if isinstance(module, SpikingNode)]:
        node.store = MembraneQuantizer(bits)
        node.store.peak.fill_(node.store.top * level)
        node.store.batches_tracked.fill_(1)
    return model.eval()


def stored(name: str, bits: int, level: float, t: int, seed: int, s: int = 1, **neuron: object) -> nn.Module:
    config = neuron_settings(**neuron)
    plan = BitPlan(Bits(2, s, t))
    model = build_model(name, plan, sample=IMAGE, num_classes=5, neuron=config, channels=CHANNELS[name])
    return with_stored_membranes(dyadic(model, seed), bits, level)


@settings(max_examples=40)
@given(
    name=st.sampled_from(["convnet", "resnet8-thin"]),
    k=st.integers(2, 8),
    n=st.integers(0, 7),
    s=st.integers(1, 3),
    t=st.integers(2, 4),
    v_reset=st.sampled_from([0.0, None, -0.25]),
    tau=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 999),
)
def test_stored_membranes_are_equal_spike_for_spike(
    name: str, k: int, n: int, s: int, t: int, v_reset: float | None, tau: float, seed: int
) -> None:
    model = stored(name, k, 2.0**-n, t, seed, s, v_reset=v_reset, tau=tau)
    net = freeze(model, IMAGE, name)
    for node in net.graph.neurons():
        assert node.membrane_bits == k
        assert node.dynamics.store is not None
    found = differences(model, net, images(seed))
    assert not any(found.values()), found


@pytest.mark.parametrize("kind", ["if", "lif"])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("v_reset", [0.0, None, 0.25])
def test_stored_membranes_of_binary_neurons_are_equal_too(kind: str, decay_input: bool, v_reset: float | None) -> None:
    decays = {} if kind == "if" else {"decay_input": decay_input}
    model = stored("convnet", 3, 0.125, 4, 0, kind=kind, v_reset=v_reset, **decays)
    assert not any(differences(model, freeze(model, IMAGE), images(1)).values())


@pytest.mark.parametrize("v_reset", [0.0, None])
@pytest.mark.parametrize("wrong", ["one bit more", "not stored", "levels twice as high", "floored"])
def test_the_comparison_finds_a_planted_error_of_the_store(wrong: str, v_reset: float | None) -> None:
    model = stored("convnet", 3, 0.25, 4, 3, v_reset=v_reset)
    right = freeze(model, IMAGE)
    for node in (module for module in model.modules() if isinstance(module, SpikingNode)):
        store = node.store
        if wrong == "one bit more":
            node.store = MembraneQuantizer(4)
            node.store.peak.fill_(0.25 * node.store.top)
            node.store.batches_tracked.fill_(1)
        elif wrong == "not stored":
            node.store = nn.Identity()
        elif wrong == "levels twice as high":
            store.peak.mul_(2)
        else:
            store.register_forward_pre_hook(lambda module, x: (x[0] - module.step_size() / 4,))
    assert any(differences(model.eval(), right, images(3)).values())


@pytest.mark.parametrize("k", [2, 4, 8])
def test_between_two_steps_there_are_the_levels_of_a_store_alone(k: int) -> None:
    """As many as the codes, and the same in floats and in integers."""
    model = stored("convnet", k, 2.0**-4, 4, 5, v_reset=None)
    net = freeze(model, IMAGE)
    edges = oracle.run(net, images(5).numpy())
    for node in net.graph.neurons():
        program, seen, state = node.program, set(), {"v": np.int64(node.program.start["v"])}
        for current in np.broadcast_to(edges[node.inputs[0]], edges[node.name].shape):
            state = {"v": program.step(current, state)[program.carried["v"]]}
            seen |= set(np.unique(state["v"]).tolist())
        assert 1 < len(seen) <= 2**k - 1
        step = 2.0 ** (node.dynamics.fraction_bits - 4)  # the thresholds are 1
        assert seen <= {int(code * step) for code in range(1 - 2 ** (k - 1), 2 ** (k - 1))}


def test_the_comparison_finds_a_planted_error() -> None:
    plan = BitPlan(Bits(2, 2, 2))
    model = dyadic(build_model("convnet", plan, sample=IMAGE, num_classes=5, channels=(4, 6, 8)), 3)
    net = freeze(model, IMAGE)
    wrong = dict(net.tensors)
    wrong["features.1.current0.offset"] = wrong["features.1.current0.offset"].astype(np.int64) + (1 << 18)
    assert any(differences(model, FrozenGraph(net.graph, wrong), images(3)).values())


@settings(max_examples=25)
@given(
    s=st.integers(1, 4),
    t=st.integers(1, 8),
    v_reset=st.sampled_from([0.0, None]),
    extreme=st.sampled_from([0, 255, -1]),
)
def test_no_value_leaves_its_proven_range(s: int, t: int, v_reset: float | None, extreme: int) -> None:
    plan = BitPlan(Bits(3, s, t))
    neuron = neuron_settings(v_reset=v_reset)
    model = build_model("sew-resnet18", plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=(4, 4, 4, 4))
    net = freeze(dyadic(model, t), IMAGE)
    seen = images(s) if extreme < 0 else torch.full((1, *IMAGE), extreme, dtype=torch.uint8)
    for name, values in oracle.run(net, seen.numpy()).items():
        assert net.ranges[name].lo <= values.min(), name
        assert values.max() <= net.ranges[name].hi, name


def test_trained_constants_agree_but_for_ties() -> None:
    torch.manual_seed(0)
    model = build_model("resnet8-thin", BitPlan(Bits(2, 2, 2)), sample=IMAGE, num_classes=5, channels=(4, 6, 8))
    for seed in range(10):
        model(images(seed, 16))  # batch norm gathers statistics: no number is dyadic any more
    net = freeze(model.eval(), IMAGE)
    shown = images(99, 32)
    wrong = differences(model, net, shown)
    total = sum(net.graph.edges[name].size * net.graph.edges[name].T * len(shown) for name in wrong)
    assert sum(wrong.values()) / total < 1e-3
    with torch.no_grad():
        answer = model(shown).mean(0).argmax(1).numpy()
    assert np.mean(answer == oracle.logits(net, shown.numpy()).argmax(1)) > 0.9


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("v_reset", [0.0, None])
def test_trained_stores_agree_but_for_ties(k: int, v_reset: float | None) -> None:
    torch.manual_seed(0)
    neuron = neuron_settings(v_reset=v_reset)
    plan = BitPlan(Bits(2, 1, 4))
    model = build_model("resnet8-thin", plan, sample=IMAGE, num_classes=5, neuron=neuron, channels=(4, 6, 8))
    for node in [module for module in model.modules() if isinstance(module, SpikingNode)]:
        node.store = MembraneQuantizer(k)
    for seed in range(10):
        model(images(seed, 16))  # batch norm gathers statistics, and the stores their maxima
    net = freeze(model.eval(), IMAGE)
    shown = images(99, 32)
    wrong = differences(model, net, shown)
    total = sum(net.graph.edges[name].size * net.graph.edges[name].T * len(shown) for name in wrong)
    assert sum(wrong.values()) / total < 1e-3


@torch.no_grad()
@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("peak", [1e-30, 3e-6, 0.7, 1.9, 123.4])
def test_a_code_stands_for_its_level_to_within_one_unit(bits: int, peak: float) -> None:
    """For every code up to 8 bits, and for many above; a potential at a level has its code."""
    node = IFNode(3, v_threshold=0.75, v_reset=None)
    node.store = MembraneQuantizer(bits)
    node.store.peak.fill_(peak)
    node.store.batches_tracked.fill_(1)
    layers = nn.Sequential(Encoder(), OverTime(nn.Flatten(), nn.Linear(192, 2)), node)
    model = quantize_weights(Averaged(layers), 2).eval()
    (fire,) = freeze(model, IMAGE).graph.neurons()
    d, Q = fire.dynamics, 2 ** (bits - 1) - 1
    level = node.store.step_size() / 0.75 * 2.0**d.fraction_bits
    codes = np.unique(np.linspace(-Q, Q, min(2 * Q + 1, 1001)).round().astype(np.int64))
    u = np.round(codes * level).astype(np.int64)
    silent = replace(fire, lo=0, hi=0).program
    kept = silent.step(u, {"v": np.int64(0)})[silent.carried["v"]]
    assert np.abs(kept - codes * level).max() < 1
    assert (np.abs(kept - u) <= 1).all()


@pytest.mark.parametrize("bits", [2, 5])
def test_what_one_step_carries_is_never_stored(bits: int) -> None:
    """So it may be any store, even one that was never trained."""
    for store in (MembraneQuantizer(bits), TanhMembraneQuantizer(bits), nn.Tanh()):
        model = dyadic(build_model("convnet", BitPlan(Bits(2, 1, 1)), sample=IMAGE, num_classes=5), 0)
        wanted = freeze(model, IMAGE)
        for node in [module for module in model.modules() if isinstance(module, SpikingNode)]:
            node.store = store
        assert freeze(model, IMAGE).graph == wanted.graph


class Averaged(nn.Module):
    """A model whose answer is averaged over time, as those of the registry are by their readout."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return mean_over_time(self.layers(images))


def stored_as(store: nn.Module, charge: nn.Module | None = None) -> nn.Module:
    model = build_model("convnet", BitPlan(Bits(2, 1, 2)), sample=IMAGE, num_classes=2, channels=(2, 2, 2))
    for node in [module for module in model.modules() if isinstance(module, SpikingNode)]:
        node.store = store
        node.integrate = charge or node.integrate
    return model.eval()


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (
            lambda: stored_as(TanhMembraneQuantizer(4)),
            "fire features.1: got 'TanhMembraneQuantizer'; tanh .* cannot be frozen",
        ),
        (lambda: stored_as(nn.Tanh()), "fire features.1: got 'Tanh'; .* cannot be frozen"),
        (
            lambda: stored_as(type("Mine", (MembraneQuantizer,), {"forward": lambda self, v: v})(4)),
            "fire features.1: got 'Mine'; its class overrides forward but not step_size, from which it is frozen",
        ),
        (lambda: stored_as(MembraneQuantizer(4)), "membrane maximum: got 'none'; train first"),
        (
            lambda: stored_as(nn.Identity(), QuantizedCharge(nn.Identity(), 4)),
            "fire features.1: got 'QuantizedCharge'; .* cannot be frozen",
        ),
        (lambda: build_model("convnet", BitPlan(Bits(16, 1, 1)), sample=IMAGE, num_classes=2), "float weights"),
        (lambda: nn.Sequential(OverTime(nn.Conv2d(3, 4, 3)), IFNode(1)), r"want \[T, N"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "unquantized images"),
        (
            lambda: quantize_weights(
                nn.Sequential(
                    Encoder(),
                    OverTime(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)),
                    LIFNode(1),
                ),
                2,
            ),
            "wants spikes",
        ),
    ],
)
def test_what_cannot_be_frozen_is_refused_by_name(model: object, named: str) -> None:
    with pytest.raises(UserError, match=named) as refused:
        freeze(model(), IMAGE)  # type: ignore[operator]
    assert "\n" not in str(refused.value)
