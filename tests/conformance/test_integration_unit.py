"""The integration unit in SystemVerilog is the integers: every code at small widths, random ones above."""

from __future__ import annotations

import itertools
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "hardware"))
from unit import HERE, KINDS, Point, _changes, expected, simulate, steps_of, synthesized, toggles

needs = pytest.mark.skipif(not shutil.which("iverilog"), reason="wants iverilog")
needs_yosys = pytest.mark.skipif(not shutil.which("yosys"), reason="wants yosys")
SMALL = [(n, w, s, T) for n, w, s, T in itertools.product((1, 2, 3), (1, 2), (1, 2), (1, 2)) if n * (w + s * T) <= 10]


def every(point: Point) -> tuple[np.ndarray, np.ndarray]:
    """Every weight, the lowest of two's complement too, with every train of levels."""
    weights = (-1, 1) if point.w == 1 else range(-(1 << point.w - 1), 1 << point.w - 1)
    codes = list(itertools.product(weights, repeat=point.n))
    trains = list(itertools.product(range(1 << point.s), repeat=point.n * point.T))
    pairs = list(itertools.product(codes, trains))
    levels = np.array([train for _, train in pairs]).reshape(-1, point.T, point.n)
    return np.array([code for code, _ in pairs]), levels


@needs
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_every_input_of_small_units_is_the_integers(kind: str, shape: tuple[int, int, int, int]) -> None:
    n, w, s, T = shape
    point = Point(kind, w, s, T, n)
    codes, levels = every(point)
    assert np.array_equal(simulate(point, codes, levels).potentials, expected(codes, levels))


@needs
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [(1, 8, 1), (8, 1, 8), (8, 8, 1), (3, 5, 3), (5, 3, 2), (7, 4, 1)], ids=str)
def test_wide_units_are_the_integers(kind: str, bits: tuple[int, int, int]) -> None:
    point = Point(kind, *bits)
    for rate in (0.0, 0.25, 1.0):
        codes, levels = steps_of(point, 60, rate, seed=1)
        assert np.array_equal(simulate(point, codes, levels).potentials, expected(codes, levels))


@needs
def test_the_ends_of_the_range_do_not_wrap() -> None:
    for kind, w, sign in itertools.product(KINDS, (1, 8), (-1, 1)):
        point = Point(kind, w, 8, 4)
        codes = np.full((3, point.n), sign if w == 1 else sign * 127)
        levels = np.full((3, point.T, point.n), 255)
        assert np.array_equal(simulate(point, codes, levels).potentials, expected(codes, levels))


@needs
def test_cycles_are_steps_bits_and_events() -> None:
    for rate in (0.0, 0.3, 1.0):
        codes, levels = steps_of(Point("events", 2, 3, 2), 50, rate)
        events = np.maximum((levels > 0).sum(-1), 1).sum()  # a step without any is a cycle too
        wanted = {"parallel": 100, "serial": 300, "events": events}
        assert {kind: simulate(Point(kind, 2, 3, 2), codes, levels).cycles for kind in KINDS} == wanted


@needs
@pytest.mark.parametrize(
    ("was", "planted"),
    [
        ("left + right", "left - right"),
        ("$signed({(P+S){1'b0}})", "{(P+S){1'b0}}"),
        ("~busy ? $signed", "busy ? $signed"),
    ],
)
def test_a_planted_error_is_found(was: str, planted: str) -> None:
    text = (HERE / "integration_unit.sv").read_text()
    assert was in text
    seen = []
    for kind in KINDS:
        codes, levels = steps_of(Point(kind, 4, 3, 2), 30, 0.5)
        made = simulate(Point(kind, 4, 3, 2), codes, levels, source=text.replace(was, planted))
        seen.append(np.array_equal(made.potentials, expected(codes, levels)))
    assert not all(seen)


@needs
@needs_yosys
@pytest.mark.parametrize("kind", KINDS)
def test_the_netlist_is_the_integers_and_toggles_with_its_inputs(kind: str, tmp_path: Path) -> None:
    point = Point(kind, 3, 2, 2, 4)
    cells = synthesized(point, "ice40", tmp_path)
    assert cells["ff"] >= 3 + 2 + 2 + 1
    counted = []
    for rate in (0.0, 0.5):
        codes, levels = steps_of(point, 40, rate)
        found = simulate(point, codes, levels, netlist=tmp_path / "ice40.v", vcd=tmp_path / "toggles.vcd")
        assert np.array_equal(found.potentials, expected(codes, levels))
        counted.append(toggles(tmp_path / "toggles.vcd", tmp_path / "ice40.json", point))
    quiet, busy = counted
    assert busy["lut"] > 2 * quiet["lut"]
    assert busy["ff"] > quiet["ff"]


def test_toggles_are_changes_between_known_values(tmp_path: Path) -> None:
    file = tmp_path / "x.vcd"
    head = "$var wire 1 ! a $end\n$var wire 3 # b [4:2] $end\n$enddefinitions $end\n"
    file.write_text(head + "#0\n$dumpvars\nx!\nbx #\n$end\n#1\n1!\nb101 #\n#2\n0!\nb1 #\n#3\n0!\nb1x1 #\n#4\nb111 #\n")
    assert list(_changes(file)) == [("a", 0), ("b", 4), ("b", 4)]
