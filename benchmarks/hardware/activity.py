"""What changes in an exported network while it runs: its netlist of iCE40 cells, simulated cycle by cycle.

Logits of the netlist are compared with the oracle's, so that what is counted is what computes them. Energy is counts
times constants, and never called measured: no DSP blocks, whose energy no constant here knows; nothing glitches, and
the constant of a LUT has a multiplier's glitches in it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends import c, oracle
from bitspike.backends.verilog import Pipeline, Program
from bitspike.backends.verilog.place import logit_bits, netlist
from bitspike.costs.constants import hardware_constants
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["Activity", "activity", "energy_nj", "simulated_netlist"]

HERE = Path(__file__).parent
NONE, ONE = 0, 1
RAM_BITS = 16
"""Bits of a block memory that an access moves."""
IDLE_MW = 645e-6 * 1.219 * 1e3
"""Of an iCE40UP5K with its oscillator and clock at 12 MHz and nothing that changes: the page that
`bitspike.costs` quotes for a toggle measured 645 uA at 1.219 V."""
IDLE_MHZ = 12


@dataclass(frozen=True)
class Activity:
    """Of all images together.

    Attributes:
        logits: ``[N, K]``. images, cycles: that were simulated.
        lut, carry, ff: outputs that changed. reads: of a block memory at an address that changed. writes: of one.
        ram: outputs of memories that changed.
    """

    logits: NDArray[np.int64]
    images: int
    cycles: int
    lut: int
    carry: int
    ff: int
    reads: int
    writes: int
    ram: int


def activity(
    net: FrozenGraph, program: Program | Pipeline, images: NDArray[np.uint8], placed_in: Path | None = None
) -> Activity:
    """What changes in the network's netlist: in the one that was placed, where it is in a folder, or in its own.

    Raises:
        UserError: its logits are not the oracle's.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = placed_in or Path(made)
        if placed_in is None:
            netlist(program, "ice40", folder, top=f"{program.name}_pins", dsp="none")
        module = json.loads((folder / "net.json").read_text())["modules"][f"{program.name}_pins"]
        serial = logit_bits(program)
        found = simulated_netlist(module, program.order(images), folder, serial)
    if not np.array_equal(found.logits, oracle.logits(net, images)):
        raise UserError("netlist", program.name, "its logits are not the oracle's")
    return found


def energy_nj(found: Activity) -> dict[str, float]:
    """Estimated nJ of an image: what changes, times constants; and of a chip that idles meanwhile."""
    constants = hardware_constants()
    toggle, bit = constants["toggle"]["values"], constants["gates"]["values"]["memory"]
    of_image = 1e3 * found.images
    return {
        "logic": found.lut * toggle["lut"] / of_image,
        "registers": found.ff * toggle["ff"] / of_image,
        "memories": (found.reads + found.writes) * RAM_BITS * bit / of_image,
        "idle_at_12_mhz": IDLE_MW * found.cycles / IDLE_MHZ / found.images,
    }


def simulated_netlist(module: Mapping[str, Any], images: NDArray[np.uint8], folder: Path, serial: int = 0) -> Activity:
    """The netlist on images. ``serial``: bits of a logit, where they come one by one.

    Raises:
        UserError: a cell that is not known here, or a simulation that does not end.
    """
    binary = folder / "gates"
    subprocess.run([*c.compiler(), "-O2", "-o", str(binary), str(HERE / "gates.c")], check=True)
    text = " ".join(map(str, _described(module, serial)))
    codes = " ".join(map(str, [len(images), images[0].size, *images.ravel().tolist()]))
    done = subprocess.run([binary], input=f"{text} {codes}\n", capture_output=True, text=True)
    if done.returncode:
        raise UserError("netlist", f"status {done.returncode}", "its simulation does not end")
    *lines, last = done.stdout.splitlines()
    logits = [int(line.split()[1]) for line in lines if line.startswith("logit")]
    cycles, lut, carry, ff, reads, writes, ram = map(int, last.split()[1:])
    shaped = np.array(logits, np.int64).reshape(len(images), -1)
    return Activity(shaped, len(images), cycles, lut, carry, ff, reads, writes, ram)


def _described(module: Mapping[str, Any], serial: int) -> Iterator[int]:
    """The netlist as gates.c reads it."""
    cells = module["cells"].values()
    nets: dict[int | str, int] = {"0": NONE, "1": ONE, "x": NONE, "z": NONE}

    def net(bit: int | str) -> int:
        return nets.setdefault(bit, len(nets))

    def of(cell: Mapping[str, Any], port: str, count: int = 1, other: int = NONE) -> list[int]:
        bits = [net(bit) for bit in cell["connections"].get(port, [])]
        return bits + [other] * (count - len(bits))

    gates, flops, rams = {}, [], []
    for cell in cells:
        kind = cell["type"]
        if kind == "SB_LUT4":
            inputs = [of(cell, f"I{k}")[0] for k in range(4)]
            gates[of(cell, "O")[0]] = (0, *inputs, int(cell["parameters"]["LUT_INIT"], 2))
        elif kind == "SB_CARRY":
            inputs = [of(cell, port)[0] for port in ("I0", "I1", "CI")]
            gates[of(cell, "CO")[0]] = (1, *inputs, NONE, 0b11101000)
        elif kind in FLOPS:
            reset = of(cell, "R" if "R" in cell["connections"] else "S")[0]
            enabled = of(cell, "E", other=ONE)[0]
            flops += [of(cell, "D")[0], of(cell, "Q")[0], enabled, reset, int(kind.endswith("SS"))]
        elif kind == "SB_RAM40_4K":
            rams.append(cell)
        else:
            raise UserError("netlist", kind, "want cells of an iCE40 without DSP blocks and without negative clocks")
    after = {out: [one for one in gate[1:5] if one in gates] for out, gate in gates.items()}
    ordered = [*TopologicalSorter(after).static_order()]
    memories: list[int] = []
    for cell in rams:
        parameters, ports = cell["parameters"], cell["connections"]
        memories += [int(parameters.get(mode, "0"), 2) for mode in ("READ_MODE", "WRITE_MODE")]
        for enable, clock in (("RE", "RCLKE"), ("WE", "WCLKE")):
            said = [bit for port in (enable, clock) for bit in ports.get(port, ["1"]) if bit != "1"]
            if len(said) > 1:
                raise UserError("netlist", f"{enable} and {clock}", "want one enable for each port of a memory")
            memories.append(net(said[0]) if said else ONE)
        for port, count in (("RADDR", 11), ("RDATA", 16), ("WADDR", 11), ("WDATA", 16), ("MASK", 16)):
            memories += of(cell, port, count)
        for k in range(16):
            row = int(parameters.get(f"INIT_{k:X}", "0").replace("x", "0"), 2)
            memories += [row >> 16 * word & 0xFFFF for word in range(16)]
    ports = {name: [net(bit) for bit in port["bits"]] for name, port in module["ports"].items()}
    one_bit = ("rst", "in_valid", "in_ready", "out_ready", "out_valid", "out_last")
    yield from (len(nets), len(ordered), len(flops) // 5, len(rams))
    for out in ordered:
        carry, *inputs, init = gates[out]
        yield from (carry, *inputs, out, init)
    yield from flops
    yield from memories
    yield from (ports[name][0] for name in one_bit)
    out = ports["out_bit" if serial else "out_data"]
    yield from (len(out) + 100 * serial, *ports["in_data"], *out)


FLOPS = ("SB_DFF", "SB_DFFE", "SB_DFFSR", "SB_DFFSS", "SB_DFFESR", "SB_DFFESS")
