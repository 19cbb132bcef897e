"""A network as a NIR graph: read back exactly, refused where NIR lacks it, and where floats and integers part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import bitspike
from bitspike import UserError
from bitspike.backends import backend
from bitspike.ir import FrozenGraph
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import freeze
from bitspike.neurons import IFNode, LeakyNode, LIFNode, MultiBitLIFNode
from bitspike.quant import quantize_weights

nir = pytest.importorskip("nir")


def network(*neurons: nn.Module, bits: int = 4, pool: nn.Module | None = None) -> FrozenGraph:
    torch.manual_seed(0)
    first, second, third = neurons
    net = nn.Sequential(
        Encoder(mean=0.1, std=0.5),
        OverTime(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        first,
        OverTime(pool or nn.AvgPool2d(2), nn.Conv2d(4, 6, 3, stride=2, groups=2)),
        second,
        OverTime(nn.Flatten(), nn.Linear(6, 5)),
        third,
    )
    return freeze(quantize_weights(net, bits).eval(), (1, 8, 8))


def neurons(T: int) -> st.SearchStrategy[nn.Module]:
    return st.one_of(
        st.builds(IFNode, st.just(T), st.sampled_from([0.2, 0.5]), st.sampled_from([0.0, -0.25])),
        st.builds(LIFNode, st.just(T), st.sampled_from([1.5, 2.0, 4.0]), st.booleans(), st.just(0.25)),
        st.builds(LeakyNode, st.just(T), st.sampled_from([0.5, 0.9, 1.0]), st.just(0.3), st.just("zero")),
    )


@settings(deadline=None, max_examples=15)
@given(st.data(), st.integers(1, 3), st.integers(1, 8))
def test_it_is_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, T: int, bits: int):
    net = network(*(data.draw(neurons(T)) for _ in range(3)), bits=bits)
    folder = tmp_path_factory.mktemp("nir")
    (file,) = bitspike.export(net, "nir", folder, name="net").files
    again = bitspike.from_nir(file)
    assert again.graph == net.graph
    assert again.tensors.keys() == net.tensors.keys()
    assert all(np.array_equal(again.tensors[name], values) for name, values in net.tensors.items())
    assert (again.dataset, again.frames) == (net.dataset, net.frames)


def test_widths_and_integers_are_metadata(tmp_path: Path):
    (file,) = bitspike.export(network(*(LIFNode(2, 2.0, False, 0.25) for _ in range(3))), "nir", tmp_path).files
    graph = nir.read(file)
    assert graph.metadata["bits"] == "nir-bits-1"
    assert int(graph.metadata["steps"]) == 2
    convolutions = [node for node in graph.nodes.values() if "weight_bits" in node.metadata]
    assert len(convolutions) == 3
    for node in convolutions:
        m = node.metadata
        assert abs(m["weight_codes"]).max() <= 7
        per_channel = abs(node.weight).reshape(len(node.weight), -1).max(1) / abs(m["weight_codes"]).reshape(
            len(node.weight), -1
        ).max(1)
        assert np.allclose(per_channel / per_channel[0], m["multiplier"] / m["multiplier"][0], rtol=1e-5)
    for node in (node for node in graph.nodes.values() if isinstance(node, nir.LIF)):
        assert (node.v_threshold == 1).all()
        assert np.allclose(node.tau, 2e-4)
        assert node.metadata["membrane_lo"] < 0 < node.metadata["membrane_hi"]


def three(make) -> tuple[nn.Module, ...]:
    return tuple(make() for _ in range(3))


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: network(*three(lambda: IFNode(2, v_reset=None))), "soft reset"),
        (lambda: network(*three(lambda: MultiBitLIFNode(2, 2))), "levels 0..3"),
        (lambda: network(*three(lambda: LeakyNode(2, 0.9))), "reset=subtract"),
        (lambda: network(*three(lambda: IFNode(2)), pool=nn.MaxPool2d(2)), "MaxPool"),
    ],
)
def test_what_nir_lacks_is_refused(made, says: str, tmp_path: Path):
    with pytest.raises(UserError, match=says):
        bitspike.export(made(), "nir", tmp_path)
    assert not list(tmp_path.iterdir())


def test_floats_that_are_another_networks_are_refused(tmp_path: Path):
    (file,) = bitspike.export(network(*three(lambda: IFNode(2))), "nir", tmp_path).files
    graph = nir.read(file)
    node = next(node for node in graph.nodes.values() if isinstance(node, nir.Conv2d))
    node.weight[0, 0, 0, 0] += 0.5
    nir.write(file, graph)
    with pytest.raises(UserError, match="other floats"):
        bitspike.from_nir(file)


def test_integers_that_are_none_are_refused(tmp_path: Path):
    (file,) = bitspike.export(network(*three(lambda: IFNode(2))), "nir", tmp_path).files
    graph = nir.read(file)
    node = next(node for node in graph.nodes.values() if isinstance(node, nir.Conv2d))
    del node.metadata["multiplier"]
    nir.write(file, graph)
    with pytest.raises(UserError, match="nir-bits-1"):
        bitspike.from_nir(file)


def test_a_file_without_integers_is_refused(tmp_path: Path):
    nir.write(tmp_path / "plain.nir", nir.NIRGraph.from_list(nir.Linear(weight=np.ones((2, 3), np.float32))))
    (tmp_path / "none.nir").write_bytes(b"none")
    for name, says in (("plain.nir", "has no integers"), ("none.nir", "not a NIR file"), ("nowhere", "not a NIR file")):
        with pytest.raises(UserError, match=says):
            bitspike.from_nir(tmp_path / name)


def test_the_backend_runs_nothing():
    with pytest.raises(UserError, match="does not run"):
        backend("nir").run(network(*three(lambda: IFNode(2))), np.zeros((1, 1, 8, 8), np.uint8))
