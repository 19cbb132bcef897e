"""Configs of earlier versions: what each of their keys is called now."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
    return new | {"methods": methods} if methods else new


def _take(section: dict[str, Any], key: str) -> Any:
    return section.pop(key, None)


def _given(**settings: Any) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}
