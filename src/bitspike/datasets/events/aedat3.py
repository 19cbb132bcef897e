"""AEDAT 3.1, the format of cAER and of DVS128 Gesture: lines of text, then packets of events of one kind each.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html. All integers are
signed and little-endian. A packet is a header of 28 bytes (type, source, bytes of an event, offset of its time, how
often the time has overflowed, room for events, events, valid events), then its events. A polarity event has two
words: bit 0 whether it is valid, bit 1 polarity, 2..16 row, 17..31 column; then 31 bits of time.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from bitspike.datasets.events.event import Events, SensorSize
from bitspike.datasets.events.source import EventFile, packed

__all__ = ["MAGIC", "read_aedat3"]

MAGIC = b"#!AER-DAT3.1"
_LAST = b"#!END-HEADER"
_SOURCE = re.compile(r"#Source\s+-?\d+:\s*(\w+)")
_HEADER = struct.Struct("<hhiiiiii")
_POLARITY = 1
_POLARITY_BYTES, _TIME_AT = 8, 4
_SIZES: Mapping[str, SensorSize] = MappingProxyType(
    {
        "DVS128": (128, 128),
        "DAVIS128": (128, 128),
        **dict.fromkeys(("DAVIS240A", "DAVIS240B", "DAVIS240C"), (240, 180)),
        **dict.fromkeys(("DAVIS346A", "DAVIS346B", "DAVIS346C"), (346, 260)),
        "DAVIS640": (640, 480),
    }
)


class Packet(NamedTuple):
    """The polarity events of a packet: where they begin, how many, and the upper bits of their times."""

    start: int
    number: int
    overflow: int
    source: int


def read_aedat3(file: EventFile) -> Events:
    """The valid polarity events; packets of other kinds are passed over.

    Raises:
        UserError: a file that is cut short, a header that says what cannot be, several sensors.
    """
    file.require(MAGIC)
    lines, start = file.text_lines(b"#", _LAST)
    if not lines[-1].startswith(_LAST.decode()):
        raise file.refusal(start, file.content[start : start + 12], f"want the line {_LAST!r}: damaged, or cut short")
    formats = [line.partition(":")[2].strip() for line in lines if line.startswith("#Format:")]
    if formats != ["RAW"]:
        raise file.refusal(0, f"format {' '.join(formats)}", "only RAW is read")
    name = next((found[1] for line in lines if (found := _SOURCE.match(line))), "")
    size = file.sensor(_SIZES.get(name.upper()), name)
    packets = [packet for packet in _packets(file, start) if packet.number]
    if len(sources := sorted({packet.source for packet in packets})) > 1:
        raise file.refusal(start, f"polarity events of sources {sources}", "want those of one sensor")
    if not packets:
        return file.events(size, packed(*(np.zeros(0, np.uint8),) * 4), None)
    words = np.concatenate([np.frombuffer(file.content, "<u4", 2 * one.number, one.start) for one in packets])
    data, time = words[::2], words[1::2].astype(np.int64)
    counts, overflows = (np.array([packet[field] for packet in packets], np.int64) for field in (1, 2))
    valid = data & 1 == 1
    kept = None if valid.all() else np.flatnonzero(valid)

    def offset(index: int) -> int:
        record = index if kept is None else int(kept[index])
        ends = np.cumsum(counts)
        packet = int(np.searchsorted(ends, record, side="right"))
        return packets[packet].start + _POLARITY_BYTES * int(record - (ends[packet] - counts[packet]))

    if (wide := time >> 31 != 0).any():  # before it becomes a part of the overflow
        kept, first = None, int(wide.argmax())
        raise file.refusal(offset(first), f"time {time[first]:#x}", "want 31 bits")
    if overflows.any():
        time += np.repeat(overflows << 31, counts)
    if kept is not None:
        data, time = data[kept], time[kept]
    return file.events(size, packed(time, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1), offset)


def _packets(file: EventFile, at: int) -> Iterator[Packet]:
    """Every packet of polarity events, its claims held against the bytes that are there."""
    while at < len(file.content):
        if len(file.content) - at < _HEADER.size:
            left = f"{len(file.content) - at} bytes"
            raise file.refusal(at, left, f"want a packet's header of {_HEADER.size}: cut short, get it again")
        kind, source, size, time_at, overflow, room, count, valid = _HEADER.unpack_from(file.content, at)
        if kind < 0:
            raise file.refusal(at, f"type {kind}", "want a type from 0 up: a compressed packet, or damaged")
        if not (size > 0 and overflow >= 0 and 0 <= valid <= count <= room):
            claims = f"{room} events of {size} bytes, {count} used, {valid} valid, {overflow} overflows"
            raise file.refusal(at, claims, "a packet's header cannot say that: damaged")
        start = at + _HEADER.size
        if room * size > len(file.content) - start:
            claims = f"{room} events of {size} bytes"
            raise file.refusal(at, claims, f"{len(file.content) - start} bytes are left: cut short, or damaged")
        if kind == _POLARITY:
            if (size, time_at) != (_POLARITY_BYTES, _TIME_AT):
                claims = f"polarity events of {size} bytes, time at {time_at}"
                raise file.refusal(at, claims, f"want {_POLARITY_BYTES} and {_TIME_AT}: damaged")
            yield Packet(start, count, overflow, source)
        at = start + room * size
