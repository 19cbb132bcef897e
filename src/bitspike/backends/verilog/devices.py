"""Devices that open tools place and route for: what they have, and how the tools are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitspike.errors import UserError, closest

__all__ = ["DEVICES", "PARTS", "Device", "device"]

PARTS = ("cells", "memories", "dsps")
"""What a device has of: cells of a LUT of four inputs and a flip-flop, block memories, multipliers."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA.

    Attributes:
        about: its name and package. family: of Yosys and nextpnr, ``ice40`` or ``ecp5``.
        cells, memories, dsps: how many it has. memory_bits: of one memory.
        flags: of nextpnr.
    """

    about: str
    family: str
    cells: int
    memories: int
    memory_bits: int
    dsps: int
    flags: tuple[str, ...]

    @property
    def bits(self) -> int:
        """The most that it stores: in memories, and 16 in the table of each cell."""
        return self.memories * self.memory_bits + 16 * self.cells


def _ice40(about: str, cells: int, memories: int, dsps: int, package: str) -> Device:
    name = about.split()[0].lower()
    return Device(
        about=f"iCE40 {about}",
        family="ice40",
        cells=cells,
        memories=memories,
        memory_bits=4096,
        dsps=dsps,
        flags=(f"--{name}", "--package", package),
    )


def _ecp5(about: str, cells: int, memories: int, dsps: int) -> Device:
    size = about.removeprefix("LFE5U-").split("F")[0].lower()
    return Device(
        about=f"ECP5 {about}",
        family="ecp5",
        cells=cells,
        memories=memories,
        memory_bits=18432,
        dsps=dsps,
        flags=(f"--{size}k", "--package", "CABGA381", "--speed", "6"),
    )


DEVICES: Mapping[str, Device] = {
    "hx1k": _ice40("HX1K tq144", 1280, 16, 0, "tq144"),
    "up5k": _ice40("UP5K sg48", 5280, 30, 8, "sg48"),
    "hx8k": _ice40("HX8K ct256", 7680, 32, 0, "ct256"),
    "ecp5-25k": _ecp5("LFE5U-25F, speed grade 6", 24288, 56, 28),
    "ecp5-45k": _ecp5("LFE5U-45F, speed grade 6", 43848, 108, 72),
    "ecp5-85k": _ecp5("LFE5U-85F, speed grade 6", 83640, 208, 156),
}
"""By name, the small ones first."""


def device(name: str) -> Device:
    """The device of that name.

    Raises:
        UserError: there is none.
    """
    if name not in DEVICES:
        raise UserError("--device", name, closest(name, DEVICES))
    return DEVICES[name]
