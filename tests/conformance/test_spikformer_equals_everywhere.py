"""Spikformer in integers: what was trained is what is frozen, and what every backend computes."""

import numpy as np
import pytest
import torch

from bitspike.backends import backend, engines, oracle
from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.lowering import freeze
from bitspike.lowering.agreement import Agreement, agreement
from bitspike.models import build_model
from bitspike.neurons import neuron_settings
from bitspike.quant import LSQ, AdaptiveWeights
from bitspike.sample import Sample

IMAGE = Sample((1, 16, 16))
SQUEEZED = {"kind": "adaptive", "tau": 1.0, "squeeze": True}
NETWORKS = {  # name, bits, neuron
    "multi-bit": ("spikformer-2-64", "2/2/2", {"kind": "multibit", "surrogate_function": "atan"}),
    "binary": ("spikformer-2-64", "2/1/3", {"kind": "lif"}),
    "multi-level": ("spikformer-2-64", "3/2/1", {"kind": "multi-level", "levels": 2}),
    "learned bits": ("pre-spikformer-2-64", "4/3/2", SQUEEZED),
    "learned bits, not squeezed": ("pre-spikformer-2-64", "3/2/2", {"kind": "adaptive", "tau": 1.0}),
}
TRAINS = {
    "multi-bit": ("spikformer-2-256-dvs", "2/2/3", {"kind": "multibit"}, Sample((2, 32, 32), T=3, lo=0, hi=7)),
    "learned bits": (
        "pre-spikformer-2-256-dvs", "2/2/3", {"kind": "adaptive", "tau": 1.0}, Sample((2, 32, 32), T=3, lo=-3, hi=3),
    ),
}  # fmt: skip


def codes(sample: Sample, count: int) -> torch.Tensor:
    """Noise of many strengths, in blocks: all alike, noise has one class."""
    generator = torch.Generator().manual_seed(0)
    *lead, height, width = sample.array_shape
    coarse = torch.rand(count, *lead, height // 4, width // 4, generator=generator)
    blocks = coarse.repeat_interleave(4, -2).repeat_interleave(4, -1)
    strength = torch.rand(count, *(1,) * (len(lead) + 2), generator=generator)
    return (blocks * strength * (sample.hi - sample.lo + 0.999)).to(torch.uint8)


def trained(name, bits, neuron, sample=IMAGE, steps=6):
    """A small network after a few steps: thresholds have started, batch norms have statistics, bits have moved."""
    torch.manual_seed(0)
    quantizer = AdaptiveWeights if name.startswith("pre-") else LSQ
    settings = {"sample": sample, "num_classes": 5, "channels": (4, 4, 8, 32), "neuron": neuron_settings(**neuron)}
    model = build_model(name, BitPlan(Bits.parse(bits)), quantizer=quantizer, **settings)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and any(f"attention.0.{branch}." in name for branch in "qkv"):
            torch.nn.init.normal_(module.bias, 0.5, 0.7)  # so that spikes meet
    optimizer, x = torch.optim.AdamW(model.parameters(), 1e-2), codes(sample, 16)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(x).mean(0), torch.arange(16) % 5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def own_mismatches(seen: Agreement) -> float:
    """Of the layer that rounds worst, the share of levels that differ by its own rounding."""
    return max(layer.own / layer.elements for layer in seen.layers)


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_backend_computes_the_same_attention(kind):
    model = trained(*NETWORKS[kind])
    net, images = freeze(model, IMAGE, "spikformer"), codes(IMAGE, 24)
    seen = agreement(model, net, [images])
    assert seen.same_class == 24
    assert own_mismatches(seen) < 1e-3
    edges = oracle.run(net, images.numpy())
    met = [edges[node.name] for node in net.graph.products()]
    assert len(met) == 4
    assert all(len(np.unique(product)) > 2 for product in met)  # attention does something
    logits = oracle.logits(net, images.numpy())
    assert len(np.unique(logits)) > 20
    check_engines(net, images.numpy(), logits)


def check_engines(net: FrozenGraph, images: np.ndarray, logits: np.ndarray) -> None:
    """Every backend gives these logits."""
    for engine in engines():
        if engine == "verilog":
            continue  # simulated in test_verilog_of_every_op, which takes longer
        try:
            found = backend(engine).run(net, images)
        except UserError as refused:  # by name, where it has no integers so large
            assert (engine, "exact to 2^24" in str(refused)) == ("onnx", True), refused
        else:
            assert np.array_equal(found, logits), engine


@pytest.mark.parametrize("kind", TRAINS)
def test_trains_of_events_are_frozen_as_they_were_trained(kind):
    *network, sample = TRAINS[kind]
    model = trained(*network, sample)
    net, trains = freeze(model, sample, "spikformer"), codes(sample, 16)
    seen = agreement(model, net, [trains])
    assert seen.same_class == 16
    assert own_mismatches(seen) < 1e-3
    check_engines(net, trains.numpy(), oracle.logits(net, trains.numpy()))


def test_a_planted_error_is_seen():
    model = trained(*NETWORKS["multi-bit"])
    net, images = freeze(model, IMAGE, "spikformer"), codes(IMAGE, 24)
    with torch.no_grad():
        model.blocks[0].attention[0].v[0][1].bias.add_(0.25)
    assert own_mismatches(agreement(model, net, [images])) > 1e-3
