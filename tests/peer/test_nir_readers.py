"""Networks as NIR in other readers: currents within float32's rounding, spikes as the integers have them."""

import numpy as np
import pytest
import torch
from torch import nn

import bitspike
from bitspike.backends import backend, oracle
from bitspike.layers import Encoder, EventEncoder, OverTime
from bitspike.lowering import freeze
from bitspike.neurons import IFNode, LeakyNode, LIFNode
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

pytestmark = pytest.mark.peer
REASON = "not installed here: `make test-peers` makes an environment that has it"
nir = pytest.importorskip("nir", reason=f"nir: {REASON}", exc_type=ImportError)


def outputs(graph, read, inputs):
    """What a reader's network answers at each step, in the integers' units."""
    network = read(graph)
    (unit,) = (float(node.metadata["unit"]) for node in graph.nodes.values() if isinstance(node, nir.Output))
    state, made = None, []
    with torch.no_grad():
        for one in inputs:
            answer, state = network(one, state)
            made.append(answer)
    return torch.stack(made).numpy() / unit


def written(net, tmp_path):
    (tmp_path / "net.nir").write_bytes(backend("nir").export(net, "net").files["net.nir"])
    return nir.read(tmp_path / "net.nir")


def test_spikingjelly_reads_it(tmp_path):
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange", exc_type=ImportError)
    torch.manual_seed(0)
    net = nn.Sequential(
        Encoder(mean=0, std=1),
        OverTime(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        LIFNode(6, 2.0, False, v_threshold=0.3),
        OverTime(nn.AvgPool2d(2), nn.Conv2d(4, 6, 3, padding=1)),
        IFNode(6, v_threshold=0.2),
        OverTime(nn.Flatten(), nn.Linear(96, 10)),
        LIFNode(6, 3.0, False, v_threshold=0.2),
        OverTime(nn.Linear(10, 4)),
    )
    net = freeze(quantize_weights(net, 4).eval(), (1, 8, 8))
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 8, 8)).astype(np.uint8)
    inputs = [torch.tensor(images).float() / 255] * 6
    graph = written(net, tmp_path)
    made = outputs(graph, exchange.import_from_nir, inputs)
    wanted = oracle.run(net, images)[net.readout.inputs[0]]
    apart = np.abs(made - wanted) > 1e-4 * np.abs(wanted).max()
    assert len(np.unique(wanted)) > 8
    assert apart.mean() < 1e-3
    for node in graph.nodes.values():
        if isinstance(node, nir.LIF | nir.IF):
            node.v_threshold = node.v_threshold * 2
    assert (np.abs(outputs(graph, exchange.import_from_nir, inputs) - wanted) > np.abs(wanted).max() / 10).any()


def test_snntorch_reads_it(tmp_path):
    reader = pytest.importorskip("snntorch.import_nir", exc_type=ImportError)
    torch.manual_seed(0)
    sample = Sample((64,), 6, 0, 7)
    net = nn.Sequential(
        EventEncoder(sample, 0.125),
        OverTime(nn.Linear(64, 30)),
        LeakyNode(6, 0.9, 0.3, "zero"),
        OverTime(nn.Linear(30, 10)),
        LeakyNode(6, 0.8, 0.3, "zero"),
        OverTime(nn.Linear(10, 4)),
    )
    net = freeze(quantize_weights(net, 4).eval(), sample)
    codes = np.random.default_rng(0).integers(0, 8, (100, 6, 64)).astype(np.uint8)
    inputs = list((torch.tensor(codes).float() / 8).unbind(1))
    made = outputs(written(net, tmp_path), reader.import_from_nir, inputs)
    wanted = oracle.run(net, codes)[net.readout.inputs[0]]
    assert (np.abs(made - wanted) > 1e-4 * np.abs(wanted).max()).mean() < 1e-3
    assert len(np.unique(wanted)) > 8


def test_what_snntorch_writes_is_taken_in(tmp_path):
    snntorch = pytest.importorskip("snntorch", exc_type=ImportError)
    export = pytest.importorskip("snntorch.export_nir", exc_type=ImportError)
    torch.manual_seed(0)
    how = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}

    def leaky(count, beta, threshold):  # its writer wants numbers for each neuron
        return snntorch.Leaky(torch.full((count,), beta), torch.full((count,), threshold), **how)

    theirs = nn.Sequential(nn.Linear(64, 30), leaky(30, 0.9, 0.3), nn.Linear(30, 4), leaky(4, 0.8, 0.2))
    graph = export.export_to_nir(theirs, torch.randn(64))
    nir.write(tmp_path / "net.nir", graph)
    sample = Sample((64,), 6, 0, 7)
    ours = bitspike.adopt(tmp_path / "net.nir", encoder=EventEncoder(sample, 0.25))
    codes = torch.randint(0, 8, (50, 6, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    utils = pytest.importorskip("snntorch.utils")
    utils.reset(theirs)
    wanted = torch.stack([theirs(one) for one in (codes * 0.25).unbind(1)])
    made = ours(codes)
    assert (made != wanted).float().mean() < 0.01  # beta came through 1 - dt/tau
    assert 0.05 < made.mean() < 0.95
