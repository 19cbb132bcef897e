"""What an exported network takes on an FPGA: synthesized by Yosys, placed and routed by nextpnr."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from bitspike.backends.verilog.devices import DEVICES, PARTS, Device, device
from bitspike.backends.verilog.program import Program
from bitspike.errors import UserError

__all__ = ["Design", "Placed", "logit_bits", "netlist", "placed", "tool", "version"]

FREQUENCY = 200
"""MHz that nextpnr is asked for: more than there is, so that it gives what it can."""
KINDS = {
    "ice40": {"luts": "SB_LUT4", "flip_flops": "SB_DFF", "memories": "SB_RAM40", "dsps": "SB_MAC16"},
    "ecp5": {"luts": "LUT4", "flip_flops": "TRELLIS_FF", "memories": "DP16KD", "dsps": "MULT18X18D"},
}
"""How the cells of a netlist begin that are what."""
USED = {
    "ice40": {"cells": "ICESTORM_LC", "memories": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
    "ecp5": {"cells": "TRELLIS_COMB", "memories": "DP16KD", "dsps": "MULT18X18D"},
}
"""What nextpnr calls them."""
INSTALL = {
    "yosys": "Debian's yosys, or pip install 'bitspike[hdl]'",
    "nextpnr-ice40": "Debian's nextpnr-ice40, or pip install 'bitspike[hdl]'",
    "nextpnr-ecp5": "pip install 'bitspike[hdl]'",
}


class Design(Protocol):
    """A module and its files: an engine, or what else streams codes in and logits out in the same way."""

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> Mapping[str, str]: ...

    @property
    def memory_bits(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A network on a device.

    Attributes:
        device: its name. luts, flip_flops: of the netlist. cells: of the device, packed of them and of carries.
        memories, dsps: blocks. mhz: between flip-flops, the median of the seeds.
        tools: what they say of their versions, by name.
    """

    device: str
    luts: int
    flip_flops: int
    cells: int
    memories: int
    dsps: int
    mhz: float
    tools: Mapping[str, str]


def tool(name: str) -> str:
    """The program of that name, or YoWASP's, also beside this Python.

    Raises:
        UserError: neither is installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = next((at for one in (name, f"yowasp-{name}") if (at := shutil.which(one, path=path))), None)
    if found is None:
        raise UserError(name, "none", f"install {INSTALL[name]}")
    return found


def version(name: str) -> str:
    """What a tool says of its version."""
    said = _ran([tool(name), "-V" if name == "yosys" else "--version"], Path.cwd())
    return next((line.strip() for line in said.splitlines() if "ersion" in line or "Yosys" in line), "unknown")


def placed(program: Design, name: str, seeds: Sequence[int] = (1,), keep: Path | None = None) -> Placed:
    """The network on a device, its logits sent through one pin, bit by bit, so that it fits any package.

    Multipliers are in DSP blocks; those of the elements are not where the device has too few for both.

    Args:
        program: the network.
        name: of the device, a key of `DEVICES`.
        seeds: of nextpnr.
        keep: a folder for the netlist, ``net.json``, and what the tools write beside it; a passing one by default.

    Raises:
        UserError: no such device, a tool that is not installed or fails, or a device that is too small.
    """
    on = device(name)
    _check_bits(name, sum(program.memory_bits.values()))
    router = f"nextpnr-{on.family}"
    tools = {one: tool(one) for one in ("yosys", router)}
    with tempfile.TemporaryDirectory() as made:
        folder = keep or Path(made)
        for dsp in _multipliers(program, on):
            counts = netlist(program, on.family, folder, top=f"{program.name}_pins", dsp=dsp)
            if counts["dsps"] <= on.dsps:
                break
        _check(name, {"cells": counts["luts"], "memories": counts["memories"], "dsps": counts["dsps"]})
        used: dict[str, int] = {}
        clocks = []
        for seed in seeds:
            command = [tools[router], *on.flags, "--json", "net.json", "--seed", str(seed), "--freq", str(FREQUENCY)]
            said, status = _told([*command, "--timing-allow-fail", "--report", "report.json"], folder)
            used = _used(said, on.family)
            if status:
                _check(name, used)
                raise UserError(f"--device {name}", router, _last(said))
            found = json.loads((folder / "report.json").read_text())["fmax"]
            clocks.append(min(float(clock["achieved"]) for clock in found.values()))
    kept = {part: used.get(part, counts.get(part, 0)) for part in PARTS}
    amounts = {"luts": counts["luts"], "flip_flops": counts["flip_flops"], **kept}
    return Placed(device=name, mhz=median(clocks), tools={one: version(one) for one in tools}, **amounts)


def logit_bits(program: Design) -> int:
    """Bits of a logit, as its module says."""
    found = re.search(r"signed \[(\d+)-1:0\] out_data", program.files[f"{program.name}.sv"])
    if found is None:
        raise UserError("network", program.name, "want a module with out_data")
    return int(found[1])


def netlist(program: Design, family: str, folder: Path, top: str, dsp: str = "all") -> Mapping[str, int]:
    """``net.json`` in a folder, of Yosys; what there is of each kind.

    Args:
        program: the network.
        family: ``ice40`` or ``ecp5``.
        folder: which also gets the network's files.
        top: module that is synthesized: the network's name, or that with ``_pins``.
        dsp: ``all`` multipliers are in DSP blocks, the arithmetic ``unit``'s alone, or ``none``.
    """
    for name, text in program.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    pins = PINS.replace("@NAME@", program.name).replace("@LOGIT@", str(logit_bits(program)))
    (folder / "pins.sv").write_text(pins, encoding="utf-8")
    sources = [name for name in program.files if name.endswith(".sv") and not name.endswith("_tb.sv")]
    # Multipliers of the elements become adders before the device's own multipliers are looked for.
    soft = "proc; opt_expr; alumacc *bitspike_element*; maccmap *bitspike_element*;" if dsp == "unit" else ""
    chosen = {("ice40", True): "-dsp", ("ecp5", False): "-nodsp"}.get((family, dsp != "none"), "")
    script = (
        f"read_verilog -sv {' '.join(sources)} pins.sv; hierarchy -top {top}; {soft}"
        f" synth_{family} {chosen} -top {top} -json net.json"
    )
    _ran([tool("yosys"), "-q", "-p", script], folder)
    modules = json.loads((folder / "net.json").read_text())["modules"]
    cells = Counter(cell["type"] for cell in modules[top]["cells"].values())
    return {
        kind: sum(count for cell, count in cells.items() if cell.startswith(begins))
        for kind, begins in KINDS[family].items()
    }


PINS = """module @NAME@_pins (
    input  logic clk, rst, in_valid, out_ready,
    input  logic [7:0] in_data,
    output logic in_ready, out_bit, out_valid, out_last
);
  logic signed [@LOGIT@-1:0] data, held;
  logic [$clog2(@LOGIT@+1)-1:0] left;
  logic valid, last;
  @NAME@ network (
      .clk(clk), .rst(rst), .in_data(in_data), .in_valid(in_valid), .in_ready(in_ready),
      .out_data(data), .out_valid(valid), .out_last(last), .out_ready(left == 0)
  );
  assign out_bit = held[0];
  assign out_valid = left != 0;
  always_ff @(posedge clk) begin
    if (left == 0) begin
      held <= data;
      out_last <= last;
      if (valid) left <= $bits(left)'(@LOGIT@);
    end else if (out_ready) begin
      held <= held >>> 1;
      left <= left - 1;
    end
    if (rst) left <= '0;
  end
endmodule
"""
"""The network with few pins: a logit goes out bit by bit, the lowest first."""


def _multipliers(program: Design, on: Device) -> tuple[str, ...]:
    """Which multipliers are in DSP blocks, as of `netlist`: what to try, until the device has enough of them."""
    if not isinstance(program, Program):
        return ("all", "none") if on.dsps else ("none",)
    side = 16 if on.family == "ice40" else 18
    widths = program.widths
    unit = -(-widths["FACTOR_A"] // side) * -(-widths["FACTOR_B"] // side)
    if unit > on.dsps:
        return ("none",)
    return ("all",) if unit + widths["PES"] <= on.dsps else ("unit", "none")


def _check(name: str, wanted: Mapping[str, int]) -> None:
    """Refuses a device that has too little, and names the smallest that has enough."""
    on = DEVICES[name]
    lacking = [f"{wanted[part]:,} of {getattr(on, part):,} {part}" for part in PARTS if _over(on, part, wanted)]
    if not lacking:
        return
    others = [
        other
        for other, has in DEVICES.items()
        if has.family == on.family and not any(_over(has, part, wanted) for part in ("cells", "memories"))
    ]
    bits = wanted.get("memories", 0) * on.memory_bits
    larger = [one for one, has in DEVICES.items() if has.family != on.family and has.memories * has.memory_bits > bits]
    would = next(iter(others or larger), None)
    raise UserError(
        f"--device {name}",
        ", ".join(lacking),
        f"it is too small; want {would}, or fewer --pes" if would else "it is too small; want a smaller network",
    )


def _check_bits(name: str, bits: int) -> None:
    """Refuses a device that cannot store the network, before Yosys works on it for minutes."""
    if bits <= DEVICES[name].bits:
        return
    would = next((other for other, has in DEVICES.items() if has.bits >= bits), "a smaller network")
    seen = f"{bits:,} bits to store of {DEVICES[name].bits:,} in memories and cells"
    raise UserError(f"--device {name}", seen, f"it is too small; want {would}")


def _over(on: Device, part: str, wanted: Mapping[str, int]) -> bool:
    return bool(wanted.get(part, 0) > getattr(on, part))


def _used(said: str, family: str) -> dict[str, int]:
    """What nextpnr says that it uses."""
    found = dict(re.findall(r"(\w+):\s+(\d+)\s*/\s*\d+", said))
    return {part: int(found[name]) for part, name in USED[family].items() if name in found}


def _ran(command: Sequence[str], folder: Path) -> str:
    said, status = _told(command, folder)
    if status:
        raise UserError(Path(command[0]).name, f"status {status}", _last(said))
    return said


def _told(command: Sequence[str], folder: Path) -> tuple[str, int]:
    """What a program says, of both streams, and its status."""
    done: Any = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    return done.stdout + done.stderr, done.returncode


def _last(said: str) -> str:
    """The line that says what is wrong, or the last one."""
    lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
    return next((line for line in lines if line.startswith("ERROR")), lines[-1])[:300]
