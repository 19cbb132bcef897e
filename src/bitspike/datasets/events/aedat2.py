"""AEDAT 2.0, the format of jAER: lines of text, then pairs of an address and a time, both big-endian uint32.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-2.0.html. Columns and rows are
as the address has them; jAER shows columns mirrored. The page says that bit 0 of a DVS128 is 1 for ON; jAER, which
writes and shows these files, takes 0 for ON, and so do the readers of CIFAR10-DVS, and we.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from bitspike.datasets.events.event import Array, Events, SensorSize
from bitspike.datasets.events.source import EventFile, packed

__all__ = ["MAGIC", "read_aedat2"]

MAGIC = b"#!AER-DAT2.0"
_LAST = b"#End Of ASCII Header"  # of newer files
_CHIP = re.compile(r"#\s*AEChip:\s*(?:\S*\.)?(\w+)\s*$")

Columns = tuple[Array, Array, Array, Array]
"""Which records are events of the pixels, and x, y, p of all records."""


def _dvs128(address: Array) -> Columns:
    """Bit 15 marks an external event; 14..8 row, 7..1 column, 0 polarity."""
    return address & 0x8000 == 0, address >> 1 & 127, address >> 8 & 127, ~address & 1


def _davis(address: Array) -> Columns:
    """Bit 31 marks a sample of image or IMU, bit 10 an external event; 30..22 row, 21..12 column, 11 polarity."""
    return address & 0x80000400 == 0, address >> 12 & 1023, address >> 22 & 511, address >> 11 & 1


_LAYOUTS: Mapping[SensorSize, tuple[Callable[[Array], Columns], int]] = MappingProxyType(
    {(128, 128): (_dvs128, 0xFFFF), (240, 180): (_davis, 0xFFFFFFFF)}
)
"""How an address is read by the size of the sensor, and the bits that it may have."""
_CHIPS: Mapping[str, SensorSize] = MappingProxyType(
    {"DVS128": (128, 128), "DAVIS240A": (240, 180), "DAVIS240B": (240, 180), "DAVIS240C": (240, 180)}
)


def read_aedat2(file: EventFile) -> Events:
    """The events of a DVS128 or a DAVIS240; the sensor is the header's ``AEChip``, or told by its size.

    Raises:
        UserError: a file that is cut short, or of another sensor, or an address that its sensor has not.
    """
    file.require(MAGIC)
    lines, start = file.text_lines(b"#", _LAST)
    chip = next((found[1] for line in lines if (found := _CHIP.match(line))), "")
    size = file.sensor(_CHIPS.get(chip.upper()), chip)
    if size not in _LAYOUTS:
        wanted = ", ".join(map(str, _LAYOUTS))
        raise file.refusal(0, f"a sensor of {size[0]}x{size[1]}", f"AEDAT 2.0 is read of sensors of {wanted}")
    count = file.records(start, 8)
    records = np.frombuffer(file.content, ">u4", 2 * count, start).reshape(count, 2)
    address = records[:, 0].astype(np.uint32)
    layout, bits = _LAYOUTS[size]
    if count and int(np.bitwise_or.reduce(address)) & ~bits:
        first = int((address & ~np.uint32(bits) != 0).argmax())
        raise file.refusal(start + 8 * first, f"address {address[first]:#x}", f"its sensor has bits up to {bits:#x}")
    of_pixels, x, y, p = layout(address)
    if of_pixels.all():
        return file.events(size, packed(records[:, 1], x, y, p), lambda index: start + 8 * index)
    kept = np.flatnonzero(of_pixels)
    events = packed(records[:, 1][kept], x[kept], y[kept], p[kept])
    return file.events(size, events, lambda index: start + 8 * int(kept[index]))
