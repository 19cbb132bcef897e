"""Constants of hardware: what a bit costs in gates, from a file in the package that a user can replace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from bitspike.errors import UserError

__all__ = ["ELEMENT_PARTS", "FORMAT", "GATES", "TERMS", "hardware_constants"]

FORMAT = "bitspike-hardware-1"
GATES = ("product", "adder", "register", "memory")
"""pJ of a bit each: of a product of two bits, of an addition, of a register that is written, of a memory access."""
ELEMENT_PARTS = ("lut", "ff", "ns")
DEVICE_PARTS = ("luts", "memory_bits")
ELEMENT_KINDS = ("parallel", "serial")
TERMS = ("1", "w", "s", "ws", "a", "partial")
"""What a part of an element is linear in: `bitspike.costs.hardware.element_terms`."""


def hardware_constants(path: Path | None = None) -> dict[str, Any]:
    """The package's constants, or those of a file of the same form.

    Raises:
        UserError: the file cannot be read, or a number is missing or none.
    """
    text = (
        files("bitspike.costs").joinpath("hardware.json").read_text(encoding="utf-8") if path is None else _read(path)
    )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise UserError("--constants", str(path), f"not JSON: {wrong}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        seen = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise UserError("--constants", str(path), f'its format is {seen!r}; want "format": "{FORMAT}"')
    gates = _part(found, "gates", "values")
    for name in GATES:
        _number(gates, "gates.values", name)
    for device, said in _part(found, "devices").items():
        for name in DEVICE_PARTS:
            _number(_object(said, f"devices.{device}"), f"devices.{device}", name)
        for element in ELEMENT_KINDS:
            parts = _part(found, "devices", device, "elements", element)
            for name in ELEMENT_PARTS:
                where = f"devices.{device}.elements.{element}.{name}"
                terms = _object(parts.get(name), where)
                for term in terms:
                    if term not in TERMS:
                        raise UserError("--constants", f"{where}.{term}", f"want terms in {', '.join(TERMS)}")
                    _number(terms, where, term)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise UserError("--constants", str(path), f"cannot be read: {getattr(wrong, 'strerror', wrong)}") from None


def _part(found: Any, *keys: str) -> Mapping[str, Any]:
    for place, key in enumerate(keys):
        found = _object(found, ".".join(keys[:place])).get(key)
    return _object(found, ".".join(keys))


def _object(found: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise UserError("--constants", where, "want an object, as in the package's own hardware.json")
    return found


def _number(found: Any, where: str, name: str) -> None:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UserError("--constants", f"{where}.{name}: {value!r}", "want a number")
    if where == "gates.values" and value < 0:
        raise UserError("--constants", f"{where}.{name}: {value!r}", "want 0 or more")
