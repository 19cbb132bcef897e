"""Uniform symmetric weights on [-1, 1]: the quantizer of paper 000."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from bitspike.quant.quantizer import WeightQuantizer
from bitspike.quant.registry import QUANTIZERS, QuantizerSettings
from bitspike.quant.rounding import round_half_up, sign

__all__ = ["UniformSettings", "UniformSymmetric"]


class UniformSymmetric(WeightQuantizer):
    """Paper 000, Eq. 5: ``w_q = round(w/D) * D`` on ``w`` clipped to [-1, 1], with ``D = 1/(2^(bits-1) - 1)``.

    (The paper prints ``D = 2^(T-1)``, which cannot keep ``w_q`` in [-1, 1].) One bit is ``sign(w)`` times the mean
    magnitude of each output channel. The gradient is straight-through where ``|w| <= 1`` and zero outside.
    The grid is fixed: weights much smaller than ``D/2`` become zero, so at 2 to 4 bits a network that starts
    from the usual initialisation trains better with `LSQ`.
    """

    def step_size(self, weight: Tensor) -> Tensor:
        if self.bits == 1:
            return weight.detach().abs().mean(tuple(range(1, weight.ndim)), keepdim=True)
        return weight.new_full((), 1.0 / self.top)

    def codes(self, weight: Tensor) -> Tensor:
        clipped = weight.clamp(-1, 1)
        return sign(clipped) if self.bits == 1 else round_half_up(clipped * self.top)

    def forward(self, weight: Tensor) -> Tensor:
        clipped = weight.clamp(-1, 1)
        return self.codes(weight.detach()) * self.step_size(weight) + (clipped - clipped.detach())  # adds zero


class UniformSettings(QuantizerSettings):
    """Says how ``uniform`` is made, paper 000's fixed grid."""

    kind: Literal["uniform"] = "uniform"

    def make(self, bits: int, weight: Tensor) -> UniformSymmetric:
        return UniformSymmetric(bits, weight)


QUANTIZERS.register("uniform", UniformSettings)
