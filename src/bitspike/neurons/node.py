"""A layer of neurons: integrate, fire, reset, store, over ``T`` steps from a fresh state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bitspike.errors import UserError, whole_number
from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError, charge_of, membrane_level, staircase_of
from bitspike.neurons.fire import fire
from bitspike.neurons.fused import Fires, in_autocast, of_staircase, refuse_forward_mode
from bitspike.neurons.fused import steps as fused_steps
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import Surrogate
from bitspike.quant import MembraneQuantizer

__all__ = ["BaseNode", "ComposedNode", "SpikingNode", "State"]

State = tuple[Tensor, ...]
"""What a neuron carries from one step to the next."""

STEP = frozenset({"forward", "step", "initial_state", "fire", "reset", "_quantizer", "_steps_as_composed"})
"""The methods that make a step of the parts."""


class BaseNode(nn.Module):
    """What all layers of spiking neurons do.

    One step is ``u = integrate(v, x)``; ``spike = fire(u)``; `reset` where it fired; ``v = store(v)``.
    State is explicit: `forward` is a loop of `step` that starts afresh at each call, and nothing survives it.

    A subclass says what `T`, `staircase` and `fire` are, and describes by `dynamics` whatever it overrides.

    Args:
        integrate: the charge step (`bitspike.neurons.integrate`).
        v_reset: potential after a spike; ``None`` is the soft reset, which subtracts ``level * v_threshold``.
        detach_reset: keep the gradient out of the reset. (The hard reset of a graded spike has none in any case.)
        store: maps the potential that is carried to the next step; the place of a membrane quantizer.

    Attributes:
        encodes_image: whether it stands first and turns the image into spikes; what builds the network says so.
    """

    encodes_image: bool = False

    def __init__(
        self, *, integrate: nn.Module, v_reset: float | None, detach_reset: bool, store: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.v_reset, self.detach_reset = v_reset, detach_reset
        self.integrate = integrate
        self.store = nn.Identity() if store is None else store

    @property
    def T(self) -> int:  # noqa: N802
        """Time steps."""
        raise NotImplementedError

    @property
    def staircase(self) -> Staircase:
        """Threshold, alphabet, rounding and scale of the fire step."""
        raise NotImplementedError

    @property
    def scale(self) -> float | None:
        """Value of one level in what is sent; ``None`` where it is not one known number."""
        return self.staircase.scale

    @property
    def v_init(self) -> float:
        """Potential before the first step."""
        return 0.0 if self.v_reset is None else self.v_reset

    def initial_state(self, current: Tensor) -> State:
        """The state before the first step; a scalar in it broadcasts to ``current`` (one step, ``[N, ...]``)."""
        return (current.new_full((), self.v_init),)

    def fire(self, u: Tensor, t: int) -> Tensor:
        """Spikes ``[N, ...]`` (level * scale) of the potential ``u`` at step ``t``, counted from 0."""
        raise NotImplementedError

    def reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        """The potential that is left of ``u`` behind the spikes, both ``[N, ...]``."""
        s = self.staircase
        if self.v_reset is None:
            return torch.sub(u, spikes, alpha=s.v_threshold / s.scale)
        if (s.lo, s.hi) == (0, 1):
            fired = spikes if s.scale == 1.0 else spikes / s.scale  # its gradient counts
        else:
            fired = spikes.detach().sign()
            fired = fired.abs_() if s.lo < 0 else fired
        v = u * (1 - fired)
        return torch.add(v, fired, alpha=self.v_reset) if self.v_reset else v

    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        """One time step.

        Args:
            current: input ``[N, ...]``.
            state: what the step before returned, or `initial_state`.
            t: which of the ``T`` steps it is, counted from 0. After the last one nothing is carried, so the state comes
                back as it is. ``None``, in a stream without an end, always carries, and fires as step 0 does.

        Returns:
            Spikes ``[N, ...]`` (level * scale) and the state to carry on.
        """
        (v,) = state
        u: Tensor = self.integrate(v, current)
        spikes = self.fire(u, 0 if t is None else t)
        if t is not None and t + 1 >= self.T:
            return spikes, state
        left = self.reset(u, spikes.detach() if self.detach_reset else spikes)
        return spikes, (self.store(left),)

    def forward(self, current: Tensor) -> Tensor:
        """All steps from a fresh state. In autocast they are computed in float32, as potentials are sums.

        Args:
            current: ``[T, N, ...]``, or ``[1, N, ...]`` for a current that is the same at every step.

        Returns:
            Spikes ``[T, N, ...]``.

        Raises:
            UserError: the first axis is neither ``T`` nor 1.
        """
        if in_autocast(current):
            return self.forward(current.float()).to(current.dtype)
        if current.shape[0] not in (1, self.T):
            raise UserError("time steps of the current", current.shape[0], f"the neuron runs T={self.T} (or give 1)")
        steps = current.unbind() if len(current) == self.T else current.unbind() * self.T
        start: State | Tensor = self.initial_state(steps[0])
        state = (start,) if isinstance(start, Tensor) else start  # a subclass may give the potential alone
        spikes = []
        for t, x in enumerate(steps):
            spike, state = self.step(x, state, t)
            spikes.append(spike)
        return torch.stack(spikes)

    def dynamics(self) -> NeuronDynamics:
        """Describes in real numbers what a step computes in evaluation mode (`bitspike.neurons.describe` checks it).

        The step is that of this class, with a `fire` whose levels are the staircase's. A subclass that overrides more,
        or overrides again, has a method of its own, which may start from this one.

        Raises:
            UserError: no numbers describe it, by the class of the part that they do not.
        """
        retention, gain, offset = charge_of(self.integrate)
        s, scale = staircase_of(self.staircase), self.scale
        if scale is None:
            raise NotDescribedError(self, "cannot be frozen: its levels have no one value for all steps")
        store, store_bits = (None, None) if self.T == 1 else membrane_level(self.store)  # one step carries nothing
        return NeuronDynamics(
            v_threshold=s.v_threshold,
            lo=s.lo,
            hi=s.hi,
            scale=scale,
            shift=s.shift,
            retention=retention,
            gain=gain,
            offset=offset,
            v_reset=self.v_reset,
            v_init=self.v_init,
            store=store,
            store_bits=store_bits,
        )

    @property
    def membrane_bits(self) -> int | None:
        """``b_u``, bits of the potential between two steps; ``None`` if it is a float."""
        return next((m.bits for m in self.modules() if isinstance(m, MembraneQuantizer)), None)

    def extra_repr(self) -> str:
        s = self.staircase
        return f"T={self.T}, levels={s.lo}..{s.hi}, v_threshold={s.v_threshold}, v_reset={self.v_reset}"


class ComposedNode(BaseNode):
    """A neuron whose step is what its parts say, so that all steps are run in one call where these are known.

    The class that says how it fires is the one whose methods do; whoever overrides one of them has torch's steps.
    """

    def described_fire(self) -> Fires | None:
        """How it fires, as `bitspike.neurons.fused` has it; ``None`` where that has no such neuron."""
        raise NotImplementedError

    def forward(self, current: Tensor) -> Tensor:
        """`BaseNode.forward`: the same spikes.

        Raises:
            UserError: as there, or the current or a parameter has a tangent of forward-mode differentiation.
        """
        refuse_forward_mode(type(self).__name__, current, *self.parameters())
        spikes = fused_steps(self, current) if self._steps_as_composed(current) else None
        return super().forward(current) if spikes is None else spikes

    def _steps_as_composed(self, current: Tensor) -> bool:
        """Whether a step is what the parts say, no method of which was replaced, and the current is of its steps."""
        own = next(one for one in type(self).__mro__ if "described_fire" in vars(one))
        same = all(getattr(type(self), name, None) is getattr(own, name, None) for name in STEP)
        return same and not vars(self).keys() & STEP and current.shape[0] in (1, self.T)


class SpikingNode(ComposedNode):
    """The composed neuron, with a staircase that stays as it is; the named neurons are its combinations.

    Args:
        T: time steps that the layer runs.
        integrate, v_reset, detach_reset, store: of `BaseNode`.
        staircase: threshold, alphabet, rounding and scale of the fire step.
        surrogate_function: gradient of the fire step.
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
        store: nn.Module | None = None,
    ) -> None:
        super().__init__(integrate=integrate, v_reset=v_reset, detach_reset=detach_reset, store=store)
        T = whole_number("T", T)
        bottom = -staircase.shift * staircase.v_threshold if staircase.lo < 0 else -math.inf
        if v_reset is not None and not bottom <= v_reset < (1 - staircase.shift) * staircase.v_threshold:
            raise UserError("v_reset", v_reset, "want a potential that does not fire, or None for a soft reset")
        self._steps, self._staircase, self.surrogate_function = T, staircase, surrogate_function

    @property
    def T(self) -> int:  # noqa: N802
        return self._steps

    @contextmanager
    def at_most(self, T: int) -> Iterator[None]:
        """Within it the layer runs no more than ``T`` steps."""
        steps, self._steps = self._steps, min(T, self._steps)
        try:
            yield
        finally:
            self._steps = steps

    @property
    def staircase(self) -> Staircase:
        return self._staircase

    def fire(self, u: Tensor, t: int) -> Tensor:
        return fire(u, self.staircase, self.surrogate_function)

    def described_fire(self) -> Fires | None:
        return of_staircase(self.staircase, self.surrogate_function)

    def dynamics(self) -> NeuronDynamics:
        """Describes the parts: `fire` sends the staircase's level, whatever its gradient."""
        return super().dynamics()
