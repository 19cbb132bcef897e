"""Fits ``src/bitspike/costs/hardware.json`` on the units of ``results/hardware/integration-unit.json``.

Half of the units, every other width, are left out of each fit; its error on them, and on units of other numbers of
inputs, is written beside the numbers. Then the fit is made again on all.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from integration_unit import RESULTS, ROOT
from unit import HERE, Point, cells_of, ran, toggles

from bitspike.costs.constants import ELEMENT_PARTS, FORMAT
from bitspike.costs.gates import Counted, accumulator_bits, product_bits
from bitspike.costs.hardware import element_terms
from bitspike.files import read_json, write_json

CONSTANTS = ROOT / "src" / "bitspike" / "costs" / "hardware.json"
POWER = "https://github.com/tinyvision-ai-inc/ice40_power"
UA_WITH, UA_WITHOUT, VOLTS, HERTZ = 996, 645, 1.219, 12e6
"""Core current of an iCE40UP5K at 12 MHz with the circuit of ``calibration.sv`` and without, as that page has them."""
PERIOD = 256
"""Cycles after which that circuit is as it was."""
MEMORY_PJ = 10 / 64
"""Horowitz 2014, Fig. 1.1.9: 10 pJ for 64 bits of an 8 kB memory, 45 nm."""
DEVICES = {
    "ice40": {"about": "iCE40 HX8K, Yosys and nextpnr, no DSP blocks", "luts": 7680, "memory_bits": 32 * 4096},
    "ecp5": {"about": "ECP5 LFE5U-25F speed grade 6, Yosys and nextpnr, no DSP blocks", "luts": 24288,
             "memory_bits": 56 * 18432},
}  # fmt: skip
FEW = 12
Measured = Mapping[str, Any]


def toggle() -> dict[str, Any]:
    """pJ of the output of a LUT or flip-flop that changes: a measured current over what a simulation counts."""
    circuit = Point("calibration", 8, 8)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        synth = "synth_ice40 -top calibration; opt_clean -purge; write_verilog -noattr c.v; write_json c.json"
        ran("yosys", "-q", "-p", f"read_verilog -sv {HERE / 'calibration.sv'}; {synth}", cwd=folder)
        (folder / "bench.sv").write_text(BENCH)
        flags = ["-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-o", "simulation"]
        ran("iverilog", *flags, "bench.sv", "c.v", str(cells_of("ice40")), cwd=folder)
        ran("vvp", "simulation", cwd=folder)
        changed = toggles(folder / "c.vcd", folder / "c.json", circuit)
    pj = (UA_WITH - UA_WITHOUT) * 1e-6 * VOLTS / HERTZ * 1e12
    in_a_cycle = (changed["lut"] + changed["ff"]) / PERIOD
    each = _round(pj / in_a_cycle)
    return {
        "unit": "pJ per change of an output",
        "values": {"lut": each, "ff": each},
        "source": f"{POWER}: core current of an iCE40UP5K, {UA_WITH} uA with two counters and their product in LUTs,"
        f" {UA_WITHOUT} uA without, {VOLTS} V, 12 MHz: {_round(pj)} pJ a cycle, over the"
        f" {_round(in_a_cycle)} outputs that change in a cycle of a simulation of the same"
        " circuit; so a multiplier's glitches are in it, and idle current and the clock tree are not",
    }


BENCH = """`timescale 1ns / 1ns
module bench;
  logic clock = 0, reset = 1;
  wire any;
  calibration unit (.clock(clock), .reset(reset), .any(any));
  always #5 clock = ~clock;
  initial begin
    repeat (3) @(negedge clock);
    reset = 0;
    @(negedge clock);
    $dumpfile("c.vcd");
    $dumpvars(1, unit);
    repeat (PERIOD) @(negedge clock);
    $finish;
  end
endmodule
""".replace("PERIOD", str(PERIOD))


def bits_of(point: Measured) -> Counted:
    """What a unit of ``integration_unit.sv`` computes in an integration, in bits."""
    n, w, s, T, cycles = point["n"], point["w"], point["s"], point["T"], point["cycles"]
    own = max(w, 2)
    tree = sum((n >> level) * (own + level) for level in range(1, n.bit_length()))
    wide = accumulator_bits(w, s, n * T)
    if point["kind"] == "parallel":
        return Counted(T * n * w * s, T * (s * tree + (s - 1) * (own + n.bit_length() - 1 + s) + wide), T * wide)
    if point["kind"] == "serial":
        partial = own + n.bit_length() - 1 + s if s > 1 else 0
        return Counted(cycles * n * w, cycles * (tree + partial) + T * wide, cycles * partial + T * wide)
    product = product_bits(w, s)
    return Counted(cycles * (product.product + n * (w + s)), cycles * (product.adder + wide), cycles * (wide + n))


def held_out(point: Measured) -> bool:
    return (point["w"] + point["s"]) % 2 == 1


def solved(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> Any:
    """Numbers of 0 or more with the least squares of relative errors."""
    from scipy.optimize import nnls

    scale = 1 / np.array(wanted)
    return nnls(np.array(rows) * scale[:, None], np.ones(len(scale)))[0]


def errors(rows: Sequence[Sequence[float]], wanted: Sequence[float], numbers: Any) -> dict[str, Any]:
    """Of a model on points."""
    return said_of(100 * np.abs(np.array(rows) @ numbers / np.array(wanted) - 1))


def said_of(off: Any) -> dict[str, Any]:
    """Errors in percent of what they are errors of."""
    return {
        "units": len(off),
        "median_error_percent": _round(np.median(off)),
        "largest_error_percent": _round(off.max()),
    }


def fitted(
    points: Sequence[Measured], row: Callable[[Measured], Sequence[float]], value: Callable[[Measured], float]
) -> tuple[Any, dict[str, Any]]:
    """The numbers from all points, and the error on those that a fit on the others has not seen: on half of them, or,
    of few, on each by itself.
    """
    rows, wanted = [row(p) for p in points], [value(p) for p in points]
    out = np.array([held_out(p) for p in points])
    groups = [out] if len(points) > FEW else list(np.eye(len(points), dtype=bool))
    guessed = np.full(len(points), np.nan)
    for group in groups:
        numbers = solved(np.array(rows)[~group], np.array(wanted)[~group])
        guessed[group] = np.array(rows)[group] @ numbers
    seen = ~np.isnan(guessed)
    off = 100 * np.abs(guessed[seen] / np.array(wanted)[seen] - 1)
    return solved(rows, wanted), said_of(off)


def gates(found: Mapping[str, Any], each: Mapping[str, float]) -> dict[str, Any]:
    """pJ of a bit that is multiplied, added, written."""

    def row(point: Measured) -> list[float]:
        counted = bits_of(point)
        return [counted.product, counted.adder, counted.register]

    def value(point: Measured) -> float:
        return float(sum(each[kind] * point["toggles"][kind] for kind in each))

    numbers, said = fitted(found["points"], row, value)
    other = [point for point in found["others"] if point["n"] > 1]
    numbers_by_name = dict(zip(("product", "adder", "register"), map(_round, numbers), strict=True))
    return {
        "unit": "pJ per bit",
        "values": {**numbers_by_name, "memory": MEMORY_PJ},
        "source": "fitted on the activity of synthesized units at one input in four (results/hardware/"
        "integration-unit.json); memory: Horowitz 2014, Fig. 1.1.9, 10 pJ per 64 bits of 8 kB in 45 nm",
        "fit": {
            "units": len(found["points"]),
            "held_out": said,
            "other_inputs": errors([row(p) for p in other], [value(p) for p in other], numbers),
        },
    }


def amount(made: Measured, part: str, name: str) -> float:
    """Of a synthesized unit: ns between registers, flip-flops, or LUTs; a carry of ECP5 takes the place of two."""
    if part == "ns":
        return 1000 / float(made["mhz"])
    return float(made[part] + (2 * made["carry"] if (part, name) == ("lut", "ecp5") else 0))


def device(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """LUTs, flip-flops and delay of an element, one product a cycle, by its widths."""
    elements: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    for kind in ("parallel", "serial"):
        points = [p for p in found["others"] if p["n"] == 1 and p["kind"] == kind]
        elements[kind] = {}
        for part in ELEMENT_PARTS:
            some = [p for p in points if part != "ns" or "mhz" in p[name]]
            terms = list(element_terms(1, 1, 1))
            numbers, said = fitted(
                some,
                lambda p: list(element_terms(p["w"], p["s"], accumulator_bits(p["w"], p["s"], p["T"])).values()),
                lambda p, part=part: amount(p[name], part, name),  # type: ignore[misc]
            )
            elements[kind][part] = {term: _round(x) for term, x in zip(terms, numbers, strict=True) if x > 1e-9}
            fit[f"{kind}.{part}"] = said
    return {**DEVICES[name], "elements": elements, "fit": fit}


def _round(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else float(f"{value:.4g}")


def main() -> None:
    found = read_json(RESULTS)
    flip = toggle()
    constants = {
        "format": FORMAT,
        "written_by": "python benchmarks/hardware/fit.py",
        "toggle": flip,
        "gates": gates(found, flip["values"]),
        "devices": {name: device(found, name) for name in DEVICES},
    }
    write_json(CONSTANTS, constants)
    print(json.dumps(constants, indent=1))


if __name__ == "__main__":
    main()
