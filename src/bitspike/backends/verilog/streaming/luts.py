"""LUTs of a stage, as an estimate: its elements by the model that is fitted on synthesized ones, and the rest of it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from bitspike.costs.constants import hardware_constants
from bitspike.costs.hardware import element_terms

if TYPE_CHECKING:
    from bitspike.backends.verilog.streaming.choice import Width
    from bitspike.backends.verilog.streaming.stage import Stage

__all__ = ["TERMS", "stage_luts", "terms"]

TERMS = ("stage", "product", "word", "sums")
"""What a stage is made of beside its elements: itself; bits of a product of two factors; bits of the words that its
units compute with, times instructions; bits of sums that wait for the units."""


def stage_luts(stage: Stage, width: Width, serial: bool) -> float:
    """LUTs of a four-input device."""
    each = _constants()
    return elements(stage, width, serial) + sum(each[name] * many for name, many in terms(stage, width).items())


def elements(stage: Stage, width: Width, serial: bool) -> float:
    """LUTs of the elements alone."""
    windows = stage.windows
    if windows is None:
        return 0.0
    if not windows.weights:
        return 2.0 * width.pes * windows.sum_bits
    model = _elements()["serial" if serial else "parallel"]["lut"]
    s = 1 if serial else windows.source.bits
    whole = element_terms(windows.bits, s, windows.sum_bits)
    further = element_terms(windows.bits, s, windows.bits + s)  # adds to the other products of its word
    one, more = (sum(factor * found[term] for term, factor in model.items()) for found in (whole, further))
    return width.pes * (max(one, 0) + (width.fan - 1) * max(more, 0))


def terms(stage: Stage, width: Width) -> dict[str, float]:
    """What the constants are of."""
    bits = stage.bits
    multiplies = any(made.op == "mul" for made in stage.micros)
    found = (
        1,
        width.units * bits["FACTOR_A"] * bits["FACTOR_B"] * multiplies,
        width.units * bits["WORD"] * len(stage.micros),
        width.pes * stage.windows.sum_bits if stage.windows else 0,
    )
    return dict(zip(TERMS, map(float, found), strict=True))


@cache
def _elements() -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = hardware_constants()["devices"]["ice40"]["elements"]
    return found


@cache
def _constants() -> dict[str, float]:
    text = files("bitspike.backends.verilog.streaming").joinpath("luts.json").read_text(encoding="utf-8")
    found: dict[str, float] = json.loads(text)["values"]
    return found
