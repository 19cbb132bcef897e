"""The unit of ``integration_unit.sv``: simulated, synthesized and placed; what toggles in it is counted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.bits import signed_range
from bitspike.errors import UserError

__all__ = ["KINDS", "Point", "Simulated", "expected", "place", "simulate", "steps_of", "synthesized", "toggles"]

HERE = Path(__file__).parent
KINDS = ("parallel", "serial", "events")
Int = NDArray[np.int64]
CELLS = {
    "ice40": {"lut": ("SB_LUT4",), "carry": ("SB_CARRY",), "ff": ("SB_DFF",)},
    "ecp5": {"lut": ("LUT4",), "carry": ("CCU2C",), "ff": ("TRELLIS_FF",)},
}
"""How the cells of a device begin that are LUTs of four inputs, carries (of ECP5 two LUTs each), and flip-flops."""

FLAGS = {"ice40": "", "ecp5": "-nodsp -nowidelut"}
"""Without DSP blocks, which iCE40 has for who asks; and without wide multiplexers, which take more LUTs."""


@dataclass(frozen=True)
class Point:
    """One unit: its kind, bits of a weight, bits of a spike, steps, inputs."""

    kind: str
    w: int
    s: int
    T: int = 1
    n: int = 8

    @property
    def budget(self) -> int:
        return self.w * self.s * self.T

    @property
    def bits(self) -> str:
        return f"{self.w}/{self.s}/{self.T}"

    @property
    def parameters(self) -> dict[str, int]:
        return {"N": self.n, "W": self.w, "S": self.s, "T": self.T}


@dataclass(frozen=True)
class Simulated:
    """Potentials of all integrations, cycles that all of them took, and the file of what toggled, where asked for."""

    potentials: Int
    cycles: int


def steps_of(point: Point, integrations: int, rate: float, seed: int = 0) -> tuple[Int, Int]:
    """Weight codes ``[integrations, n]``, new in each, and levels ``[integrations, T, n]``.

    A level is not 0 at the ``rate``, and then any other alike.
    """
    chance = np.random.default_rng(seed)
    if point.w == 1:
        codes = chance.choice([-1, 1], (integrations, point.n))
    else:
        lo, hi = signed_range(point.w)
        codes = chance.integers(lo, hi + 1, (integrations, point.n))
    shape = integrations, point.T, point.n
    levels = chance.integers(1, 1 << point.s, shape) * (chance.random(shape) < rate)
    return codes.astype(np.int64), levels.astype(np.int64)


def expected(codes: Int, levels: Int) -> Int:
    """What the integers say: the potential of each integration."""
    return (codes[:, None, :] * levels).sum((1, 2))


def simulate(
    point: Point, codes: Int, levels: Int, netlist: Path | None = None, vcd: Path | None = None, source: str = ""
) -> Simulated:
    """Runs the unit, or in its place a netlist of iCE40 cells, in Icarus Verilog.

    Args:
        point: the unit.
        codes: ``[integrations, n]``. levels: ``[integrations, T, n]``.
        netlist: what is run in place of the source. vcd: where to write what toggles.
        source: text in place of ``integration_unit.sv``.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        fields = np.where(codes < 0, 1, 0) if point.w == 1 else codes & ((1 << point.w) - 1)
        lines = [
            f"{_packed(row, point.w) << point.n * point.s | _packed(step, point.s):x}"
            for row, steps in zip(fields, levels, strict=True)
            for step in steps
        ]
        (folder / "steps.hex").write_text("\n".join(lines) + "\n")
        (folder / "unit.sv").write_text(source or (HERE / "integration_unit.sv").read_text())
        given = {**point.parameters, "STEPS": len(lines)}
        sources = [netlist, cells_of("ice40")] if netlist else ["unit.sv"]
        instance = point.kind if netlist else f"{point.kind} #(.N(N), .W(W), .S(S), .T(T))"
        command = ["iverilog", "-g2012", "-o", "simulation", f"-DUNIT={instance}", "-DNO_ICE40_DEFAULT_ASSIGNMENTS"]
        command += {"serial": ["-DBY_BIT"], "events": ["-DWITH_RESET"]}.get(point.kind, [])
        command += [f"-Ptestbench.{name}={value}" for name, value in given.items()]
        ran(*command, "-s", "testbench", *map(str, sources), str(HERE / "testbench.sv"), cwd=folder)
        said = ran("vvp", "simulation", *([f"+vcd={vcd}"] if vcd else []), cwd=folder)
    lines = [line for line in said.splitlines() if not line.startswith("VCD")]
    return Simulated(np.array([int(line) for line in lines[:-1]], dtype=np.int64), int(lines[-1].split()[1]))


def synthesized(point: Point, device: str, folder: Path) -> dict[str, int]:
    """LUTs, carries and flip-flops by Yosys; ``folder`` gets the netlist as ``DEVICE.v`` and ``DEVICE.json``.

    Without DSP blocks and memories: one bit more has a price in gates.
    """
    chosen = " ".join(f"-set {name} {value}" for name, value in point.parameters.items())
    # One module: every net of it lies one level deep, where the simulation looks.
    script = (
        f"read_verilog -sv {HERE / 'integration_unit.sv'}; chparam {chosen} {point.kind}; hierarchy -top {point.kind};"
        f" synth_{device} {FLAGS[device]} -top {point.kind}; opt_clean -purge;"
        f" write_verilog -noattr {device}.v; write_json {device}.json"
    )
    ran("yosys", "-q", "-p", script, cwd=folder)
    cells = Counter(
        kind_of(cell["type"], device) for cell in _module(folder / f"{device}.json", point)["cells"].values()
    )
    return {"lut": cells["lut"], "carry": cells["carry"], "ff": cells["ff"]}


def kind_of(cell: str, device: str) -> str:
    """``lut``, ``carry``, ``ff``, or ``other``."""
    return next((kind for kind, names in CELLS[device].items() if cell.startswith(names)), "other")


def toggles(vcd: Path, netlist: Path, point: Point) -> dict[str, int]:
    """How often the outputs of LUTs, carries and flip-flops changed, by kind, in a simulation of an iCE40 netlist.

    Nothing glitches: the cells of the simulation have no delay, and a net counts once a moment.
    """
    module = _module(netlist, point)
    drivers: dict[int, str] = {}
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                drivers |= {bit: kind_of(cell["type"], "ice40") for bit in bits}
    owner: dict[tuple[str, int], str] = {}
    for name, net in module["netnames"].items():
        for place, bit in enumerate(net["bits"]):
            if bit in drivers:  # the first name of a net stands for it
                owner[name, place + net.get("offset", 0)] = drivers.pop(bit)
    counted: Counter[str] = Counter()
    for name, place in _changes(vcd):
        counted[owner.get((name, place), "other")] += 1
    return {kind: counted[kind] for kind in ("lut", "carry", "ff")}


def place(point: Point, device: str, folder: Path, nextpnr: Sequence[str], seeds: Sequence[int] = (1, 2, 3)) -> float:
    """MHz between flip-flops by nextpnr: inputs behind registers, the median of the seeds.

    iCE40: HX8K in ct256; ECP5: LFE5U-25F, speed grade 6.
    """
    (folder / "registered.sv").write_text(_registered(point))
    top = "registered"
    script = (
        f"read_verilog -sv {HERE / 'integration_unit.sv'} registered.sv; hierarchy -top {top};"
        f" synth_{device} {FLAGS[device]} -top {top} -json registered.json"
    )
    ran("yosys", "-q", "-p", script, cwd=folder)
    part = ["--hx8k", "--package", "ct256"] if device == "ice40" else ["--25k", "--package", "CABGA381", "--speed", "6"]
    found = []
    for seed in seeds:
        command = [*nextpnr, *part, "--json", "registered.json", "--seed", str(seed), "--freq", "200"]
        command += ["--timing-allow-fail", "--report", "report.json"]
        ran(*command, cwd=folder)
        clocks = json.loads((folder / "report.json").read_text())["fmax"]
        found.append(min(clock["achieved"] for clock in clocks.values()))
    return float(np.median(found))


def cells_of(device: str) -> Path:
    """Yosys' own models of a device's cells."""
    found = shutil.which("yosys")
    if found is None:
        raise UserError("yosys", "none", "install yosys, iverilog and nextpnr (Debian's packages)")
    return Path(found).resolve().parent.parent / "share" / "yosys" / device / "cells_sim.v"


def ran(*command: str, cwd: Path) -> str:
    """Standard output.

    Raises:
        UserError: there is no such program, or it failed; its last line.
    """
    if shutil.which(command[0]) is None:
        raise UserError(command[0], "none", "install yosys, iverilog and nextpnr (Debian's packages)")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            command[0], f"status {done.returncode}", ([*done.stderr.splitlines(), ""])[-1] or done.stdout[-200:]
        )
    return done.stdout


def _registered(point: Point) -> str:
    """The unit with a register before every input: its path from register to register is that of a whole engine.

    Inputs come in through one pin, a shift register, so that any width fits any package.
    """
    control = {"parallel": ("valid", "first", "last"), "serial": ("valid", "first", "last", "high", "low")}
    names = control.get(point.kind, ("reset", "valid", "first", "last"))
    data = "spikes" if point.kind == "serial" else "levels"
    width = point.n * (1 if point.kind == "serial" else point.s)
    total = len(names) + point.n * point.w + width
    shown = 2 if point.w == 1 else point.w
    potential = shown + (point.n - 1).bit_length() + point.s + (point.T - 1).bit_length()
    wires = ", ".join(f".{name}(held[{place}])" for place, name in enumerate(names))
    start = len(names)
    values = ", ".join(f".{name}({value})" for name, value in point.parameters.items())
    return f"""module registered(input logic clock, serial_in, output logic serial_out);
  logic [{total - 1}:0] held;
  logic [{potential - 1}:0] potential, out;
  logic ready, done;
  {point.kind} #({values}) unit (.clock(clock), {wires}, .weights(held[{start} +: {point.n * point.w}]),
    .{data}(held[{start + point.n * point.w} +: {width}]), .ready(ready), .done(done), .potential(potential));
  always_ff @(posedge clock) begin
    held <= {{held[{total - 2}:0], serial_in}};
    out <= done ? potential : {{out[{potential - 2}:0], ready}};
    serial_out <= out[{potential - 1}];
  end
endmodule
"""


def _packed(values: Int, bits: int) -> int:
    """Element 0 in the lowest bits."""
    return sum(int(value) << place * bits for place, value in enumerate(values))


def _module(netlist: Path, point: Point) -> dict[str, Any]:
    modules: dict[str, Any] = json.loads(netlist.read_text())["modules"]
    (name,) = (name for name in modules if point.kind in name and modules[name]["attributes"].get("top"))
    return modules[name]


def _changes(vcd: Path) -> Iterator[tuple[str, int]]:
    """Name and bit of each net at each moment at which it changed from 0 to 1 or back."""
    names: dict[str, list[tuple[str, int]]] = {}
    before: dict[str, str] = {}
    with vcd.open() as file:
        for line in file:
            words = line.split()
            if words and words[0] == "$var":
                width, code, name, place = int(words[2]), words[3], words[4].lstrip("\\"), words[5]
                found = re.fullmatch(r"\[(\d+)(?::(\d+))?\]", place)
                low = 0 if found is None else int(found[2] or found[1])
                names.setdefault(code, [(name, low + k) for k in range(width)])
            elif words and words[0] == "$enddefinitions":
                break
        for line in file:
            if line[0] in "01xz":
                value, code = line[0], line[1:].strip()
            elif line[0] == "b":
                value, code = line[1:].split()
            else:
                continue
            bits = names[code]
            text = value.rjust(len(bits), "0" if value[0] in "01" else value[0])
            old = before.get(code, "x" * len(bits))
            before[code] = text
            for place, (now, then) in enumerate(zip(reversed(text), reversed(old), strict=True)):
                if now != then and now in "01" and then in "01":
                    yield bits[place]
