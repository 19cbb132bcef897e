"""The neuron that does not spike: a network of it is trained first, where one is to be converted (paper 003)."""

from __future__ import annotations

from typing import Literal

from torch import nn

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.errors import UserError
from bitspike.neurons.registry import NEURONS, NeuronSettings

__all__ = ["ReLUSettings", "one_step"]


class ReLUSettings(NeuronSettings):
    """Says how ``relu`` is made, which is ``nn.ReLU``: there is nothing to set."""

    kind: Literal["relu"] = "relu"

    def make(self, bits: Bits) -> nn.ReLU:
        one_step(self.kind, bits)
        if bits.s != FULL_PRECISION:
            raise UserError("spike bits", bits.s, f"relu sends floats; want {FULL_PRECISION}, which stands for them")
        return nn.ReLU()


def one_step(kind: str, bits: Bits) -> None:
    """Refuses more steps than one, and a membrane."""
    if bits.t != 1 or bits.u is not None:
        raise UserError("bits", str(bits), f"{kind} runs one step and keeps no membrane; want w/s/1")


NEURONS.register("relu", ReLUSettings)
