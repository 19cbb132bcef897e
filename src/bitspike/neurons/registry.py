"""The kinds of neurons by name: what each one's settings are, and how a layer is made of them."""

from __future__ import annotations

from typing import Any

from torch import nn

from bitspike.bits import Bits, alphabet_width, unsigned_range
from bitspike.errors import UserError
from bitspike.neurons.membrane import MembraneReading, quantize_membrane
from bitspike.neurons.node import BaseNode
from bitspike.neurons.surrogate import Surrogate, surrogate
from bitspike.registry import Registry
from bitspike.settings import Settings

__all__ = [
    "NEURONS",
    "FiringSettings",
    "NeuronSettings",
    "SpikingSettings",
    "highest_level",
    "make_node",
    "neuron_settings",
    "one_bit",
]

NEURONS: Registry[type[NeuronSettings]] = Registry("neuron.kind", own=lambda: NeuronSettings)


class NeuronSettings(Settings):
    """Says which neuron every layer uses, and its constants. Width and steps are not here: they are `Bits`.

    A kind is a subclass with fields of its own, a ``kind`` and a `make`, registered in `NEURONS` by its own file.
    """

    thing = "neuron"
    kinds = NEURONS
    usual = "multibit"

    def make(self, bits: Bits) -> nn.Module:
        """A fresh layer with ``bits.s`` spike bits over ``bits.t`` steps, whose membrane is in floats.

        Raises:
            UserError: the kind has no such spikes or steps.
        """
        raise NotImplementedError(f"{type(self).__name__} must define make")

    def make_encoder(self, bits: Bits) -> nn.Module:
        """`make` of the layer that turns the image into spikes; its values have both signs.

        Raises:
            UserError: the kind sends no signed spikes.
        """
        able = [name for name, kind in NEURONS.items() if kind.make_encoder is not NeuronSettings.make_encoder]
        why = "it sends no signed spikes, as this network's first layer does of the image"
        raise UserError("neuron.kind", self.kind, f"{why}; want {' or '.join(able)}")


class SpikingSettings(NeuronSettings):
    """Adds what every kind reads that carries a potential over steps.

    Attributes:
        membrane: which reading of paper 002 quantizes the membrane, where `Bits` has a ``u`` (`quantize_membrane`).
        squeeze: send the mean over time in one step (paper 001, Eq. 12).
    """

    membrane: MembraneReading = "carry"
    squeeze: bool = False


class FiringSettings(SpikingSettings):
    """Adds what every kind reads that fires at a threshold, with a surrogate gradient.

    Attributes:
        v_threshold: height of one level; ``None`` is the kind's own.
        surrogate_function: name of the gradient, or ``package.module:Class`` of your own; ``None`` is the neuron's.
        detach_reset: keep the gradient out of the reset.
    """

    v_threshold: float | None = None
    surrogate_function: str | None = None
    detach_reset: bool = True

    @property
    def gradient(self) -> Surrogate | None:
        """The surrogate that is named.

        Raises:
            UserError: there is none of that name or import path.
        """
        return None if self.surrogate_function is None else surrogate(self.surrogate_function)


def neuron_settings(kind: str = "multibit", **settings: Any) -> NeuronSettings:
    """The settings of the neuron called ``kind`` in `NEURONS`; those that are not given are as usual.

    Raises:
        UserError: an unknown kind, a setting that it does not read, or a value that does not fit.
    """
    return NeuronSettings.read({"kind": kind, **settings})


def make_node(settings: NeuronSettings, bits: Bits, encodes_image: bool = False) -> nn.Module:
    """A fresh neuron layer with ``bits.s`` spike bits over ``bits.t`` steps, its membrane in ``bits.u`` bits or floats.

    It is a `BaseNode`, but for ``relu``, which is ``nn.ReLU``.

    Args:
        settings: which neuron.
        bits: its widths.
        encodes_image: it stands first and turns the image into spikes, which are signed; ``adaptive`` can.

    Raises:
        UserError: a binary neuron is asked for more than one spike bit, or a membrane for 1 bit or more than 16.
    """
    node = settings.make_encoder(bits) if encodes_image else settings.make(bits)
    if bits.u is not None:
        if not isinstance(settings, SpikingSettings) or not isinstance(node, BaseNode):
            raise UserError("bits", str(bits), f"{settings.kind} carries no membrane in few bits; want w/s/t")
        quantize_membrane(node, bits.u, settings.membrane)
    if isinstance(node, BaseNode):
        node.encodes_image = encodes_image
    return node


def one_bit(kind: str, bits: Bits) -> None:
    """Refuses more than the one spike bit of a binary neuron."""
    if bits.s != 1:
        raise UserError("spike bits", bits.s, f"the {kind} neuron sends 1; use neuron.kind=multibit")


def highest_level(levels: int | None, bits: Bits) -> int:
    """``N`` of an alphabet 0..N, which ``bits.s`` must be the width of: cost and graph read the width there.

    Args:
        levels: ``N``; ``None`` is all that ``bits.s`` bits tell apart.
        bits: of the layer.
    """
    most = unsigned_range(bits.s)[1]
    if levels is None:
        return most
    if levels < 1 or alphabet_width(0, levels) != bits.s:
        wanted = f"want levels 0..N of {bits.s} spike bits: N from {most // 2 + 1} to {most}, or other spike bits"
        raise UserError("neuron.levels", levels, wanted)
    return levels
