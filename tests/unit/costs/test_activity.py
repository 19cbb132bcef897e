"""What changes in a netlist is counted by a small simulator: circuits by hand, whose changes are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "hardware"))

from activity import Activity, energy_nj, simulated_netlist

from bitspike import UserError

RST, VALID, OUT_READY, DATA, HELD, SENT = 2, 3, 4, range(10, 18), range(20, 28), 30
PORTS = {
    "rst": [RST],
    "in_valid": [VALID],
    "in_ready": ["1"],
    "out_ready": [OUT_READY],
    "out_valid": [SENT],
    "out_last": ["1"],
    "in_data": [*DATA],
    "out_data": [*HELD],
}


def cell(kind: str, **connections: Any) -> dict[str, Any]:
    parameters = connections.pop("parameters", {})
    return {"type": kind, "parameters": parameters, "connections": {k: [v] for k, v in connections.items()}}


def delayed() -> dict[str, Any]:
    """Sends each byte a cycle later."""
    flops = [cell("SB_DFF", D=d, Q=q) for d, q in zip(DATA, HELD, strict=True)]
    return module(*flops, cell("SB_DFFSR", D=VALID, Q=SENT, R=RST))


def module(*cells: dict[str, Any]) -> dict[str, Any]:
    named = {str(index): one for index, one in enumerate(cells)}
    return {"cells": named, "ports": {name: {"bits": bits} for name, bits in PORTS.items()}}


def test_bytes_go_through_and_their_changes_are_counted(tmp_path: Path) -> None:
    found = simulated_netlist(delayed(), np.array([[5], [7], [7], [8]], np.uint8), tmp_path)
    assert found.logits.tolist() == [[5], [7], [7], [8]]
    assert found.cycles == 4 * 2, "in, and out a cycle later, though the next comes in meanwhile"
    assert found.ff == (2 + 1 + 0 + 4) + 2, "bits of 0, 5, 7, 7, 8 that change, and valid, up and down"
    assert (found.lut, found.carry, found.reads, found.writes, found.images) == (0, 0, 0, 0, 4)


def test_a_table_and_a_carry(tmp_path: Path) -> None:
    made = delayed()
    lut = cell("SB_LUT4", I0=DATA[0], I1=DATA[1], I2="0", I3="0", O=40, parameters={"LUT_INIT": f"{0b0110:016b}"})
    carry = cell("SB_CARRY", I0=DATA[0], I1=DATA[1], CI="0", CO=41)
    made["cells"] |= {"lut": lut, "carry": carry}
    made["cells"]["0"]["connections"]["D"], made["cells"]["1"]["connections"]["D"] = [40], [41]
    found = simulated_netlist(made, np.array([[0], [1], [2], [3], [3]], np.uint8), tmp_path)
    assert found.logits.ravel().tolist() == [0, 1, 1, 2, 2], "the sum of the two bits"
    assert (found.lut, found.carry) == (2, 1)


@pytest.mark.parametrize("mode", range(4))
def test_a_memory_in_each_of_its_shapes(mode: int, tmp_path: Path) -> None:
    """What is written at an address is read there, in each shape; the byte is both address and data."""
    made = delayed()
    middle, part = (0, 0, 1, 3)[mode], 1 << mode
    data = [DATA[0] if k % part == middle and k < part else "0" for k in range(16)]
    address = [*DATA[1:4], "0", "0", "0", "0", "0", *DATA[4:7]][: 8 + mode] + ["0"] * (3 - mode)
    read = [50 + k for k in range(16)]
    made["cells"]["ram"] = {
        "type": "SB_RAM40_4K",
        "parameters": {"READ_MODE": f"{mode:032b}", "WRITE_MODE": f"{mode:032b}"},
        "connections": {
            **{"RADDR": address, "WADDR": address, "RDATA": read, "WDATA": data, "MASK": ["0"] * 16},
            **{"RE": ["1"], "RCLKE": ["1"], "WE": [DATA[7]], "WCLKE": ["1"]},
        },
    }
    made["cells"]["0"] = cell("SB_LUT4", I0=read[middle], I1="0", I2="0", I3="0", O=HELD[0],
                              parameters={"LUT_INIT": f"{0b10:016b}"})  # fmt: skip
    for k in range(1, 8):
        made["cells"][str(k)] = cell("SB_DFF", D="0", Q=HELD[k])
    write, high = 0x80, 0x10 if mode else 0x02
    asked = [write | 1, 0, write | high, high, 0, write, 0, high | write | 1, high]
    found = simulated_netlist(made, np.array(asked, np.uint8)[:, None], tmp_path)
    assert found.logits.ravel().tolist() == [0, 1, 0, 0, 1, 1, 0, 0, 1], "old data where it is written too"
    assert found.writes == 4


def test_what_is_no_such_netlist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="SB_MAC16"):
        simulated_netlist(module(cell("SB_MAC16", O=40)), np.zeros((1, 1), np.uint8), tmp_path)


def test_energy_is_counts_times_constants() -> None:
    found = Activity(np.zeros((2, 1), np.int64), 2, 2400, lut=2000, carry=7, ff=1000, reads=30, writes=10, ram=9)
    nj = energy_nj(found)
    assert nj["logic"] == pytest.approx(0.5534)
    assert nj["registers"] == pytest.approx(0.5534 / 2)
    assert nj["memories"] == pytest.approx(40 * 16 * 0.15625 / 2000)
    assert nj["idle_at_12_mhz"] == pytest.approx(0.786 * 100, rel=1e-3), "nJ of 100 us at 0.786 mW"
