"""Membranes of a few bits: where paper 002's readings put the quantizer into a neuron."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from bitspike.neurons.node import BaseNode
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer

__all__ = ["MembraneReading", "QuantizedCharge", "quantize_membrane"]

MembraneReading = Literal["carry", "carry-limited", "carry-tanh", "charge"]


def quantize_membrane(node: BaseNode, bits: int, reading: MembraneReading = "carry") -> None:
    """Gives ``node`` a membrane of ``bits`` bits, in place.

    Args:
        node: any neuron that carries floats.
        bits: ``b_u``, 2 to 16.
        reading: where paper 002 leaves a choice. ``carry`` quantizes what is left after fire and reset (Eq. 10);
            ``carry-tanh`` the same of ``tanh(v)`` (the authors' code); ``charge`` quantizes before firing (Alg. 1).
            ``carry-limited`` is ours: ``carry`` with ``a`` at most ``v_threshold``. After a hard reset no potential is
            above the threshold, but some are far below 0 and would make ``a`` so large that, at 2 bits, none but these
            is not rounded to 0. Networks freeze with the first two.
    """
    match reading:
        case "carry":
            node.store = MembraneQuantizer(bits)
        case "carry-limited":
            node.store = MembraneQuantizer(bits, limit=node.staircase.v_threshold)
        case "carry-tanh":
            node.store = TanhMembraneQuantizer(bits)
        case "charge":
            node.integrate = QuantizedCharge(node.integrate, bits)


class QuantizedCharge(nn.Module):
    """A charge step whose result is quantized before the neuron fires: paper 002's Algorithm 1, lines 8 to 11."""

    def __init__(self, charge: nn.Module, bits: int) -> None:
        super().__init__()
        self.charge, self.quantizer = charge, MembraneQuantizer(bits)

    def forward(self, v: Tensor, x: Tensor) -> Tensor:
        u: Tensor = self.quantizer(self.charge(v, x))
        return u
