"""Activations that other conversions train: a clipped ReLU (OPI), and one mixed with a quantized one (SlipReLU)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bitspike.bits import FULL_PRECISION, Bits, unsigned_range
from bitspike.errors import UserError
from bitspike.neurons.dynamics import NeuronDynamics, NotDescribedError
from bitspike.neurons.qrelu import ActivationSettings, QReLU
from bitspike.neurons.registry import NEURONS
from bitspike.neurons.relu import one_step
from bitspike.neurons.staircase import Staircase

__all__ = ["ClipReLU", "ClipReLUSettings", "SlipReLU", "SlipReLUSettings"]


USUAL_LEVELS = 8


class SlipReLU(QReLU):
    """Jiang et al. 2023, with ``theta = n s`` and their shifts of 0 and 1/2::

        slope clip(x, 0, theta) + (1 - slope) s clip(floor(x/s + 1/2), 0, n)

    A slope of 0 is QCFS, which is a `QReLU`. What it sends lies on no grid, so graphs have the 16 bits that stand for
    floats. All its gradients are straight-through, that of ``s`` is not scaled.

    Args:
        levels: ``n``, of the second term. paths: as of a `QReLU`.
        slope: the share of the first, above 0 and at most 1.
    """

    def __init__(self, levels: int, paths: tuple[int, ...] = (), slope: float = 0.5) -> None:
        super().__init__(levels, paths, scaled=False)
        if not 0 < slope <= 1:
            raise UserError("slope", slope, "want a number above 0, at most 1; a slope of 0 is a q-relu")
        self.slope = slope

    @property
    def staircase(self) -> Staircase:
        return Staircase(1.0, 0, unsigned_range(FULL_PRECISION)[1])

    @property
    def scale(self) -> float | None:
        """None: it sends floats."""
        return None

    def dynamics(self) -> NeuronDynamics:
        """Refuses.

        Raises:
            UserError: always.
        """
        raise NotDescribedError(self, "its activations are floats; what `bitspike convert` makes of it can be frozen")

    def _quantized(self, u: Tensor, n: int) -> Tensor:
        stepped = super()._quantized(u, n)
        theta = self.step_size.abs() * self.levels
        return torch.lerp(stepped, (u / theta).clamp(0, 1) * theta, self.slope)


class ClipReLU(SlipReLU):
    """``clip(x, 0, theta)`` with a learned ``theta`` (Ho and Chang 2021), of which OPI (Bu et al. 2022) makes spikes.

    Args:
        levels: ``theta`` is that many steps ``s``. paths: as of a `QReLU`.
    """

    def __init__(self, levels: int, paths: tuple[int, ...] = ()) -> None:
        super().__init__(levels, paths, slope=1.0)


class FloatActivationSettings(ActivationSettings):
    """Adds what the kinds have in common that send floats: 8 levels, unless told otherwise, and 16 spike bits."""

    def highest(self, bits: Bits) -> int:
        if bits.s != FULL_PRECISION:
            wanted = f"{self.kind} sends floats; want {FULL_PRECISION}, which stands for them"
            raise UserError("spike bits", bits.s, wanted)
        return USUAL_LEVELS if self.levels is None else self.levels


class ClipReLUSettings(FloatActivationSettings):
    """Says how ``clip-relu`` is made, a ReLU with a learned bound, which is ``levels`` steps (8)."""

    kind: Literal["clip-relu"] = "clip-relu"

    def make(self, bits: Bits) -> ClipReLU:
        one_step(self.kind, bits)
        return ClipReLU(self.highest(bits), self.paths)


class SlipReLUSettings(FloatActivationSettings):
    """Says how ``slip-relu`` is made, a ReLU with a learned bound mixed with a quantized one of ``levels`` (8).

    Attributes:
        slope: share of the first.
    """

    kind: Literal["slip-relu"] = "slip-relu"
    slope: float = 0.5

    def make(self, bits: Bits) -> SlipReLU:
        one_step(self.kind, bits)
        return SlipReLU(self.highest(bits), self.paths, self.slope)


NEURONS.register("clip-relu", ClipReLUSettings)
NEURONS.register("slip-relu", SlipReLUSettings)
