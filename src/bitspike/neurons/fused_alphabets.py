"""Neurons that learn their alphabets, described for a run of all steps: of each a threshold and bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bitspike.neurons.fused import Fires, untouched
from bitspike.neurons.fused_kinds import Bump, Reset
from bitspike.quant.adaptive import LearnedQuantizer, Renewal, learned_integer, whole

__all__ = ["of_quantizers"]


def of_quantizers(quantizers: Sequence[LearnedQuantizer], learned_T: Tensor, most_T: int) -> Fires | None:
    """How neurons fire by a quantizer for each step; ``None`` where torch has to.

    That is where a batch starts or renews a step size, and where ``T/T`` in float32 is not 1: potentials see that.

    Args:
        quantizers: of the steps, one after the other; they may be one.
        learned_T: the learned number of steps, and `most_T` the most that they may be.
    """
    first = quantizers[0]
    if not all(_is_settled(one) for one in dict.fromkeys(quantizers)):
        return None
    if any((one.signed, one.rounds) != (first.signed, first.rounds) for one in quantizers):
        return None
    if learned_T.requires_grad and float(len(quantizers) / learned_integer(learned_T.detach(), 1, most_T)) != 1.0:
        return None
    each = list(dict.fromkeys(quantizers))
    of_each = (part for one in each for part in (one.step, one.learned_bits))
    rows = _Rows.apply([(one.least, one.most) for one in each], most_T, learned_T, *of_each)
    rows = rows[[each.index(one) for one in quantizers]] if len(each) > 1 else rows.expand(len(quantizers), 3)
    kinds = {
        "learns": True,
        "rounds": first.rounds,
        "both_signs": first.signed,
        "surrogate": Bump.inside,
        "reset": Reset.soft,
    }
    return Fires(kinds, {"per_spike": 1.0, "scale": 1.0}, rows.contiguous())


class _Rows(torch.autograd.Function):
    """``[|step|, bits, T]`` of each quantizer, with the gradients of `learned_integer` and of the size of a step."""

    @staticmethod
    def forward(ctx: Any, bounds: list[tuple[int, int]], most_T: int, learned_T: Tensor, *of_each: Tensor) -> Tensor:
        ctx.signs = [-1.0 if float(one) < 0 else float(float(one) > 0) for one in of_each]
        ctx.below = float(learned_T) < 0
        steps, bits = of_each[::2], of_each[1::2]
        T = whole(learned_T, 1, most_T)
        rows = [(abs(float(s)), whole(b, *ends), T) for s, b, ends in zip(steps, bits, bounds, strict=True)]
        return torch.tensor(rows, dtype=learned_T.dtype, device=learned_T.device)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_steps, of_bits, of_T = grads[0].unbind(1)
        to_each: list[Tensor] = []
        for i, (a, b) in enumerate(zip(of_steps.unbind(), of_bits.unbind(), strict=True)):
            to_each += [a * ctx.signs[2 * i], -b if ctx.signs[2 * i + 1] < 0 else b]
        to_T = of_T.sum()
        return None, None, -to_T if ctx.below else to_T, *to_each


def _is_settled(quantizer: LearnedQuantizer) -> bool:
    """Whether a batch changes nothing of a quantizer, which is as its class makes it."""
    parts = (quantizer, quantizer.renewal)
    if (type(quantizer), type(quantizer.renewal)) != (LearnedQuantizer, Renewal) or not all(map(untouched, parts)):
        return False
    return not quantizer.training or (bool(quantizer.started) and quantizer.bits == int(quantizer.renewal.old_bits))
