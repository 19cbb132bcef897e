"""Layers over signals ``(C, L)``: lowered, costed, frozen and run as images of one row, whose integers they share."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import UserError
from bitspike.backends import backend, c, oracle
from bitspike.costs import cost
from bitspike.ir import FrozenGraph, load, save
from bitspike.layers import EventEncoder, OverTime, Recurrent
from bitspike.lowering import agreement, freeze, lower, measure
from bitspike.neurons import IFNode, LIFNode
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

SIGNAL = Sample((3, 24), T=4, lo=-1, hi=1)
ROW = Sample((3, 1, 24), T=4, lo=-1, hi=1)


def signal() -> nn.Module:
    return nn.Sequential(
        EventEncoder(SIGNAL),
        OverTime(nn.Conv1d(3, 6, 5, stride=1, padding=2, bias=False), nn.BatchNorm1d(6)),
        LIFNode(T=4, v_reset=None),
        OverTime(nn.MaxPool1d(3, stride=2, padding=1), nn.Conv1d(6, 8, 3, dilation=2, groups=2), nn.BatchNorm1d(8)),
        IFNode(T=4),
        OverTime(nn.AvgPool1d(2), nn.Conv1d(8, 8, 3, padding="same", bias=False)),
        Recurrent(nn.Conv1d(8, 8, 1), IFNode(T=4)),
        nn.Flatten(2),
        nn.Linear(32, 3),
    )


def row() -> nn.Module:
    """The same of images of one row."""
    return nn.Sequential(
        EventEncoder(ROW),
        OverTime(nn.Conv2d(3, 6, (1, 5), padding=(0, 2), bias=False), nn.BatchNorm2d(6)),
        LIFNode(T=4, v_reset=None),
        OverTime(
            nn.MaxPool2d((1, 3), stride=(1, 2), padding=(0, 1)),
            nn.Conv2d(6, 8, (1, 3), dilation=(1, 2), groups=2),
            nn.BatchNorm2d(8),
        ),
        IFNode(T=4),
        OverTime(nn.AvgPool2d((1, 2)), nn.Conv2d(8, 8, (1, 3), padding="same", bias=False)),
        Recurrent(nn.Conv2d(8, 8, 1), IFNode(T=4)),
        nn.Flatten(2),
        nn.Linear(32, 3),
    )


def trained(make: Callable[[], nn.Module], sample: Sample) -> nn.Module:
    """With weights that are the same in both, and statistics of random sequences."""
    model, generator = make(), torch.Generator().manual_seed(5)
    for name, value in sorted(model.named_parameters()):
        value.data = torch.randn(value.shape, generator=generator) * (0.5 if value.ndim > 1 else 0.1)
        value.data += float(name.endswith("weight") and value.ndim == 1)
    quantize_weights(model, 4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(codes(sample, 64))
    return model.eval()


def codes(sample: Sample, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 3, (count, *sample.array_shape), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def both() -> tuple[FrozenGraph, FrozenGraph]:
    return freeze(trained(signal, SIGNAL), SIGNAL), freeze(trained(row, ROW), ROW)


def test_it_is_the_graph_of_images_of_one_row() -> None:
    one, other = lower(signal(), SIGNAL), lower(row(), ROW)
    for node, like in zip(one.nodes, other.nodes, strict=True):
        shape = other.edges[like.name].shape
        assert one.edges[node.name].shape == (shape if len(shape) == 1 else (shape[0], shape[2])), node.name
    a, b = cost(one), cost(other)
    assert (a.layers, a.neurons, a.total, a.memory) == (b.layers, b.neurons, b.total, b.memory)


def test_its_integers_are_those_of_images_of_one_row(both: tuple[FrozenGraph, FrozenGraph]) -> None:
    one, other = both
    assert one.tensors.keys() == other.tensors.keys()
    for name, values in one.tensors.items():
        if name.endswith("weight"):
            assert np.array_equal(values, other.tensors[name])
    same = FrozenGraph(one.graph, other.tensors)  # torch may round a norm's statistics otherwise
    shown = codes(SIGNAL, 50).numpy()
    edges, wanted = oracle.run(same, shown), oracle.run(other, shown.reshape(50, *ROW.array_shape))
    for name, edge in edges.items():
        assert np.array_equal(edge, wanted[name].reshape(edge.shape)), name
    assert all(np.ptp(edges[node.name]) for node in one.graph.neurons())


def test_another_weight_is_found(both: tuple[FrozenGraph, FrozenGraph]) -> None:
    one, other = both
    turned = {**other.tensors, "1.0.weight": one.tensors["1.0.weight"][..., ::-1]}
    shown = codes(SIGNAL, 20).numpy()
    found = oracle.logits(FrozenGraph(one.graph, turned), shown)
    assert not np.array_equal(found, oracle.logits(other, shown.reshape(20, *ROW.array_shape)))


def test_its_integers_are_its_floats() -> None:
    model = trained(signal, SIGNAL)
    found = agreement(model, freeze(model, SIGNAL), [codes(SIGNAL, 100)])
    assert found.same_class >= 99
    assert all(layer.own <= layer.elements / 1000 for layer in found.layers)


def test_its_spikes_are_counted() -> None:
    model = trained(signal, SIGNAL)
    shown, reads = codes(SIGNAL, 20), []
    activity = measure(model, lower(model, SIGNAL), [shown], "random")
    model[5][1].register_forward_hook(lambda m, x, y: reads.append(x[0]))  # type: ignore[index]
    with torch.no_grad():
        model(shown)
        like = nn.Conv1d(8, 8, 3, padding="same", bias=False)
        like.weight.fill_(1.0)
        sops = sum(int(like((x != 0).float()).sum()) for x in reads)
    assert activity.synapses["5.1"].events == sum(int((x != 0).sum()) for x in reads) > 0
    assert activity.synapses["5.1"].sops == sops


@pytest.mark.parametrize("name", ["c", "onnx", "native"])
def test_every_backend_computes_it(name: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
    if name == "c" and not shutil.which("gcc"):
        pytest.skip("no gcc")
    layers = [part.node if name == "native" and isinstance(part, Recurrent) else part for part in signal()]
    net = freeze(trained(lambda: nn.Sequential(*layers), SIGNAL), SIGNAL)
    shown = codes(SIGNAL, 30).numpy()
    logits, edges = backend(name).trace(net, shown)
    wanted = oracle.run(net, shown)
    assert np.array_equal(logits, oracle.logits(net, shown))
    assert all(np.array_equal(edges[edge], wanted[edge]) for edge in edges)
    assert np.ptp(logits)


def test_it_streams_in_floats_integers_and_c(both: tuple[FrozenGraph, FrozenGraph]) -> None:
    net, shown = both[0], codes(SIGNAL, 12)
    floats, integers = bitspike.stream(trained(signal, SIGNAL)), bitspike.stream(net)
    answers = np.stack([integers.step(shown[:, t].numpy()) for t in range(4)], axis=1)
    total = sum(floats.step(shown[:, t]) for t in range(4))
    assert np.array_equal(answers[:, -1], oracle.logits(net, shown.numpy()))
    assert (total.argmax(1).numpy() == answers[:, -1].argmax(1)).all()
    if shutil.which("gcc"):
        assert np.array_equal(c.logits(net, shown.numpy(), ["gcc"], "-O1", streaming=True), answers)


def test_it_comes_back_from_its_file(both: tuple[FrozenGraph, FrozenGraph], tmp_path: object) -> None:
    save(both[0], f"{tmp_path}/net.bitspike")
    again = load(f"{tmp_path}/net.bitspike")
    assert again.graph == both[0].graph
    assert all(np.array_equal(again.tensors[name], both[0].tensors[name]) for name in again.tensors)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (lambda: nn.Conv2d(3, 6, 1), r"conv 1.0: got \(3, 24\); wants an input of shape \(C, H, W\)"),
        (lambda: nn.MaxPool2d(1), r"max pool 1.0: got \(3, 24\); wants an input of shape \(C, H, W\)"),
        (lambda: nn.AvgPool2d(1), r"average pool 1.0: got \(3, 24\); wants an input of shape \(C, H, W\)"),
        (lambda: nn.Conv1d(4, 6, 3), "conv 1.0: got '3 channels'; wants 4"),
        (lambda: nn.Conv1d(3, 6, 25), "window is larger than that"),
        (lambda: nn.Conv1d(3, 6, 3, padding=1, padding_mode="circular"), "want zeros, as many on both sides"),
        (lambda: nn.Conv1d(3, 6, 4, padding="same"), "want zeros, as many on both sides"),
        (lambda: nn.MaxPool1d(2, ceil_mode=True), "want plain windows"),
        (lambda: nn.AvgPool1d(3, padding=1, count_include_pad=False), "want the plain mean over windows"),
    ],
)
def test_what_is_no_signal_or_no_plain_layer_is_refused(layer: Callable[[], nn.Module], says: str) -> None:
    model = nn.Sequential(EventEncoder(SIGNAL), OverTime(layer()), IFNode(T=4), nn.Flatten(2), nn.Linear(72, 3))
    with pytest.raises(UserError, match=says):
        lower(model, SIGNAL)


def test_a_layer_of_signals_wants_no_image() -> None:
    model = nn.Sequential(EventEncoder(ROW), OverTime(nn.Conv1d(3, 6, 3)), IFNode(T=4))
    with pytest.raises(UserError, match=r"conv 1.0: got \(3, 1, 24\); wants an input of shape \(C, L\)"):
        lower(model, ROW)
