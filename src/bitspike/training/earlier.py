"""Configs that earlier versions wrote: one bag of neuron settings for all kinds, and quantizers by name alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitspike.neurons import NEURONS

__all__ = ["upgraded"]

_BAG: dict[str, Any] = {
    "tau": 2.0,
    "decay_input": False,
    "v_threshold": None,
    "v_reset": 0.0,
    "surrogate_function": None,
    "detach_reset": True,
    "levels": None,
    "paths": [],
    "scaled": True,
    "membrane": "carry",
    "squeeze": False,
    "rounds": True,
    "per_step": False,
    "spare_bits": 2,
    "spare_steps": 1,
}
"""Every field that all kinds had beside ``kind``, with its default."""
_UNREAD = ("tau", "decay_input", "v_threshold", "v_reset", "surrogate_function", "detach_reset", "membrane")
"""Those that a kind which does not read them passed over, whatever they were; the others it refused but for these."""


def upgraded(raw: Any) -> Any:
    """The JSON of a config as this version reads it; what this version wrote comes back as it is.

    A neuron's bag loses what its kind does not read, as that changed nothing; the spare bits of learned weights,
    which were the neuron's, become the quantizer's.
    """
    neuron = raw.get("neuron") if isinstance(raw, Mapping) else None
    if not isinstance(neuron, Mapping) or not _BAG.keys() <= neuron.keys() or neuron.get("kind") not in NEURONS:
        return raw
    reads = NEURONS[neuron["kind"]].names()
    kept = {name: value for name, value in neuron.items() if name in reads or not _passed_over(name, value)}
    spare_bits = {"quantizer": {"kind": "adaptive", "spare_bits": neuron["spare_bits"]}}
    return {**raw, "neuron": kept, **(spare_bits if raw.get("quantizer") == "adaptive" else {})}


def _passed_over(name: str, value: Any) -> bool:
    return name in _UNREAD or (name in _BAG and value == _BAG[name])
