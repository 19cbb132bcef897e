"""Networks of normalised images: floats, oracle, C and ONNX see the same levels, at the borders too."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from random_graphs import differences
from torch import nn

from bitspike.backends import backend, c, oracle
from bitspike.conversion import adopt, convert, equivalence
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze, lower
from bitspike.models import morph
from bitspike.neurons import MultiBitLIFNode, QReLU
from bitspike.quant import quantize_weights

SHAPE = (3, 8, 8)
IMAGES = np.random.default_rng(5).integers(0, 256, (8, *SHAPE), dtype=np.uint8)
IMAGES[:2] = np.array([0, 255], dtype=np.uint8)[:, None, None, None]
NORMALIZATIONS = [
    {"mean": 0.0},
    {"mean": 0.5, "std": 0.5},
    {"mean": 0.1307, "std": 0.3081},
    {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    {"mean": (0.0, 0.5, 1.0)},
]


def widest(net: FrozenGraph) -> int:
    """Bits of the levels that the first layer reads."""
    levels = net.ranges.get("0.levels") or net.ranges.get("encoder.levels")
    return 8 if levels is None else levels.signed_bits


def everywhere(net: FrozenGraph, images: np.ndarray) -> None:
    compiler = next((cc for cc in ("gcc", "clang") if shutil.which(cc)), None)
    wanted = oracle.run(net, images)
    if compiler is not None:
        assert not differences(net, wanted, *c.traced(net, images, [compiler], "-O2"))
    pytest.importorskip("onnxruntime")
    try:
        made = backend("onnx").trace(net, images)
    except UserError as refused:  # ONNX convolves in float32
        assert "exact to 2^24 only" in str(refused)
        assert widest(net) > 12
    else:
        assert not differences(net, wanted, *made)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_spiking_network_sends_the_same_spikes(normalization: dict[str, float]) -> None:
    torch.manual_seed(0)
    layers = [
        OverTime(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)),
        MultiBitLIFNode(T=3, spike_bits=2, v_threshold=0.3),
    ]
    layers += [OverTime(nn.Flatten(), nn.Linear(256, 5))]
    model = quantize_weights(nn.Sequential(Encoder(**normalization), *layers), 4).train()
    with torch.no_grad():
        for _ in range(40):  # the norm knows its statistics
            model(torch.from_numpy(IMAGES))
    net = freeze(model.eval(), SHAPE)
    found = agreement(model, net, [torch.from_numpy(IMAGES)])
    assert all(layer.mismatches == 0 for layer in found.layers), found
    sent = oracle.run(net, IMAGES)[next(net.graph.neurons()).name]
    assert len(np.unique(sent)) > 2
    everywhere(net, IMAGES)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("first", ["conv", "linear", "pool"])
def test_a_network_of_ones_own_is_its_own_and_converts_exactly(normalization: dict[str, float], first: str) -> None:
    torch.manual_seed(0)
    head = {
        "conv": [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)],
        "linear": [nn.Flatten(), nn.Linear(192, 6), nn.ReLU(), nn.Linear(6, 5)],
        "pool": [nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)],
    }[first]
    model = nn.Sequential(*head).eval()
    pixels = torch.from_numpy(IMAGES)
    with torch.no_grad():
        mean, std = (torch.tensor(normalization.get(key, was)).view(-1, 1, 1) for key, was in (("mean", 0), ("std", 1)))
        wanted = model((pixels / 255 - mean) / std)
        seen = adopt(model, nn.ReLU, Encoder(**normalization))(pixels)[0]
    assert (seen - wanted).abs().max() < 2e-3
    qann = quantize_weights(morph(adopt(model, lambda: QReLU(4), Encoder(**normalization))), 4)
    with torch.no_grad():
        qann.train()(pixels)
    made = convert(qann.eval(), SHAPE)
    assert equivalence(made.net, made.levels, IMAGES, np.zeros(len(IMAGES), dtype=np.int64)).equal
    assert all(layer.rate < 0.01 for layer in agreement(made.snn, made.net, [pixels]).layers)
    everywhere(made.net, IMAGES)


def test_the_channels_of_the_mean_are_those_of_the_images() -> None:
    model = nn.Sequential(Encoder(mean=(0.1, 0.2)), OverTime(nn.Flatten(), nn.Linear(192, 3)), MultiBitLIFNode(1, 2))
    with pytest.raises(UserError, match="encoder 0: got '3 channels'; has mean and std of 2"):
        lower(model, SHAPE)
