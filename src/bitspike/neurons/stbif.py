"""The neuron that a quantized ReLU is converted to: bipolar integrate and fire, with a tracer of what it has sent."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bitspike.errors import whole_number
from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError
from bitspike.neurons.integrate import Integrate
from bitspike.neurons.node import BaseNode, State
from bitspike.neurons.staircase import Staircase

__all__ = ["STBIFNode"]


class STBIFNode(BaseNode):
    """Paper 003, Eq. 1::

        u = V + x
        z = +1 where u >= v_threshold and S < S_max,  -1 where u < 0 and S > 0,  else 0
        V = u - v_threshold z,   S = S + z

    It sends ``v_threshold z``. State is the pair ``(V, S)``, fresh ``(v_threshold/2, 0)``. Once its input has ended,
    and it neither fires nor takes back, it has sent ``v_threshold clip(floor((sum x + V_0)/v_threshold), 0, S_max)`` in
    all (Lemma 1), whatever the order of the input: with ``V_0 = v_threshold/2`` that is a `QReLU`. It has no gradient.

    Args:
        T: time steps.
        v_threshold: ``V_thr``, the step ``s`` of the quantized ReLU.
        S_max: most that it may have sent, the ``n`` of the quantized ReLU; ``None`` for no such limit.
        bipolar: whether it takes spikes back. Neither that nor a limit is the IF neuron of QCFS (Bu et al. 2022).
    """

    def __init__(self, T: int, v_threshold: float, S_max: int | None, bipolar: bool = True) -> None:
        super().__init__(integrate=Integrate(), v_reset=None, detach_reset=True)
        self._steps = whole_number("T", T)
        self.S_max = self._steps if S_max is None else whole_number("S_max", S_max)  # no more fit into T steps
        self._staircase = Staircase(v_threshold, -1 if bipolar else 0, 1, scale=v_threshold)

    @property
    def T(self) -> int:  # noqa: N802
        return self._steps

    @property
    def staircase(self) -> Staircase:
        return self._staircase

    @property
    def v_init(self) -> float:
        """``V_0``."""
        return self.staircase.v_threshold / 2

    def initial_state(self, current: Tensor) -> State:
        """``(V, S)`` before the first step, shaped like ``current`` (one step, ``[N, ...]``)."""
        return torch.full_like(current, self.v_init), torch.zeros_like(current)

    @torch.no_grad()
    def step(self, current: Tensor, state: State, t: int | None = None) -> tuple[Tensor, State]:
        """`BaseNode.step` with spikes ``[N, ...]`` of ``v_threshold`` times -1, 0, 1, and the state ``(V, S)``.

        What it sends depends on both, so there is no `fire` of the potential alone.
        """
        v, sent = state
        u = self.integrate(v, current)
        after = (sent + self.staircase.level(u)).clamp_(0, self.S_max)
        spikes = (after - sent) * self.staircase.scale
        if t is not None and t + 1 >= self.T:
            return spikes, state
        return spikes, (self.store(self.reset(u, spikes)), after)

    def dynamics(self) -> NeuronDynamics:
        """Describes the parts, with the tracer.

        Raises:
            UserError: its membrane is quantized.
        """
        described = super().dynamics()
        if described.store is not None:
            raise NotDescribedError(self, "a membrane of few bits cannot be frozen beside a tracer; want it in floats")
        return replace(described, tracer=self.S_max)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, S_max={self.S_max}"
