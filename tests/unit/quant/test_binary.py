"""One-bit weights of paper 002: the sign of regulated weights times a scale, and its first and last layers' 8 bits."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike import BitPlan, Bits
from bitspike.costs import entropy
from bitspike.errors import UserError
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import neuron_settings
from bitspike.quant import (
    LSQ,
    BinaryRegulated,
    MaxScaled,
    WeightQuantizer,
    binary,
    quantize_weights,
    synapses,
    weight_quantizer,
)

OVER = ("channel", "layer", "nothing")
by_over = pytest.mark.parametrize("over", OVER)
by_scale = pytest.mark.parametrize("power_of_two", [False, True])
by_temperature = pytest.mark.parametrize("t", [0.1, 1.0, 10.0])


def weights(seed: int = 0, shape: tuple[int, ...] = (5, 3, 3, 3)) -> Tensor:
    """Float64 weights whose channels differ in mean and spread."""
    rng = np.random.default_rng(seed)
    channel = rng.uniform(0.5, 2, (shape[0], *(1 for _ in shape[1:])))
    return torch.from_numpy(rng.normal(0.3, 1, shape) * channel + channel / 4)


def regulated(weight: Tensor, over: str) -> Tensor:
    """``w^`` from the moments, in operations that autograd knows."""
    if over == "nothing":
        return weight
    axes = tuple(range(1, weight.ndim)) if over == "channel" else tuple(range(weight.ndim))
    centred = weight - weight.mean(axes, keepdim=True)
    return centred / centred.square().mean(axes, keepdim=True).sqrt()


def mean_magnitude(weight: Tensor) -> Tensor:
    return weight.abs().mean(tuple(range(1, weight.ndim)), keepdim=True)


# Values


@by_over
@by_scale
def test_a_code_is_a_sign_and_the_weight_is_the_code_times_the_scale(over, power_of_two):
    w = weights()
    quantizer = BinaryRegulated(1, w, over, power_of_two)
    codes = quantizer.codes(w)
    np.testing.assert_array_equal(codes.numpy(), np.where(regulated(w, over).numpy() >= 0, 1, -1))
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(quantizer(w), codes * quantizer.step_size(w))
    assert quantizer.step_size(w).shape == (5, 1, 1, 1)


@by_scale
def test_the_sign_of_zero_is_plus(power_of_two):
    w = torch.tensor([[-1.0, 0.0, -0.0, 1.0]])  # the mean is exactly 0
    for over in OVER:
        quantizer = BinaryRegulated(1, w, over, power_of_two)
        assert torch.equal(quantizer.codes(w), torch.tensor([[-1.0, 1, 1, 1]]))
        assert torch.equal(quantizer(w).sign(), quantizer.codes(w))


def test_regulated_weights_have_mean_0_and_deviation_1():
    w = weights()
    by_channel = BinaryRegulated(1, w, "channel").regulated(w)
    by_layer = BinaryRegulated(1, w, "layer").regulated(w)
    for part in (*by_channel, by_layer):
        assert float(part.mean()) == pytest.approx(0, abs=1e-12)
        assert float(part.square().mean()) == pytest.approx(1, rel=1e-12)
    assert by_layer[0].mean().abs() > 0.05  # its channels have means of their own
    assert torch.equal(BinaryRegulated(1, w, "nothing").regulated(w), w)


@by_over
def test_the_scale_is_the_mean_magnitude_of_the_regulated_weights_of_a_channel(over):
    w = weights()
    torch.testing.assert_close(BinaryRegulated(1, w, over).step_size(w), mean_magnitude(regulated(w, over)))
    assert not torch.allclose(BinaryRegulated(1, w, over).step_size(w), regulated(w, over).abs().mean())


@by_over
@pytest.mark.parametrize("size", [1e-3, 0.3, 1.0, 50.0])
def test_a_power_of_two_is_exact_and_the_nearest_in_ratio(over, size):
    w = weights().float() * size
    scale = BinaryRegulated(1, w, over, power_of_two=True).step_size(w)
    mean = mean_magnitude(regulated(w.double(), over))
    for s, m in zip(scale.flatten().tolist(), mean.flatten().tolist(), strict=True):
        assert math.frexp(s)[0] == 0.5
        assert math.sqrt(0.5) - 1e-6 <= s / m <= math.sqrt(2) + 1e-6


# Gradients


def upstream(weight: Tensor) -> Tensor:
    return torch.from_numpy(np.random.default_rng(9).normal(size=weight.shape))


def gradient(function: Callable[[Tensor], Tensor], weight: Tensor) -> Tensor:
    weight = weight.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(weight), weight, upstream(weight))
    return found


def tempered(over: str, t: float, **options: bool) -> BinaryRegulated:
    quantizer = BinaryRegulated(1, weights(), over, **options)  # type: ignore[arg-type]
    quantizer.temperature.fill_(t)
    return quantizer.double()


@by_temperature
def test_the_gradient_of_sign_is_the_papers_code(t):
    w = weights()
    k = max(1 / t, 1)
    slope = k * t * (1 - torch.tanh(t * w) ** 2)
    expected = upstream(w) * slope * mean_magnitude(w)
    temperature = float(torch.tensor(t))  # a float32 buffer
    torch.testing.assert_close(gradient(tempered("nothing", t), w), expected, rtol=1e-6, atol=1e-9)
    assert tempered("nothing", t).temperature == temperature
    if t != 1:
        other = upstream(w) * (1 - torch.tanh(w) ** 2) * mean_magnitude(w)
        assert not torch.allclose(gradient(tempered("nothing", t), w), other, rtol=1e-2)


@by_over
@by_temperature
@by_scale
def test_the_gradient_goes_through_mean_and_deviation_but_not_through_the_scale(over, t, power_of_two):
    """Beside autograd of a smooth stand-in that has the gradient of sign: ``k tanh(t w^)``."""
    w = weights()
    quantizer = tempered(over, t, power_of_two=power_of_two)
    scale, steepness = quantizer.step_size(w), float(quantizer.temperature)

    def stand_in(weight: Tensor) -> Tensor:
        return max(1 / steepness, 1) * torch.tanh(steepness * regulated(weight, over)) * scale

    torch.testing.assert_close(gradient(quantizer, w), gradient(stand_in, w), rtol=1e-9, atol=1e-12)

    def scale_too(weight: Tensor) -> Tensor:
        return stand_in(weight) / scale * mean_magnitude(regulated(weight, over))

    assert not torch.allclose(gradient(quantizer, w), gradient(scale_too, w), rtol=1e-3)


@by_over
@by_temperature
def test_the_gradient_is_the_finite_difference_of_the_smooth_stand_in(over, t):
    """Nothing of autograd on the right-hand side."""
    w, h = weights(shape=(2, 2, 2)), 1e-5
    quantizer = tempered(over, t)
    scale, steepness = quantizer.step_size(w), float(quantizer.temperature)

    def loss(weight: Tensor) -> float:
        smooth = max(1 / steepness, 1) * torch.tanh(steepness * regulated(weight, over)) * scale
        return float((smooth * upstream(weight)).sum())

    slopes = torch.empty_like(w)
    for i in range(w.numel()):
        shift = torch.zeros_like(w)
        shift.view(-1)[i] = h
        slopes.view(-1)[i] = (loss(w + shift) - loss(w - shift)) / (2 * h)
    torch.testing.assert_close(gradient(quantizer, w), slopes, rtol=1e-5, atol=1e-6)


def test_a_low_temperature_is_nearly_straight_through_and_a_high_one_a_narrow_peak():
    w = torch.tensor([[-1.0, -0.05, 0.05, 1.0]], dtype=torch.float64)
    flat, peaked = (gradient(tempered("nothing", t), w) / (upstream(w) * 0.525) for t in (0.1, 10.0))
    torch.testing.assert_close(flat, torch.ones_like(w), rtol=0.02, atol=0)
    assert (peaked[0, [0, 3]] < 1e-6).all()
    assert (peaked[0, [1, 2]] > 7).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -0.3, 1e-30, 1e30])
@pytest.mark.parametrize("shape", [(3, 4, 3, 3), (4, 1), (1, 1), (2, 7)])
@by_over
@by_scale
def test_equal_weights_and_single_weights_give_numbers(value, shape, over, power_of_two):
    w = torch.full(shape, value, requires_grad=True)
    quantizer = BinaryRegulated(1, w, over, power_of_two)
    quantized = quantizer(w)
    quantized.sum().backward()
    assert quantized.isfinite().all()
    assert w.grad.isfinite().all()
    assert torch.equal(quantized, quantizer.codes(w) * quantizer.step_size(w))
    assert (quantizer.step_size(w) > 0).all()


# 8 bits at the ends


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_at_the_ends_are_the_formula_and_every_code_is_reached(bits):
    Q = 2 ** (bits - 1) - 1
    codes = np.arange(-Q, Q + 1)
    w = torch.from_numpy(codes / 8.0).reshape(1, -1)
    assert torch.equal(MaxScaled(bits, w)(w), w)
    assert torch.equal(MaxScaled(bits, w).codes(w).long(), torch.from_numpy(codes).reshape(1, -1))
    w = weights(bits)
    m = float(w.abs().max())
    expected = np.floor(w.numpy() / m * Q + 0.5) / Q * m
    np.testing.assert_allclose(MaxScaled(bits, w)(w).numpy(), expected, rtol=1e-14)
    np.testing.assert_array_equal(MaxScaled(bits, w).codes(w).numpy(), np.floor(w.numpy() / m * Q + 0.5))
    assert torch.equal(MaxScaled(bits, w)(w), MaxScaled(bits, w).codes(w) * MaxScaled(bits, w).step_size(w))


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_at_the_ends_learn_straight_through(bits):
    for seed in range(20):  # the largest one included, whose quotient may round to beyond Q
        w = weights(seed).float()
        found = gradient(MaxScaled(bits, w), w)
        torch.testing.assert_close(found, upstream(w).float(), rtol=1e-6, atol=0)


def test_layers_of_zeros_stay_zero_at_the_ends():
    w = torch.zeros(2, 3, requires_grad=True)
    MaxScaled(8, w)(w).sum().backward()
    assert torch.equal(MaxScaled(8, w)(w), w)
    assert w.grad.isfinite().all()


# Refusals and choice


@pytest.mark.parametrize("bits", [0, 2, 8, 17, True, 1.5])
def test_a_sign_has_one_bit(bits):
    with pytest.raises(UserError, match=f"weight bits: got {bits}"):
        BinaryRegulated(bits, weights())


@pytest.mark.parametrize("bits", [0, 1, 17])
def test_one_bit_has_no_zero_to_round_to(bits):
    with pytest.raises(UserError, match=f"weight bits: got {bits}"):
        MaxScaled(bits, weights())


@by_over
def test_the_width_chooses(over):
    one = binary(1, weights(), over, power_of_two=True)
    assert isinstance(one, BinaryRegulated)
    assert (one.over, one.power_of_two) == (over, True)
    assert {type(binary(bits, weights(), over)) for bits in range(2, 17)} == {MaxScaled}


# Information


def information(quantizer: WeightQuantizer, w: Tensor) -> float:
    return entropy(*torch.unique(quantizer.codes(w), return_counts=True)[1].tolist())


@pytest.mark.parametrize("over", ["channel", "layer"])
def test_a_regulated_bit_carries_nearly_a_bit(over):
    w = torch.randn(16, 16, 3, 3, generator=torch.Generator().manual_seed(0)) + 1.0
    assert information(BinaryRegulated(1, w, over), w) > 0.999
    assert information(BinaryRegulated(1, w, "nothing"), w) < 0.7


# In models


def net(quantizer: object, bits: int = 1) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(16, 3))
    return quantize_weights(layers, bits, quantizer=quantizer, first=8, last=8)  # type: ignore[arg-type]


@by_over
@by_scale
def test_any_model_takes_it_and_every_weight_learns(over, power_of_two):
    model = net(partial(binary, over=over, power_of_two=power_of_two))
    kinds = [type(weight_quantizer(layer)) for layer in synapses(model).values()]
    assert kinds == [MaxScaled, BinaryRegulated, MaxScaled]
    for layer in synapses(model).values():
        quantizer, latent = weight_quantizer(layer), layer.parametrizations.weight.original
        assert torch.equal(layer.weight, quantizer.codes(latent) * quantizer.step_size(latent))
    model(torch.randn(2, 1, 4, 4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_the_temperature_is_state_and_the_scale_no_parameter():
    model = net(binary)
    held = {name for name in model.state_dict() if "temperature" in name}
    assert held == {"2.parametrizations.weight.0.temperature"}
    assert not any("parametrizations.weight.0" in name for name, _ in model.named_parameters())
    assert any("parametrizations.weight.0" in name for name, _ in net(LSQ).named_parameters())


def test_on_the_meta_device():
    with torch.device("meta"):
        assert net(binary)(torch.empty(2, 1, 4, 4)).shape == (2, 3)


@by_over
def test_a_network_of_signs_freezes(over):
    torch.manual_seed(0)
    model = build_model(
        "convnet",
        BitPlan(Bits(1, 1, 2), {"features.0.0": {"w": 8}, "classifier.1.0": {"w": 8}}),
        sample=(1, 8, 8),
        num_classes=4,
        channels=(4, 4, 4),
        neuron=neuron_settings(kind="quant-lif"),
        quantizer=partial(binary, over=over),
    )
    model(torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8))
    frozen = freeze(model.eval(), (1, 8, 8))
    assert [node.weight_bits for node in frozen.graph.synapses()] == [8, 1, 1, 8]
