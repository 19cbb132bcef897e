"""Every quantizer of weights has settings of its own, which are called as a quantizer is."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from bitspike import BitPlan, Bits, UserError
from bitspike.models import build_model
from bitspike.quant import (
    LSQ,
    QUANTIZERS,
    AdaptiveWeights,
    BinaryRegulated,
    MaxScaled,
    QuantizerSettings,
    UniformSymmetric,
    WeightQuantizer,
    quantize_weights,
    quantizer_settings,
    synapses,
    weight_quantizer,
)

MADE = {
    "lsq": (LSQ, LSQ),
    "lsq-channel": (LSQ, LSQ),
    "adaptive": (AdaptiveWeights, AdaptiveWeights),
    "uniform": (UniformSymmetric, UniformSymmetric),
    "binary": (BinaryRegulated, MaxScaled),
    "ws-dr": (BinaryRegulated, MaxScaled),
    "ws-dr-paper": (BinaryRegulated, MaxScaled),
    "ws-dr-code": (BinaryRegulated, MaxScaled),
}
SIGNS = {
    "binary": ("nothing", False),
    "ws-dr": ("channel", False),
    "ws-dr-paper": ("layer", False),
    "ws-dr-code": ("channel", True),
}


def weight() -> Tensor:
    return torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))


def test_the_kinds():
    assert set(QUANTIZERS) == set(MADE)
    assert {kind: settings().kind for kind, settings in QUANTIZERS.items()} == {kind: kind for kind in QUANTIZERS}
    assert {kind for kind, settings in QUANTIZERS.items() if settings.anneals} == set(SIGNS)


@pytest.mark.parametrize("kind", MADE)
def test_settings_make_their_quantizer_at_one_bit_and_at_more(kind):
    settings = quantizer_settings(kind)
    one, four = settings(1, weight()), settings(4, weight())
    assert (type(one), type(four)) == MADE[kind]
    assert (one.bits, four.bits) == (1, 4)
    assert QuantizerSettings.read(settings.model_dump(mode="json")) == QuantizerSettings.read(kind) == settings


def test_lsq_has_one_step_for_the_layer_or_for_each_channel():
    assert quantizer_settings("lsq")(2, weight()).step.shape == ()
    assert quantizer_settings("lsq-channel")(2, weight()).step.shape == (4, 1, 1, 1)
    assert quantizer_settings() == quantizer_settings("lsq-channel")


@pytest.mark.parametrize("kind", SIGNS)
def test_the_readings_of_paper_002(kind):
    made = quantizer_settings(kind)(1, weight())
    assert (made.over, made.power_of_two) == SIGNS[kind]


@pytest.mark.parametrize(("spare", "most"), [(0, 3), (2, 5), (14, 15)])
def test_learned_bits_have_their_own_spare_bits(spare, most):
    assert quantizer_settings("adaptive", spare_bits=spare)(3, weight()).quantizer.most == most


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("lsk", r"^quantizer\.kind: got 'lsk'; did you mean 'lsq'"),
        (
            {"kind": "binary", "spare_bits": 2},
            r"^quantizer\.spare_bits: got 2; quantizer\.kind=binary does not read it",
        ),
        ({"kind": "adaptive", "spare_bits": -1}, r"^quantizer\.spare_bits: got -1"),
        (None, r"^quantizer: got None; want the name of a kind"),
    ],
)
def test_what_does_not_fit_is_named(raw, wanted):
    with pytest.raises(UserError, match=wanted):
        QuantizerSettings.read(raw)


class HalfSettings(QuantizerSettings):
    """Of a quantizer of this file."""

    kind: Literal["half"] = "half"
    share: float = 0.5

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return Half(bits, weight, self.share)


class Half(WeightQuantizer):
    """Signs, times a share."""

    def __init__(self, bits: int, weight: Tensor, share: float) -> None:
        super().__init__(bits, weight)
        self.share = share

    def forward(self, weight: Tensor) -> Tensor:
        return self.share * weight.sign()


def test_a_registered_kind_quantizes_a_model():
    with QUANTIZERS.added("half", HalfSettings):
        settings = quantizer_settings("half", share=0.25)
        model = build_model(
            "convnet",
            BitPlan(Bits(2, 2, 1)),
            sample=(3, 8, 8),
            num_classes=5,
            quantizer=settings,
            channels=(4, 6, 8),
        )
        assert {weight_quantizer(layer).share for layer in synapses(model).values()} == {0.25}
        layer = quantize_weights(nn.Linear(3, 2), 2, quantizer=settings)
        assert set(layer.weight.detach().abs().flatten().tolist()) == {0.25}
    with pytest.raises(UserError, match=r"quantizer\.kind: got 'half'"):
        quantizer_settings("half")
