"""A network with NaN or infinity in it is refused by the name of what holds it, not frozen to its largest code."""

from __future__ import annotations

import math

import pytest
import torch

import bitspike
from bitspike import BitPlan, Bits, UserError
from bitspike.models import build_model

HELD = [
    "features.0.0.parametrizations.weight.original",
    "features.3.0.parametrizations.weight.0.step",
    "features.0.1.weight",
    "features.3.1.bias",
    "features.3.1.running_mean",
    "features.6.1.running_var",
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", HELD)
def test_it_is_refused_by_name(name: str, value: float, recwarn: pytest.WarningsRecorder) -> None:
    model = build_model("convnet", BitPlan(Bits(2, 2, 1)), sample=(1, 8, 8), num_classes=10, channels=(4, 4, 4))
    model.eval()
    bitspike.freeze(model, sample=(1, 8, 8))
    with torch.no_grad():
        model.state_dict()[name].view(-1)[-1] = value
    with pytest.raises(UserError, match=f"{name}: got {value}; want a number"):
        bitspike.freeze(model, sample=(1, 8, 8))
    assert not recwarn.list  # nothing was computed with it
