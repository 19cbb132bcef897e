"""The charge step ``u = f(v, x)``: how the membrane takes in a current, and what it forgets.

Each module maps ``v`` (carried potential) and ``x`` (current), both ``[N, ...]``, to ``u`` of the same shape. All
are ``u = retention*v + gain*x + offset`` in exact arithmetic; by these three a charge step describes itself, and a
subclass that overrides ``forward`` says them anew (`bitspike.neurons.describe`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons.staircase import Staircase

__all__ = [
    "DetachedIntegrate",
    "Integrate",
    "LeakyIntegrate",
    "ParametricLeakyIntegrate",
    "RetainIntegrate",
    "TiedIntegrate",
]


class Integrate(nn.Module):
    """Perfect integrator: ``u = v + gain*x``."""

    retention: float = 1.0
    offset: float = 0.0

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return torch.add(v, x, alpha=self.gain)


class TiedIntegrate(Integrate):
    """`Integrate` behind a sum of spikes: a potential that rounding has moved off a tie is put back on it.

    Spikes are fractions of a level, ``z/N``, which a float holds exactly where ``N`` is a power of two alone. Their sum
    is a whole number of levels just where integers say so, but comes out a little below or above, and below is another
    level. Whatever is within ``margin`` of a tie is one: all rounding of ``T`` steps stays below it, and sums that are
    no tie stay farther away, of ``N`` and another ``N'`` as long as ``N N'`` is below ``1/margin``. It is ``2^-12`` of
    a level in float32 at ``T = 8``, ``N = 32``. The gradient is that of `Integrate`.

    Args:
        gain: of `Integrate`.
        staircase: of the neuron, whose ties these are.
        T: steps over which rounding adds up.
    """

    retention: float = 1.0
    offset: float = 0.0

    def __init__(self, gain: float, staircase: Staircase, T: int) -> None:
        super().__init__(gain)
        self.staircase, self.T = staircase, T

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        u = super().forward(v, x)
        return u + self._to_tie(u.detach())

    def margin(self, dtype: torch.dtype) -> float:
        """In levels; a quarter at most, which floats of half the width would pass."""
        s = self.staircase
        return min(8 * self.T * max(s.hi, -s.lo) * torch.finfo(dtype).eps, 0.25)

    @torch.no_grad()
    def _to_tie(self, u: Tensor) -> Tensor:
        """What is added to potentials near a tie; 0 elsewhere."""
        s = self.staircase
        levels = u / s.v_threshold + s.shift
        nearest = levels.round()
        tie = (nearest - s.shift) * s.v_threshold
        if s.v_threshold != 1.0:  # the product may be rounded to less than fires
            tie = torch.where(tie / s.v_threshold + s.shift < nearest, tie + tie.abs() * torch.finfo(u.dtype).eps, tie)
        return torch.where((levels - nearest).abs() <= self.margin(u.dtype), tie - u, torch.zeros_like(u))


class RetainIntegrate(nn.Module):
    """``u = v/tau + x`` (paper 000, Eq. 6). For ``tau = 2`` it equals `LeakyIntegrate` without input decay."""

    gain: float = 1.0
    offset: float = 0.0

    def __init__(self, tau: float) -> None:
        super().__init__()
        self.retention = 1.0 / _time_constant(tau)

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return torch.add(x, v, alpha=self.retention)


class DetachedIntegrate(RetainIntegrate):
    """`RetainIntegrate` that learns nothing through the past: no gradient goes back to ``v`` (paper 001, Eq. 13)."""

    gain: float = 1.0
    offset: float = 0.0

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return super().forward(v.detach(), x)


class LeakyIntegrate(nn.Module):
    """``u = v + (x - (v - v_rest))/tau``, or ``u = v - (v - v_rest)/tau + x`` where the input does not decay.

    The equations and their order of operations are SpikingJelly's LIFNode, so that spikes agree exactly.
    """

    def __init__(self, tau: float, decay_input: bool, v_rest: float) -> None:
        super().__init__()
        self.tau, self.decay_input, self.v_rest = _time_constant(tau), decay_input, v_rest

    @property
    def retention(self) -> float:
        return 1 - 1 / self.tau

    @property
    def gain(self) -> float:
        return 1 / self.tau if self.decay_input else 1.0

    @property
    def offset(self) -> float:
        return self.v_rest / self.tau

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        over_rest = v - self.v_rest if self.v_rest else v
        if self.decay_input:
            return v + (x - over_rest) / self.tau
        return v - over_rest / self.tau + x


class ParametricLeakyIntegrate(nn.Module):
    """`LeakyIntegrate` whose ``1/tau = sigmoid(w)`` is learned, one for the layer (Fang et al. 2021)."""

    def __init__(self, init_tau: float, decay_input: bool, v_rest: float) -> None:
        super().__init__()
        if _time_constant(init_tau) == 1.0:
            raise UserError("init_tau", init_tau, "want a number above 1")
        self.w = nn.Parameter(torch.tensor(-math.log(init_tau - 1.0)))
        self.decay_input, self.v_rest = decay_input, v_rest

    @property
    def retention(self) -> float:
        return 1 - float(self.w.detach().sigmoid())

    @property
    def gain(self) -> float:
        return 1 - self.retention if self.decay_input else 1.0

    @property
    def offset(self) -> float:
        return self.v_rest * (1 - self.retention)

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        rate = self.w.sigmoid()
        over_rest = v - self.v_rest if self.v_rest else v
        if self.decay_input:
            return v + (x - over_rest) * rate
        return v - over_rest * rate + x


def _time_constant(tau: float) -> float:
    if not 1 <= tau < math.inf:
        raise UserError("tau", tau, "want a number of steps of at least 1")
    return float(tau)
