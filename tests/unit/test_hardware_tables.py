"""What the tables of docs/hardware.md say of numbers: fits and ranks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from hardware_tables import correlation, power_mw, ranks


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
