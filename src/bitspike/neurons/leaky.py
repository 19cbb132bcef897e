"""A leaky neuron as snnTorch has it: it fires above its threshold, not at it, and its reset comes a step later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from bitspike.errors import UserError, whole_number
from bitspike.neurons.fire import fire
from bitspike.neurons.node import BaseNode, State
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import ATan, Surrogate

__all__ = ["LeakyDynamics", "LeakyNode", "LeakyReset"]

SentReset = Literal["subtract", "subtract-at-once", "zero", "none"]
LeakyReset = Literal["subtract", "subtract-at-once", "zero", "zero-at-once", "none"]


@dataclass(frozen=True)
class LeakyDynamics:
    """One step of `LeakyNode` in real numbers, with its equations."""

    v_threshold: float
    retention: float
    reset: SentReset
    scale: float


class Above(Staircase):
    """A staircase of one step whose tie does not fire."""

    def level(self, v: Tensor) -> Tensor:
        v = v.detach()
        return torch.gt(v, self.v_threshold, out=torch.empty_like(v))


class _Beta(nn.Module):
    """Holds ``beta``: a parameter where it is learned, else a buffer. Of one number outside 0..1 the nearest counts."""

    beta: Tensor

    def __init__(self, beta: float, learn: bool) -> None:
        super().__init__()
        if learn:
            self.beta = nn.Parameter(torch.tensor(beta))
        else:
            self.register_buffer("beta", torch.tensor(beta))

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        return self.beta.clamp(0, 1) * v + x


class LeakyNode(BaseNode):
    """Spikes equal those of snnTorch's ``Leaky``, ties and the order of the reset included::

        r[t] = 1 where v[t-1] > v_threshold, else 0
        u[t] = beta v[t-1] + x[t] - r[t] v_threshold          subtract, subtract-at-once
        u[t] = beta (1 - r[t]) v[t-1] + x[t]                  zero, zero-at-once
        u[t] = beta v[t-1] + x[t]                             none
        s[t] = 1 where u[t] > v_threshold, else 0
        v[t] = u[t] - (s[t] - r[t]) v_threshold               subtract-at-once
        v[t] = u[t] - (s[t] - r[t]) u[t]                      zero-at-once
        v[t] = u[t]                                           otherwise

    Args:
        T: time steps.
        beta: what a step keeps of the potential, 0 to 1.
        v_threshold: above which it fires.
        reset: ``reset_mechanism`` there; at once with ``reset_delay=False``. Spikes of both zeros are the same, and
            their gradients are not: what is reset at once is not detached.
        surrogate_function: gradient of the fire step.
        scale: value of a spike.
        learn_beta: whether ``beta`` is trained.
    """

    def __init__(
        self,
        T: int,
        beta: float,
        v_threshold: float = 1.0,
        reset: LeakyReset = "subtract",
        surrogate_function: Surrogate | None = None,
        scale: float = 1.0,
        learn_beta: bool = False,
    ) -> None:
        super().__init__(integrate=_Beta(float(beta), learn_beta), v_reset=None, detach_reset=True)
        T = whole_number("T", T)
        if reset not in get_args(LeakyReset):
            raise UserError("reset", reset, f"want {', '.join(get_args(LeakyReset))}")
        if not scale > 0:
            raise UserError("scale", scale, "want a number above 0")
        self._steps, self.mechanism = T, reset
        self._staircase = Above(float(v_threshold), scale=float(scale))
        self.surrogate_function = surrogate_function or ATan()

    @property
    def T(self) -> int:  # noqa: N802
        return self._steps

    @property
    def staircase(self) -> Staircase:
        return self._staircase

    def initial_state(self, current: Tensor) -> State:
        return (current.new_zeros(()), current.new_zeros(()))

    def fire(self, u: Tensor, t: int) -> Tensor:
        return fire(u, self._staircase, self.surrogate_function)

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        v, r = state
        threshold = self._staircase.v_threshold
        if self.mechanism.startswith("zero"):
            v = (1 - r) * v
        u = self.integrate(v, current)
        if self.mechanism.startswith("subtract"):
            u = u - r * threshold
        spikes = self.fire(u, 0 if t is None else t)
        if not self.mechanism.endswith("at-once"):
            return spikes, (u, self._staircase.level(u))
        fired = spikes / self._staircase.scale  # its gradient counts
        left = u - (fired - r) * (threshold if self.mechanism == "subtract-at-once" else u)
        return spikes, (left, self._staircase.level(left))

    def dynamics(self) -> LeakyDynamics:  # type: ignore[override]
        """Describes the step by a class of its own."""
        charge: Any = self.integrate
        beta = min(max(float(charge.beta.detach()), 0.0), 1.0)
        reset: Any = self.mechanism.replace("zero-at-once", "zero")
        return LeakyDynamics(self._staircase.v_threshold, beta, reset, self._staircase.scale)

    def extra_repr(self) -> str:
        return f"T={self.T}, v_threshold={self._staircase.v_threshold}, reset={self.mechanism}"
