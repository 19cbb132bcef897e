"""The neuron of paper 001, which learns its threshold, its spike bits and its time steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.errors import UserError, whole_number
from bitspike.neurons.dynamics import NeuronDynamics
from bitspike.neurons.fused import Fires
from bitspike.neurons.fused_alphabets import of_quantizers
from bitspike.neurons.integrate import DetachedIntegrate
from bitspike.neurons.node import ComposedNode
from bitspike.neurons.registry import NEURONS, SpikingSettings
from bitspike.neurons.staircase import Staircase
from bitspike.quant.adaptive import LearnedQuantizer, learned_integer, whole

__all__ = ["AdaptiveIFNode", "AdaptiveSettings", "share_bits"]


class AdaptiveIFNode(ComposedNode):
    """Paper 001, Eqs. 9 to 15, with ``V``, ``b`` and ``T`` learned::

        u[t] = (u[t-1] - s[t-1])/tau + x[t]          the residual is detached; u[1] = x[1]
        s[t] = V clip(floor(u[t]/V + 1/2), 0, 2^b - 1)

    Gradients are those of `bitspike.quant.lsq` for ``u``, ``V`` and ``b``. ``T`` has that of the mean over time which a
    `bitspike.layers.SqueezeTime` behind takes (Eq. 12): ``-sum_t s[t] / T^2``. Rounding has the identity.

    Args:
        T: where the learned steps start.
        most_T: their upper bound; equal to ``T`` they are learned downwards only.
        spike_bits: where ``b`` starts.
        most_bits: its upper bound.
        tau: 1 is the paper's refined neuron (IF); 2 its LIF ablation.
        signed: the alphabet ``+-(2^(b-1) - 1)``, which the first layer has, as it encodes the image (Eq. 15). Here it
            has 2 bits at least: one bit would be ``+-V`` without 0, and no network was seen to want that of its image.
        rounds: to the nearest level (the refined neuron), or by floor (its ablation).
        per_step: a ``V`` and a ``b`` for each step, as in the authors' code, instead of one for the layer.
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
        per_step: bool = False,
    ) -> None:
        super().__init__(integrate=DetachedIntegrate(tau), v_reset=None, detach_reset=True)
        T = whole_number("T", T)
        self.most_T = most_T = whole_number("most_T", most_T, least=T)
        least = 2 if signed else 1
        self.quantizers = nn.ModuleList(
            LearnedQuantizer(max(spike_bits, least), max(most_bits, least), signed, rounds, least)
            for _ in range(most_T if per_step else 1)
        )
        self.learned_T = nn.Parameter(torch.tensor(float(T), device="cpu"))

    @property
    def T(self) -> int:  # noqa: N802
        return whole(self.learned_T, 1, self.most_T)

    @property
    def staircase(self) -> Staircase:
        """Of all steps; where they differ, of the step with the most bits."""
        widest = max(self.active_quantizers(), key=lambda quantizer: quantizer.bits)
        step, (lo, hi) = float(widest.step.detach().abs()), widest.alphabet
        return Staircase(step, lo, hi, shift=0.5 if widest.rounds else 0.0, scale=step)

    @property
    def signed(self) -> bool:
        """Whether its alphabet has both signs."""
        return self._quantizer(0).signed

    @property
    def scale(self) -> float | None:
        """``V``, where all steps have one and training has set it."""
        quantizers = self.active_quantizers()
        return self.staircase.scale if len(quantizers) == 1 and quantizers[0].started else None

    def active_quantizers(self) -> list[LearnedQuantizer]:
        """The quantizers of the steps that are run."""
        return [self._quantizer(t) for t in range(min(self.T, len(self.quantizers)))]

    def fire(self, u: Tensor, t: int) -> Tensor:
        spikes: Tensor = self._quantizer(t)(u)
        if not self.learned_T.requires_grad:
            return spikes
        # A factor of 1 that carries the gradient of a mean over T steps to T.
        return spikes * (self.T / learned_integer(self.learned_T, 1, self.most_T))

    def described_fire(self) -> Fires | None:
        return of_quantizers([self._quantizer(t) for t in range(self.T)], self.learned_T, self.most_T)

    def _quantizer(self, t: int) -> LearnedQuantizer:
        quantizer: LearnedQuantizer = self.quantizers[min(t, len(self.quantizers) - 1)]  # type: ignore[assignment]
        return quantizer

    def reset(self, u: Tensor, spikes: Tensor) -> Tensor:
        return u - spikes  # what was sent is in units of the potential

    def dynamics(self) -> NeuronDynamics:
        """Describes its one quantizer: the code of ``u/V`` is the staircase's level, and ``V`` the value of each.

        Raises:
            UserError: the steps have thresholds of their own, or no training has set the one of all.
        """
        return super().dynamics()


def share_bits(nodes: Sequence[AdaptiveIFNode]) -> None:
    """Makes ``nodes`` learn one number of bits and one of steps, those of the first; thresholds stay their own."""
    for node in nodes[1:]:
        node.learned_T = nodes[0].learned_T
        for quantizer, shared in zip(node.quantizers, nodes[0].quantizers, strict=True):
            quantizer.learned_bits = shared.learned_bits


class AdaptiveSettings(SpikingSettings):
    """Says how ``adaptive`` is made, paper 001's neuron, which learns its threshold, bits and steps.

    Attributes:
        tau: membrane time constant; 1 is no leak.
        rounds: to the nearest level, or down to the one below; what encodes an image always rounds.
        per_step: a threshold and bits for each step, as in the authors' code.
        spare_bits: how far above its start a neuron may learn its bits (the authors' code: 2).
        spare_steps: the same of its steps (1).
    """

    kind: Literal["adaptive"] = "adaptive"
    tau: float = 2.0
    rounds: bool = True
    per_step: bool = False
    spare_bits: int = Field(2, ge=0)
    spare_steps: int = Field(1, ge=0)

    def make(self, bits: Bits) -> AdaptiveIFNode:
        return self._node(bits, signed=False, rounds=self.rounds)

    def make_encoder(self, bits: Bits) -> AdaptiveIFNode:
        return self._node(bits, signed=True, rounds=True)

    def _node(self, bits: Bits, signed: bool, rounds: bool) -> AdaptiveIFNode:
        if bits.u is not None and self.membrane == "carry-limited":
            wanted = "its limit is the threshold, which adaptive learns; want carry"
            raise UserError("neuron.membrane", self.membrane, wanted)
        most_s, most_T = min(bits.s + self.spare_bits, FULL_PRECISION), bits.t + self.spare_steps
        return AdaptiveIFNode(bits.t, most_T, bits.s, most_s, self.tau, signed, rounds, self.per_step)


NEURONS.register("adaptive", AdaptiveSettings)
