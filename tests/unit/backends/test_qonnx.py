"""A network as QONNX, run by ONNX's reference with a Quant of our own writing: spikes as the integers have them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bitspike
from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.ir import FrozenGraph
from bitspike.layers import Encoder, EventEncoder, OverTime
from bitspike.lowering import freeze
from bitspike.neurons import (
    IFNode,
    LeakyNode,
    LIFNode,
    MultiBitLIFNode,
    SpikingNode,
    Staircase,
    StraightThrough,
    quantize_membrane,
)
from bitspike.neurons.integrate import Integrate
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
op_run = pytest.importorskip("onnx.reference.op_run")
DOMAIN = "qonnx.custom_op.general"
ROUND = {"ROUND": np.round, "FLOOR": np.floor}


class Quant(op_run.OpRun):
    """QONNX's text: scaled, clipped to the alphabet of the width, rounded, scaled back."""

    op_domain = DOMAIN

    def _run(self, x, scale, zero, bits, signed=None, narrow=None, rounding_mode=None):
        top = 2 ** int(bits - signed) - 1
        bottom = -top - (0 if narrow else 1) if signed else 0
        whole = ROUND[rounding_mode](np.clip(x / scale + zero, bottom, top))
        return (((whole - zero) * scale).astype(np.float32),)


class BipolarQuant(op_run.OpRun):
    op_domain = DOMAIN

    def _run(self, x, scale):
        return (np.where(x >= 0, scale, -scale).astype(np.float32),)


def run(content: bytes, values: np.ndarray, *names: str) -> list[np.ndarray]:
    """Outputs for each input, and what else is asked for by name."""
    model = onnx.load_from_string(content)
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    runner = reference.ReferenceEvaluator(model, new_ops=[Quant, BipolarQuant])
    made = [runner.run(None, {"images": one[None]}) for one in values.astype(np.float32)]
    return [np.concatenate(each) for each in zip(*made, strict=True)]


def written(net: FrozenGraph) -> bytes:
    return backend("qonnx").export(net, "net").files["net.onnx"]


def convolutional(neuron, bits: int = 3, pool: type[nn.Module] = nn.AvgPool2d) -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        Encoder(mean=0, std=1),
        OverTime(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        neuron(),
        OverTime(pool(2), nn.Conv2d(4, 6, 3, groups=2)),
        neuron(),
        OverTime(nn.Flatten(), nn.Linear(24, 5)),
    )
    net[1][1].weight.data[1] = -1.0  # a channel whose weights change sign
    return quantize_weights(net, bits).eval()


def stored() -> nn.Module:
    node = LIFNode(4, 2.0, False, 0.25)
    quantize_membrane(node, 4)
    node.train()(torch.randn(4, 50, 4))
    return node.eval()


def signed() -> nn.Module:
    """Levels -2..3 to the nearest: no plain alphabet, so that it is clipped first."""
    stairs = Staircase(0.25, -2, 3, 0.5, 0.25)
    parts = {"integrate": Integrate(), "staircase": stairs, "surrogate_function": StraightThrough()}
    return SpikingNode(T=3, v_reset=None, detach_reset=True, **parts)


NEURONS = {
    "if-soft": lambda: IFNode(3, 0.5, None),
    "lif": lambda: LIFNode(4, 2.0, False, 0.25, -0.125),
    "multibit": lambda: MultiBitLIFNode(2, 2, 2.0, 0.25),
    "multibit-soft": lambda: MultiBitLIFNode(3, 3, 1.5, 0.25, None),
    "stored": stored,
    "signed": signed,
    **{
        f"leaky-{reset}": lambda reset=reset: LeakyNode(4, 0.75, 0.25, reset)
        for reset in ("subtract", "subtract-at-once", "zero", "none")
    },
}


@pytest.mark.parametrize(("kind", "bits"), [*((kind, 3) for kind in NEURONS), ("lif", 1)])
def test_levels_are_those_of_the_integers(kind, bits):
    pool = nn.MaxPool2d if kind in ("multibit", "if-soft") else nn.AvgPool2d
    net = freeze(convolutional(NEURONS[kind], bits, pool), (1, 8, 8))
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8)).astype(np.uint8)
    wanted = oracle.run(net, images)
    names = [(node.name, t) for node in net.graph.neurons() for t in range(node.T)]
    logits, *levels = run(written(net), images / 255, *(f"{name}.t{t}" for name, t in names))
    exact = np.concatenate([wanted[name][t] for name, t in names], axis=None)
    made = np.concatenate(levels, axis=None)
    assert (made != exact).mean() < 2e-3
    assert 0.02 < (exact != 0).mean() < 0.98
    own = oracle.logits(net, images) * (net.logit_scale or 1.0)
    assert np.median(np.abs(logits - own)) < 1e-3 * np.abs(own).max()


def test_the_comparison_sees_another_network():
    one, other = (freeze(convolutional(partial(IFNode, 2, height)), (1, 8, 8)) for height in (0.1, 0.2))
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8)).astype(np.uint8)
    apart = run(written(one), images / 255)[0] - oracle.logits(other, images) * (other.logit_scale or 1.0)
    assert np.median(np.abs(apart)) > 1e-3


def test_a_train_and_its_widths():
    torch.manual_seed(0)
    sample = Sample((6,), 3, -2, 3)
    net = nn.Sequential(EventEncoder(sample, 0.5), OverTime(nn.Linear(6, 7)), IFNode(3, 0.5), OverTime(nn.Linear(7, 4)))
    net = freeze(quantize_weights(net, 4).eval(), sample)
    codes = np.random.default_rng(0).integers(0, 6, (20, 3, 6)).astype(np.uint8)
    content = written(net)
    (logits,) = run(content, (codes.astype(float) - 2) * 0.5)
    own = oracle.logits(net, codes) * net.logit_scale
    assert np.allclose(logits, own, atol=1e-3 * np.abs(own).max())
    model = onnx.load_from_string(content)
    constants = {made.name: onnx.numpy_helper.to_array(made) for made in model.graph.initializer}
    quants = [node for node in model.graph.node if node.op_type == "Quant"]
    assert sorted({int(constants[node.input[3]]) for node in quants}) == [1, 3, 4]
    assert [node.domain for node in quants] == [DOMAIN] * len(quants)


def test_what_it_cannot_say_is_refused(tmp_path):
    signals = nn.Sequential(EventEncoder(Sample((2, 9), 2, 0, 1)), OverTime(nn.Conv1d(2, 3, 3)), IFNode(2))
    signals.append(OverTime(nn.Flatten(), nn.Linear(21, 4)))
    frozen = freeze(quantize_weights(signals, 4).eval(), Sample((2, 9), 2, 0, 1))
    with pytest.raises(UserError, match="wants images"):
        bitspike.export(frozen, "qonnx", tmp_path)
    each = freeze(quantize_weights(trains(), 4).eval(), Sample((6,), 3, 0, 3), readout="each")
    with pytest.raises(UserError, match="one answer"):
        bitspike.export(each, "qonnx", tmp_path)
    assert not list(tmp_path.iterdir())


def trains() -> Any:
    first, second = OverTime(nn.Linear(6, 7)), OverTime(nn.Linear(7, 4))
    return nn.Sequential(EventEncoder(Sample((6,), 3, 0, 3)), first, IFNode(3), second)
