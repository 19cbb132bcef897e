"""Measuring a network counts the integers of its quantized weights too."""

from functools import partial

import pytest
import torch
from torch import nn

from bitspike.costs import WeightCodes, entropy
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower, measure
from bitspike.neurons import QuantLIFNode
from bitspike.quant import LSQ, UniformSymmetric, binary, quantize_weights, synapses

IMAGES = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)


def tiny() -> nn.Sequential:
    return nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(1, 4, 1, bias=False)),
        QuantLIFNode(1),
        OverTime(nn.Flatten(), nn.Linear(16, 3, bias=False)),
    )


def measured(model: nn.Module) -> dict[str, WeightCodes]:
    model.eval()
    return dict(measure(model, lower(model, (1, 2, 2)), [IMAGES], "zeros").weights)


def test_codes_by_hand():
    model = quantize_weights(tiny(), 1, quantizer=partial(binary, over="nothing"), first=3)
    layers = synapses(model)
    layers["1.0"].parametrizations.weight.original.data = torch.tensor([3.0, -1.0, 0.2, 2.0]).reshape(4, 1, 1, 1)
    signs = torch.ones(3, 16)
    signs[0, :12] = -0.5  # 12 of 48
    layers["3.1"].parametrizations.weight.original.data = signs
    assert measured(model) == {
        "1.0": WeightCodes(4, 2, 1, 2.0),  # the codes 3, -1, 0, 2
        "3.1": WeightCodes(48, 36, 12, entropy(36, 12)),
    }


@pytest.mark.parametrize("quantizer", [LSQ, partial(LSQ, channelwise=True), UniformSymmetric, binary])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_quantizer_is_counted_and_floats_are_not(quantizer, bits):
    torch.manual_seed(bits)
    model = quantize_weights(tiny(), bits, quantizer=quantizer, rules={"1.0": None})
    (found,) = measured(model).items()
    layer = synapses(model)["3.1"]
    assert found[0] == "3.1"
    quantized = layer.weight.detach()
    assert (found[1].elements, found[1].positive, found[1].negative) == (
        48, int((quantized > 0).sum()), int((quantized < 0).sum()),
    )  # fmt: skip
    step = layer.parametrizations.weight[0].step_size(layer.parametrizations.weight.original)
    counts = (quantized / step).round().unique(return_counts=True)[1]
    assert found[1].entropy == entropy(*counts.tolist())
    assert 0 <= found[1].entropy <= bits


def test_a_network_in_floats_has_no_codes():
    assert measured(tiny()) == {}
