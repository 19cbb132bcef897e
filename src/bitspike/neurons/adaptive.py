"""The neuron of paper 001, which learns its threshold, its spike bits and its time steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.neurons.fire import Staircase
from bitspike.neurons.integrate import DetachedIntegrate
from bitspike.neurons.node import SpikingNode
from bitspike.neurons.surrogate import StraightThrough
from bitspike.quant.adaptive import LearnedQuantizer, learned_integer

__all__ = ["AdaptiveIFNode"]


class AdaptiveIFNode(SpikingNode):
    """Paper 001, Eqs. 9 to 15, with ``V``, ``b`` and ``T`` learned, one of each for the layer::

        u[t] = (u[t-1] - s[t-1])/tau + x[t]          the residual is detached; u[1] = x[1]
        s[t] = V clip(floor(u[t]/V + 1/2), 0, 2^b - 1)
        out  = (s[1] + .. + s[T])/T                  where it squeezes (Eq. 12): one step, which the next layer holds

    Gradients are those of `bitspike.quant.lsq` for ``u``, ``V`` and ``b``; of a squeezed output to ``T`` it is
    ``-sum_t s[t] / T^2``. The bits' and the steps' rounding has the identity.

    Args:
        T: where the learned steps start.
        most_T: their upper bound; equal to ``T`` they are learned downwards only.
        spike_bits: where ``b`` starts.
        most_bits: its upper bound.
        tau: 1 is the paper's refined neuron (IF); 2 its LIF ablation.
        signed: the alphabet ``+-(2^(b-1) - 1)`` of the first layer, which encodes the image (Eq. 15).
        rounds: to the nearest level (the refined neuron), or by floor (its ablation).
        squeeze: send the mean over time in one step. Without it ``T`` has no gradient.
    """

    def __init__(
        self,
        T: int,
        most_T: int,
        spike_bits: int,
        most_bits: int,
        tau: float = 1.0,
        signed: bool = False,
        rounds: bool = True,
        squeeze: bool = True,
    ) -> None:
        super().__init__(
            T=T,
            integrate=DetachedIntegrate(tau),
            staircase=Staircase(1.0),  # never read: `staircase` below is what the quantizer has learned
            surrogate_function=StraightThrough(),
            v_reset=None,
            detach_reset=True,
        )
        if isinstance(most_T, bool) or not isinstance(most_T, int) or most_T < T:
            raise UserError("most_T", most_T, f"want a whole number of steps of at least T={T}")
        self.most_T, self.squeeze = most_T, squeeze
        self.quantizer = LearnedQuantizer(spike_bits, most_bits, signed, rounds)
        self.learned_T = nn.Parameter(torch.tensor(float(T)), requires_grad=squeeze)

    @property
    def T(self) -> int:  # noqa: N802
        return int(learned_integer(self.learned_T.detach(), self.most_T))

    @property
    def staircase(self) -> Staircase:
        step, (lo, hi) = float(self.quantizer.step.detach().abs()), self.quantizer.alphabet
        return Staircase(step, lo, hi, shift=0.5 if self.quantizer.rounds else 0.0, scale=step)

    def forward(self, current: Tensor) -> Tensor:
        """``[T, N, ...]`` or ``[1, N, ...]`` to ``[1, N, ...]`` where it squeezes, else to ``[T, N, ...]``."""
        spikes = super().forward(current)
        if not self.squeeze:
            return spikes
        return spikes.sum(0, keepdim=True) / learned_integer(self.learned_T, self.most_T)

    def _fire(self, current: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        u = self.integrate(state, current)
        return u, self.quantizer(u)
