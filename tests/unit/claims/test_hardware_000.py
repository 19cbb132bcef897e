"""The rule of paper 000's claim on hardware, on units that obey it and on units that do not."""

from __future__ import annotations

from typing import Any

import pytest

from claims.claim import Claim, Paper
from claims.hardware_000 import COSTS, HARDWARE, KINDS, fit, judge_hardware_is_linear, spread
from claims.page import page

SHAPES = [(s, 1) for s in (1, 2, 4, 8)] + [(1, 4), (2, 2), (1, 8), (2, 4), (4, 2)]


def units(**changes: Any) -> dict[str, Any]:
    """Of 100 LUTs and 1 pJ for each bit of weight and spike, a cycle a step."""
    points = [
        {
            "kind": kind,
            "w": w,
            "s": s,
            "T": T,
            "ice40": {"lut": 100 * w * s, "ff": 8},
            "cycles": T,
            "toggles": {"lut": 5 * w * s * T, "carry": 10**6, "ff": 5 * w * s * T},
        }
        for kind in KINDS
        for w in range(1, 9)
        for s, T in SHAPES
    ]
    for point in points:
        if point["kind"] == "serial":
            point |= changes
    return {"points": points, "pj_per_toggle": {"values": {"lut": 0.1, "ff": 0.1}}}


def test_units_as_the_paper_has_them_confirm_it() -> None:
    found = judge_hardware_is_linear(units())
    assert found.verdict == "confirmed"
    assert found.why.count("R^2 1.000, allocations within 1.00") == len(KINDS) * len(COSTS) == 6


@pytest.mark.parametrize("changes", [{"ice40": {"lut": 100, "ff": 8}}, {"toggles": {"lut": 9, "carry": 0, "ff": 9}}])
def test_one_kind_that_costs_the_same_at_any_width_refutes_it(changes: dict[str, Any]) -> None:
    found = judge_hardware_is_linear(units(**changes))
    assert found.verdict == "not confirmed"
    assert found.why.count("not linear") == 1
    assert "not linear" in found.why[found.why.index("bit-serial") :]


def test_a_line_and_a_spread_by_hand() -> None:
    assert fit([1, 2, 3], [3, 5, 7]) == pytest.approx((2, 1, 1))
    assert fit([0, 1, 2], [0, 3, 0])[2] == pytest.approx(0)
    some = [{"w": 1, "s": s, "T": T} for s, T in SHAPES]
    assert spread(some, lambda point: point["s"] + 10) == 18 / 11


def test_the_page_has_what_was_measured() -> None:
    claim = Claim("x", "s", "w", own=HARDWARE)
    whole = page((Paper("Paper", (claim,), ()),), {})
    assert "Rule: For LUTs x cycles and for activity energy" in whole
    assert "| bit-serial | 8/4/1 | 32 |" in whole
    missing = Claim(
        "x", "s", "w", own=type(HARDWARE)(HARDWARE.file.with_name("no.json"), *list(vars(HARDWARE).values())[1:])
    )
    assert "**Not run yet**" in page((Paper("Paper", (missing,), ()),), {})
