"""Losses against their formulas; schedule and weight decay."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike import BitPlan, Bits
from bitspike.models import build_model
from bitspike.quant import LSQ
from bitspike.training import LossConfig, OptimizerConfig
from bitspike.training.loss import loss_of
from bitspike.training.optimizer import lr_at, make_optimizer


def test_mean_loss_is_cross_entropy_of_the_mean_over_time() -> None:
    logits, labels = torch.randn(3, 5, 4), torch.tensor([0, 1, 2, 3, 0])
    by_hand = -torch.log_softmax(logits.mean(0), 1)[range(5), labels].mean()
    torch.testing.assert_close(loss_of(logits, labels, LossConfig()), by_hand)


def test_tet_loss_is_the_papers_sum() -> None:
    logits, labels = torch.randn(3, 5, 4), torch.tensor([0, 1, 2, 3, 0])
    entropy = torch.stack([-torch.log_softmax(o, 1)[range(5), labels].mean() for o in logits]).mean()
    by_hand = 0.9 * entropy + 0.1 * (logits - 1).square().mean()
    config = LossConfig(kind="tet", tet_lambda=0.1)
    torch.testing.assert_close(loss_of(logits, labels, config), by_hand)
    assert not torch.isclose(loss_of(logits, labels, config), entropy)


@given(st.integers(2, 500), st.data())
def test_the_rate_warms_up_then_falls_to_zero(total: int, data: st.DataObject) -> None:
    warmup = data.draw(st.integers(0, total - 1))
    config = OptimizerConfig(lr=0.1, warmup_epochs=warmup)
    rates = [lr_at(step, 1, total, config) for step in range(total + 1)]
    assert max(rates) <= 0.1 * (1 + 1e-12)
    assert math.isclose(rates[total], 0, abs_tol=1e-12)
    assert all(a < b for a, b in pairwise(rates[:warmup]))
    assert all(a >= b for a, b in pairwise(rates[warmup:]))


def test_a_step_decay_takes_the_place_of_the_cosine() -> None:
    """Paper 004: 0.08, times 0.9 every 50 epochs."""
    config = OptimizerConfig(lr=0.08, step_decay=(0.9, 50))
    rates = [lr_at(epoch * 10 + step, 10, 200, config) for epoch in range(200) for step in (0, 9)]
    assert rates == [0.08 * 0.9 ** (epoch // 50) for epoch in range(200) for _ in range(2)]
    warm = OptimizerConfig(lr=0.08, step_decay=(0.9, 50), warmup_epochs=1)
    assert lr_at(4, 10, 200, warm) == 0.04


@pytest.mark.parametrize("quantizer", [LSQ, partial(LSQ, channelwise=True)])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_only_weights_decay(kind: str, quantizer: object) -> None:
    model = build_model(
        "resnet8-thin",
        BitPlan(Bits(2, 2, 1)),
        sample=(3, 8, 8),
        num_classes=2,
        channels=(2, 2, 2),
        quantizer=quantizer,  # type: ignore[arg-type]
    )
    optimizer = make_optimizer(model, OptimizerConfig(kind=kind, weight_decay=0.5))  # type: ignore[arg-type]
    decayed, others = optimizer.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0.0)
    names = {id(p): n for n, p in model.named_parameters()}
    assert all(names[id(p)].endswith("weight.original") for p in decayed["params"])
    assert not any(names[id(p)].endswith("weight.original") for p in others["params"])
    assert len(decayed["params"]) + len(others["params"]) == len(names)
