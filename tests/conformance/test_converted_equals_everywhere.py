"""A converted network (paper 003): floats, oracle, C and ONNX send the same spikes, every one."""

from __future__ import annotations

import shutil
from functools import cache

import numpy as np
import pytest
import torch
from random_graphs import FAMILIES, differences
from torch import nn

from bitspike import BitPlan, Bits
from bitspike.backends import backend, c, oracle
from bitspike.conversion import Converted, convert
from bitspike.lowering import agreement, freeze, lower, measure
from bitspike.models import MaxPools, build_model, morph
from bitspike.neurons import neuron_settings

SHAPE = (3, 8, 8)
IMAGES = np.random.default_rng(5).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@cache
def converted(
    name: str, levels: int, reroute: bool, bits: int = 8, max_pool: MaxPools = "mean", T: int | None = None
) -> Converted:
    torch.manual_seed(1)
    neuron = neuron_settings(kind="q-relu", levels=levels)
    plan = BitPlan(Bits(bits, levels.bit_length(), 1))
    model = build_model(name, plan, sample=SHAPE, num_classes=5, neuron=neuron, channels=FAMILIES[name])
    model = morph(model, reroute, max_pool)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.0, 1.0)
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (64, *SHAPE), dtype=torch.uint8))
    return convert(model, SHAPE, T=T)


NETWORKS = [
    ("convnet", 4, False, 8, "mean"),
    ("convnet", 4, False, 8, "spiking"),
    ("vgg9", 2, False, 2, "mean"),
    ("resnet8-thin", 8, True, 4, "mean"),
    ("resnet8-thin", 3, False, 1, "mean"),
]


@pytest.mark.parametrize(("name", "levels", "reroute", "bits", "max_pool"), NETWORKS)
@pytest.mark.parametrize("flags", [("-O2",), SANITIZED], ids=["O2", "sanitized"])
def test_c_sends_the_same_spikes(
    name: str, levels: int, reroute: bool, bits: int, max_pool: MaxPools, flags: tuple[str, ...]
) -> None:
    compiler = next((cc for cc in ("gcc", "clang") if shutil.which(cc)), None)
    if compiler is None:
        pytest.skip("no C compiler")
    net = converted(name, levels, reroute, bits, max_pool).net
    wanted = oracle.run(net, IMAGES)
    assert not differences(net, wanted, *c.traced(net, IMAGES, [compiler], *flags))
    assert all((wanted[node.name] > 0).any() for node in net.graph.neurons())
    assert any((wanted[node.name] < 0).any() for node in net.graph.neurons())


@pytest.mark.parametrize(("name", "levels", "reroute", "bits", "max_pool"), NETWORKS)
def test_onnx_sends_the_same_spikes(name: str, levels: int, reroute: bool, bits: int, max_pool: MaxPools) -> None:
    pytest.importorskip("onnxruntime")
    net, onnx = converted(name, levels, reroute, bits, max_pool, T=6).net, backend("onnx")
    logits, edges = onnx.trace(net, IMAGES)
    assert edges.keys() == net.graph.edges.keys()
    assert not differences(net, oracle.run(net, IMAGES), logits, edges)
    assert np.array_equal(onnx.run(net, IMAGES), logits)


@pytest.mark.parametrize(("name", "levels", "reroute", "bits", "max_pool"), NETWORKS)
def test_the_floats_send_the_same_spikes_but_for_ties(
    name: str, levels: int, reroute: bool, bits: int, max_pool: MaxPools
) -> None:
    made = converted(name, levels, reroute, bits, max_pool)
    found = agreement(made.snn, made.net, [torch.from_numpy(IMAGES)])
    assert all(layer.rate <= 1e-2 for layer in found.layers), found
    assert all(layer.farthest_own < 1e-4 for layer in found.layers)


def test_the_quantized_network_freezes_by_itself_too() -> None:
    """As any network of one step: the same class, at 20 bits after the point."""
    made = converted("resnet8-thin", 8, True, 4)
    net = freeze(made.qann, SHAPE)
    assert [node.T for node in net.graph.neurons()] == [1] * len(made.levels)
    settled = oracle.run(made.net, IMAGES)
    for name in made.levels:
        assert (oracle.run(net, IMAGES)[name][0] != settled[name].sum(0)).mean() < 1e-2


def test_spikes_are_counted_alike_in_floats_and_integers() -> None:
    made = converted("convnet", 4, False, 8)
    graph = lower(made.snn, SHAPE)
    activity = measure(made.snn, graph, [torch.from_numpy(IMAGES)], "noise")
    wanted = oracle.run(made.net, IMAGES)
    for name, counted in activity.neurons.items():
        assert counted.spikes == counted.level_sum
        assert abs(counted.spikes - int(np.abs(wanted[name]).sum())) <= 1e-2 * counted.elements
    activity.check(made.net.graph)
