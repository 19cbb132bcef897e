"""Attaching quantizers to any model: which layer gets which bits, and nothing half done."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from bitspike.errors import UserError
from bitspike.quant import LSQ, UniformSymmetric, quantize_weights, synapses, weight_bits, weight_quantizer


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
        nn.Flatten(2),
        nn.Conv1d(4, 2, 3),
        nn.Flatten(),
        nn.Linear(2 * 14, 3),
    )


def widths(model: nn.Module) -> dict[str, int]:
    return {name: weight_bits(layer) for name, layer in synapses(model).items()}


def attached(model: nn.Module) -> bool:
    return any(parametrize.is_parametrized(module) for module in model.modules())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [3, 3, 3, 3]),
        ({"first": 8}, [8, 3, 3, 3]),
        ({"last": 8}, [3, 3, 3, 8]),
        ({"first": 8, "last": 6}, [8, 3, 3, 6]),
        ({"rules": {"2.0": 5}}, [3, 5, 3, 3]),
        ({"rules": {"2.*": 5}}, [3, 5, 3, 3]),
        ({"rules": {"*": 4, "6": 2}}, [4, 4, 4, 2]),
        ({"rules": {"6": 2, "*": 4}}, [4, 4, 4, 4]),
        ({"first": 8, "last": 8, "rules": {"0": 2, "6": None}}, [2, 3, 3, 16]),
    ],
)
def test_bits_of_each_layer(options, expected):
    model = plain()
    assert quantize_weights(model, 3, **options) is model
    assert list(widths(model).values()) == expected
    floats = [weight_quantizer(layer) is None for layer in synapses(model).values()]
    assert floats == [bits == 16 for bits in expected]


def test_one_layer_is_first_and_last():
    assert widths(quantize_weights(nn.Sequential(nn.Linear(2, 2)), 3, first=4, last=5)) == {"0": 5}


@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric, partial(LSQ, channelwise=True)])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_any_model_runs_on_whole_codes_and_learns(quantizer, bits):
    torch.manual_seed(0)
    model = quantize_weights(plain(), bits, quantizer=quantizer)
    for layer in synapses(model).values():
        made = weight_quantizer(layer)
        assert made is not None
        latent = layer.parametrizations.weight.original
        assert torch.equal(layer.weight, made.codes(latent) * made.step_size(latent))
    model(torch.randn(2, 1, 4, 4)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric])
def test_a_state_dict_restores_the_weights(quantizer):
    trained = quantize_weights(plain(), 3, quantizer=quantizer, last=8)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.mul_(1.5)
    restored = quantize_weights(plain(), 3, quantizer=quantizer, last=8)
    x = torch.randn(2, 1, 4, 4)
    assert not torch.equal(restored.eval()(x), trained.eval()(x))
    restored.load_state_dict(trained.state_dict())
    assert torch.equal(restored(x), trained(x))
    for layer, other in zip(synapses(restored).values(), synapses(trained).values(), strict=True):
        assert torch.equal(layer.weight, other.weight)


@pytest.mark.parametrize("bits", [1, 4, 16])
@pytest.mark.parametrize("quantizer", [LSQ, UniformSymmetric, partial(LSQ, channelwise=True)])
def test_on_the_meta_device(quantizer, bits):
    with torch.device("meta"):
        model = quantize_weights(plain(), bits, quantizer=quantizer)
        assert model(torch.empty(2, 1, 4, 4)).shape == (2, 3)
    assert all(p.is_meta for p in model.parameters())
    assert set(widths(model).values()) == {bits}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 0}, "weight bits: got 0"),
        ({"bits": 17}, "weight bits: got 17"),
        ({"bits": 3, "last": 0}, "weight bits: got 0"),
        ({"bits": 3, "rules": {"6": 33}}, "weight bits: got 33"),
        ({"bits": 3, "rules": {"7": 2}}, "rule: got '7'"),
        ({"bits": 3, "rules": {"conv*": 2}}, "rule: got 'conv"),
    ],
)
def test_nothing_is_attached_after_an_error(options, message):
    model = plain()
    before = list(model.state_dict())
    with pytest.raises(UserError, match=message):
        quantize_weights(model, **options)
    assert not attached(model)
    assert list(model.state_dict()) == before


def test_a_layer_is_quantized_once():
    model = plain()
    quantize_weights(model[2], 3)
    with pytest.raises(UserError, match=r"layer: got '2.0'; its weight has a parametrization already"):
        quantize_weights(model, 4)
    assert list(widths(model).values()) == [16, 3, 16, 16]


def test_a_model_without_weights_is_refused():
    with pytest.raises(UserError, match="model: got 'ReLU'"):
        quantize_weights(nn.ReLU(), 2)


def test_another_parametrization_is_no_quantizer():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    assert weight_quantizer(layer) is None
    assert weight_bits(layer) == 16
