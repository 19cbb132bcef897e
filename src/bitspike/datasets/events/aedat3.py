"""AEDAT 3.1, the format of cAER and of DVS128 Gesture: lines of text, then packets of events of one kind each.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html. All integers are
signed and little-endian. A packet is a header of 28 bytes (type, source, bytes of an event, offset of its time, how
often the time has overflowed, room for events, events, valid events), then its events. A polarity event has two
words: bit 0 whether it is valid, bit 1 polarity, 2..16 row, 17..31 column; then 31 bits of time.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets.events.event import EVENT, Events, SensorSize
from bitspike.datasets.events.source import EventFile

__all__ = ["MAGIC", "read_aedat3"]

MAGIC = b"#!AER-DAT3.1"
_LAST = b"#!END-HEADER"
_SOURCE = re.compile(r"#Source\s+-?\d+:\s*(\w+)")
_HEADER = struct.Struct("<hhiiiiii")
_POLARITY = 1
_POLARITY_BYTES, _TIME_AT = 8, 4
_TOGETHER = 1 << 14
"""Events that are taken apart at once, at least."""
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
    events, done = np.empty(sum(packet.number for packet in packets), EVENT), 0

    def offset(index: int) -> int:
        for packet in packets:
            valid = np.flatnonzero(_words(file, packet)[::2] & 1)
            if index < len(valid):
                break
            index -= len(valid)
        return packet.start + _POLARITY_BYTES * int(valid[index])

    for group in _grouped(packets):
        words = np.concatenate([_words(file, packet) for packet in group])
        data, time = words[::2], words[1::2]
        if not np.bitwise_and.reduce(data) & 1:
            valid = data & 1 == 1
            data, time = data[valid], time[valid]
        if np.bitwise_or.reduce(time) >> 31:
            first = int((time >> 31).argmax())
            raise file.refusal(offset(done + first), f"time {time[first]:#x}", "want 31 bits")
        part = events[done : done + len(data)]
        part["t"], part["x"], part["y"], part["p"] = time, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1
        part["t"] += group[0].overflow << 31
        done += len(data)
    return file.events(size, events[:done], offset)


def _words(file: EventFile, packet: Packet) -> NDArray[np.uint32]:
    return np.frombuffer(file.content, "<u4", 2 * packet.number, packet.start)


def _grouped(packets: Iterable[Packet]) -> Iterator[list[Packet]]:
    """Packets of one overflow together, as many as stay in the processor's cache."""
    group: list[Packet] = []
    together = 0
    for packet in packets:
        if group and (packet.overflow != group[0].overflow or together > _TOGETHER):
            yield group
            group, together = [], 0
        group.append(packet)
        together += packet.number
    if group:
        yield group


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
