"""The composed neuron: integrate, fire, reset, store, over ``T`` steps from a fresh state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons.fire import Staircase
from bitspike.neurons.surrogate import Surrogate

__all__ = ["SpikingNode"]


class SpikingNode(nn.Module):
    """A layer of spiking neurons; the named neurons are its combinations.

    One step is ``u = integrate(v, x)``; ``level = staircase(u)``; reset where it fired; ``v = store(v)``; the spike
    sent on is ``level * scale``. State is explicit: `forward` starts afresh at each call and nothing survives it.

    Args:
        T: time steps that the layer runs.
        integrate: the charge step (`bitspike.neurons.integrate`).
        staircase: threshold, alphabet and rounding of the fire step.
        surrogate_function: gradient of the fire step.
        v_reset: potential after a spike; ``None`` is the soft reset, which subtracts ``level * v_threshold``.
        detach_reset: keep the gradient out of the reset. (The hard reset of a graded spike has none in any case.)
        scale: value of one level in what the layer sends.
        store: maps the potential that is carried to the next step; the place of a membrane quantizer.
    """

    def __init__(
        self,
        *,
        T: int,
        integrate: nn.Module,
        staircase: Staircase,
        surrogate_function: Surrogate,
        v_reset: float | None,
        detach_reset: bool,
        scale: float = 1.0,
        store: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if isinstance(T, bool) or not isinstance(T, int) or T < 1:
            raise UserError("T", T, "want a whole number of steps, at least 1")
        if v_reset is not None and v_reset >= (staircase.lo + 1 - staircase.shift) * staircase.v_threshold:
            raise UserError("v_reset", v_reset, "want a potential below the threshold, or None for a soft reset")
        self.T, self.staircase, self.surrogate_function = T, staircase, surrogate_function
        self.v_reset, self.detach_reset, self.scale = v_reset, detach_reset, scale
        self.integrate = integrate
        self.store = nn.Identity() if store is None else store

    def initial_state(self, current: Tensor) -> Tensor:
        """The potential before the first step: a scalar that broadcasts to ``current`` (one step, ``[N, ...]``)."""
        return current.new_full((), 0.0 if self.v_reset is None else self.v_reset)

    def step(self, current: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One time step.

        Args:
            current: input ``[N, ...]``.
            state: potential carried from the step before, or `initial_state`.

        Returns:
            Spikes ``[N, ...]`` (level * scale) and the potential to carry on.
        """
        u = self.integrate(state, current)
        level = self.staircase.fire(u, self.surrogate_function)
        v = self.store(self._reset(u, level.detach() if self.detach_reset else level))
        return (level if self.scale == 1.0 else level * self.scale), v

    def forward(self, current: Tensor) -> Tensor:
        """All steps from a fresh state.

        Args:
            current: ``[T, N, ...]``, or ``[1, N, ...]`` for a current that is the same at every step.

        Returns:
            Spikes ``[T, N, ...]``.

        Raises:
            UserError: the first axis is neither ``T`` nor 1.
        """
        if current.shape[0] not in (1, self.T):
            raise UserError("time steps of the current", current.shape[0], f"the neuron runs T={self.T} (or give 1)")
        state = self.initial_state(current[0])
        spikes = []
        for t in range(self.T):
            spike, state = self.step(current[min(t, current.shape[0] - 1)], state)
            spikes.append(spike)
        return torch.stack(spikes)

    def _reset(self, u: Tensor, level: Tensor) -> Tensor:
        if self.v_reset is None:
            return u - level * self.staircase.v_threshold
        if (self.staircase.lo, self.staircase.hi) == (0, 1):  # through the spike, so that its gradient counts
            return u * (1 - level) + level * self.v_reset if self.v_reset else u * (1 - level)
        return torch.where(level == 0, u, self.v_reset)

    def extra_repr(self) -> str:
        s = self.staircase
        return f"T={self.T}, levels={s.lo}..{s.hi}, v_threshold={s.v_threshold}, v_reset={self.v_reset}"
