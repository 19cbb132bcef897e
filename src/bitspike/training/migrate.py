"""Configs that earlier versions wrote: what each of their keys is called now.

They had what training methods read in other sections, one bag of neuron settings for all kinds, and quantizers by name
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bitspike.neurons import NEURONS

__all__ = ["MOVED", "migrate"]

_LEARNED = ("learns", "target", "penalty", "budget", "budget_penalty", "renewal", "renewal_epochs")

MOVED: Mapping[str, str] = MappingProxyType(
    {
        "reroute": "methods.paths-ensemble.reroute",
        "loss.path_weight": "methods.paths-ensemble.weight",
        "loss.spike_lambda": "methods.spike-regulation.weight",
        "loss.spike_reduction": "methods.spike-regulation.reduction",
        "sign_temperature": "methods.annealed-sign",
        **{f"adaptive.{key}": f"methods.learned-bits.{key}" for key in _LEARNED},
        "optimizer.time_steps_lr": "methods.learned-bits.time_steps_lr",
    }
)
"""Keys of a config, with dots, that were elsewhere before training methods had settings of their own."""


def migrate(raw: Any) -> Any:
    """The content of a ``config.json``, of an earlier version or of this one, in the keys of this one.

    A method that an earlier config set so that it did nothing, or for a network that could not read it, is left out.
    What is no config stays as it is.
    """
    if not isinstance(raw, dict) or not all(isinstance(raw.get(of, {}), dict) for of in ("loss", "optimizer")):
        return raw
    new = {key: dict(value) if key in ("loss", "optimizer") else value for key, value in raw.items()}
    old = {key: _take(new, key) for key in ("reroute", "sign_temperature", "adaptive")}
    old |= {key: _take(new["loss"], key) for key in ("path_weight", "spike_lambda", "spike_reduction") if "loss" in new}
    old["time_steps_lr"] = _take(new.get("optimizer", {}), "time_steps_lr")
    kind = raw["neuron"].get("kind") if isinstance(raw.get("neuron"), dict) else None
    methods: dict[str, Any] = {}
    if kind == "q-relu" and old["reroute"] is not None:
        methods["paths-ensemble"] = _given(reroute=old["reroute"], weight=old.get("path_weight"))
    if old.get("spike_lambda"):
        methods["spike-regulation"] = _given(weight=old["spike_lambda"], reduction=old.get("spike_reduction"))
    if isinstance(old["sign_temperature"], list) and len(old["sign_temperature"]) == 2:
        methods["annealed-sign"] = dict(zip(("first", "last"), old["sign_temperature"], strict=True))
    if isinstance(old["adaptive"], dict) and "adaptive" in (kind, raw.get("quantizer")):
        methods["learned-bits"] = old["adaptive"] | _given(time_steps_lr=old["time_steps_lr"])
    return _neuron_of_its_kind(new | {"methods": methods} if methods else new)


def _take(section: dict[str, Any], key: str) -> Any:
    return section.pop(key, None)


def _given(**settings: Any) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


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


def _neuron_of_its_kind(raw: Any) -> Any:
    """The config with a neuron that has the settings of its kind; what this version wrote comes back as it is.

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
