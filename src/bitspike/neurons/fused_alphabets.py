"""Neurons that learn their alphabets, described for a run of all steps: of each a threshold and bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bitspike.neurons.fused import Fires, untouched
from bitspike.neurons.fused_kinds import Bump, Reset
from bitspike.quant.adaptive import LearnedQuantizer, Renewal, learned_integer

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
    steps = learned_integer(learned_T, 1, most_T)
    if learned_T.requires_grad and float(len(quantizers) / steps.detach()) != 1.0:
        return None
    bits = [learned_integer(one.learned_bits, one.least, one.most) for one in quantizers]
    rows = [torch.stack([one.step.abs(), own, steps]) for one, own in zip(quantizers, bits, strict=True)]
    kinds = {
        "learns": True,
        "rounds": first.rounds,
        "both_signs": first.signed,
        "surrogate": Bump.inside,
        "reset": Reset.soft,
    }
    return Fires(kinds, {"per_spike": 1.0, "scale": 1.0}, torch.stack(rows))


def _is_settled(quantizer: LearnedQuantizer) -> bool:
    """Whether a batch changes nothing of a quantizer, which is as its class makes it."""
    parts = (quantizer, quantizer.renewal)
    if (type(quantizer), type(quantizer.renewal)) != (LearnedQuantizer, Renewal) or not all(map(untouched, parts)):
        return False
    return not quantizer.training or (bool(quantizer.started) and quantizer.bits == int(quantizer.renewal.old_bits))
