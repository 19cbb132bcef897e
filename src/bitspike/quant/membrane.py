"""Membrane potentials in few bits: what a neuron carries from one step to the next (paper 002, Eqs. 8 to 10)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.quant.attach import weight_quantizer
from bitspike.quant.rounding import round_half_up

__all__ = ["MembraneQuantizer", "SharedMembraneQuantizer", "TanhMembraneQuantizer"]


class MembraneQuantizer(nn.Module):
    """``a/Q * round(Q * clip(v/a, -1, 1))``, ``Q = 2^(bits-1) - 1``: at most ``2^bits - 1`` values, 0 among them.

    In training ``a`` is the largest magnitude of the batch, without gradient, and a running mean of it is kept; in
    evaluation ``a`` is that mean, so that an image's potentials do not depend on its batch. The gradient is
    straight-through within ``+-a`` and zero outside.

    The printed Eq. 8 has ``Q = 2^k - 1`` for "k bits". Its ``2^(k+1) - 1`` values take ``k + 1`` bits, so it is this
    with ``bits = k + 1``.

    Args:
        bits: ``b_u``, 2 to 16.
        momentum: share of a new batch in the running mean of ``a``; the first batch sets it.
        limit: the largest ``a``; potentials beyond it are clipped. The paper has none.
    """

    peak: Tensor
    batches_tracked: Tensor

    def __init__(self, bits: int, momentum: float = 0.1, limit: float = math.inf) -> None:
        super().__init__()
        if bits == 1:
            why = "with Q = 2^0 - 1 its only level is 0, so every step would forget the one before"
            raise UserError("membrane bits", bits, f"want 2 to 16: {why}")
        if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= 16:
            raise UserError("membrane bits", bits, "want a whole number from 2 to 16, or none for floats")
        if not 0 < momentum <= 1:
            raise UserError("momentum", momentum, "want a number above 0, at most 1")
        if not limit > 0:
            raise UserError("limit", limit, "want a potential above 0")
        self.bits, self.momentum, self.limit = bits, momentum, limit
        self.top = signed_range(bits)[1]
        self.register_buffer("peak", torch.zeros(()))
        self.register_buffer("batches_tracked", torch.zeros((), dtype=torch.int64))

    def forward(self, v: Tensor) -> Tensor:
        """Potentials of any shape, quantized."""
        peak = (self.track(v.abs().amax()) if self.training else self.frozen_peak()).to(v.dtype)
        quantized: Tensor = _Levels.apply(v, peak, self.top)
        return quantized

    def step_size(self) -> float:
        """Value of one level in evaluation.

        Raises:
            UserError: no batch was seen in training, so there is no maximum.
        """
        return float(self.frozen_peak()) / self.top

    def frozen_peak(self) -> Tensor:
        """``a`` in evaluation.

        Raises:
            UserError: no batch was seen in training.
        """
        if not self.batches_tracked:
            raise UserError("membrane maximum", "none", "train first: it is gathered from the batches of training")
        return _positive(self.peak)

    @torch.no_grad()
    def track(self, largest: Tensor) -> Tensor:
        """``a`` of a batch of training with this largest magnitude, which goes into the running mean."""
        peak = largest.to(self.peak.dtype).clamp(max=self.limit)
        mean = torch.lerp(self.peak, peak, self.momentum)
        self.peak.copy_(torch.where(self.batches_tracked > 0, mean, peak))  # a branch would wait for a GPU
        self.batches_tracked += 1
        return _positive(peak)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


class TanhMembraneQuantizer(MembraneQuantizer):
    """The reading of paper 002's code: the potential goes through ``tanh`` first. It is trained, not frozen."""

    def forward(self, v: Tensor) -> Tensor:
        return super().forward(torch.tanh(v))


class SharedMembraneQuantizer(MembraneQuantizer):
    """``s clip(round(v/s), -Q, Q)``, where ``s`` is what one code of the weights adds to the potential (MINT).

    With the batch norm between, ``s = |gamma|/sqrt(var + eps)`` times the weights' step, of each output channel, by the
    running variance in training too. Potentials are then whole weights: adding one takes no multiplier. ``s`` has no
    gradient, that of the potential is straight-through within the levels. (Yin et al. 2024 learn one ``s`` for both.)

    Args:
        bits: ``b_u``, 2 to 16.
        weights: the layer whose currents the neurons read; its weights are quantized.
        norm: the batch norm behind it, if there is one.
    """

    def __init__(self, bits: int, weights: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__(bits)
        self.scaled_by = (weights, norm)  # in a tuple: they are layers of the network, not parts of this one

    @torch.no_grad()
    def steps(self) -> Tensor:
        """``s``: a scalar, or ``[C]``."""
        weights: Any
        norm: Any
        weights, norm = self.scaled_by
        attached = weight_quantizer(weights)
        if attached is None:
            raise UserError("weights", "floats", "have no step that a membrane could share; want weight bits below 16")
        step = attached.step_size(weights.parametrizations.weight.original)
        step = step.reshape(-1) if step.numel() > 1 else step.reshape(())
        if norm is None:
            return step
        gain = torch.rsqrt(norm.running_var + norm.eps)
        return step * (gain if norm.weight is None else gain * norm.weight.abs())

    def forward(self, v: Tensor) -> Tensor:
        steps = self.steps().to(v.dtype).clamp(min=torch.finfo(torch.float32).tiny * 2**16)
        peaks = self.top * steps.reshape(-1, *(1 for _ in v.shape[2:]))
        quantized: Tensor = _Levels.apply(v, peaks, self.top)
        return quantized

    def step_size(self) -> float:
        """``s``, where all channels have the same.

        Raises:
            UserError: they have not.
        """
        steps = self.steps()
        if (steps != steps.flatten()[0]).any():
            wanted = "want one for all channels: no batch norm, and weights with one step for the layer"
            raise UserError("steps of a membrane", f"{steps.numel()} that differ", wanted)
        return float(steps.flatten()[0])


class _Levels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, peak: Tensor, top: int) -> Tensor:
        ctx.save_for_backward(v, peak)
        step = (peak / top).clamp(min=torch.finfo(v.dtype).tiny)  # of zeros in float16
        return round_half_up(v / step).clamp_(-top, top).mul_(step)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        v, peak = ctx.saved_tensors
        return grads[0] * (v.abs() <= peak), None, None  # v/step may round to beyond top where v is the maximum


def _positive(peak: Tensor) -> Tensor:
    """A layer whose potentials are all 0 has levels too, all but 0."""
    return peak.clamp(min=torch.finfo(torch.float32).tiny * 2**16)
