"""DAT version 2, of Prophesee's older tools and of N-CARS: lines of text, a kind and a size, then pairs of uint32.

Source: https://docs.prophesee.ai/stable/data/file_formats/dat.html. A pair is a time and the bits 13..0 column,
27..14 row, 31..28 polarity, little-endian.
"""

from __future__ import annotations

import re

import numpy as np

from bitspike.datasets.events.event import Events, SensorSize
from bitspike.datasets.events.source import EventFile, packed

__all__ = ["is_dat", "read_dat"]

_CHANGES = (0, 12)  # kinds whose events are changes of brightness: 2D (N-CARS) and CD
_BYTES = 8
_ATIS: SensorSize = (304, 240)
"""The sensor of files that say none: they are of the first generation, as N-CARS is."""


def is_dat(lines: list[str]) -> bool:
    """Whether a header of ``%`` lines is one of DAT."""
    return any(re.match(r"%\s*(Version\s|Data file)", line) for line in lines)


def read_dat(file: EventFile) -> Events:
    """The changes of brightness.

    Raises:
        UserError: another version or kind of events, or a file that is cut short.
    """
    file.require(b"%")
    lines, start = file.text_lines(b"%")
    said = {key: value for line in lines for key, value in re.findall(r"%\s*(\w+)\s+(\S+)\s*$", line)}
    if said.get("Version") != "2":
        raise file.refusal(0, f"version {said.get('Version')}", "only version 2 is read")
    if len(file.content) < start + 2:
        raise file.refusal(start, f"{len(file.content) - start} bytes", "want the kind and the size of its events")
    kind, size = file.content[start : start + 2]
    if kind not in _CHANGES or size != _BYTES:
        raise file.refusal(start, f"events of kind {kind}, {size} bytes", f"want kind 0 or 12, {_BYTES} bytes")
    start += 2
    count = file.records(start, _BYTES)
    words = np.frombuffer(file.content, "<u4", 2 * count, start)
    data, polarity = words[1::2], words[1::2] >> 28
    if (wrong := polarity > 1).any():  # before it is cut to a byte
        first = int(wrong.argmax())
        raise file.refusal(start + _BYTES * first, f"p={polarity[first]}", "want a polarity of 0 or 1")
    events = packed(words[::2], data & 0x3FFF, data >> 14 & 0x3FFF, polarity)
    return file.events(_sensor(file, said), events, lambda index: start + _BYTES * index)


def _sensor(file: EventFile, said: dict[str, str]) -> SensorSize:
    sides = tuple(int(said[key]) for key in ("Width", "Height") if re.fullmatch("[0-9]{1,5}", said.get(key, "")))
    if len(sides) == 2:
        return file.sensor(sides, "")
    return file.sensor_size or _ATIS
