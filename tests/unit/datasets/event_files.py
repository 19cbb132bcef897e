"""Event files as their published layouts say, written by the tests: no recording of anybody's is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import strategies as st

from bitspike.datasets.events import EVENT, Events

CHIPS = {(128, 128): "ch.unizh.ini.jaer.chip.retina.DVS128", (240, 180): "eu.seebetter.ini.chips.davis.DAVIS240C"}


def made(rows: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """An array of `EVENT` from ``(t, x, y, p)``."""
    return np.array(list(rows), EVENT)


@st.composite
def random_events(draw: st.DrawFn, size: tuple[int, int], longest: int = 1 << 31, least: int = 0) -> Events:
    """Events of a sensor whose times never decrease."""
    count = draw(st.integers(least, 40))
    times = sorted(draw(st.lists(st.integers(0, longest - 1), min_size=count, max_size=count)))
    pixels = st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[1] - 1), st.integers(0, 1))
    return Events(size, made([(t, *draw(pixels)) for t in times]))


def aedat2_header(size: tuple[int, int] | None) -> bytes:
    chip = b"" if size is None else f"# AEChip: {CHIPS[size]}\r\n".encode()
    return b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n" + chip


def aedat2(events: Events, end: bool = False, named: bool = True) -> bytes:
    """AEDAT 2.0 of a DVS128 or a DAVIS240C, by the size; ``end`` writes the line that ends newer headers."""
    t, x, y, p = (events.events[field].astype(np.int64) for field in "txyp")
    address = y << 8 | x << 1 | 1 - p if events.sensor_size == (128, 128) else y << 22 | x << 12 | p << 11
    pairs = np.stack([address, t], 1).astype(">u4").tobytes()
    return aedat2_header(events.sensor_size if named else None) + b"#End Of ASCII Header\r\n" * end + pairs


AEDAT3_HEADER = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2026-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
)


def packet(body: bytes, kind: int, count: int, valid: int, size: int = 8, overflow: int = 0, room: int = -1) -> bytes:
    """A packet of AEDAT 3.1; ``room`` events where it is given, else as many as are used."""
    room = count if room < 0 else room
    return struct.pack("<hhiiiiii", kind, 1, size, 4, overflow, room, count, valid) + body


def polarity_words(events: np.ndarray, valid: Sequence[bool] | None = None) -> bytes:
    t, x, y, p = (events[field].astype(np.int64) for field in "txyp")
    mark = np.ones(len(events), np.int64) if valid is None else np.array(valid, np.int64)
    return np.stack([x << 17 | y << 2 | p << 1 | mark, t & 0x7FFFFFFF], 1).astype("<u4").tobytes()


def polarity_packets(events: np.ndarray, longest: int = 7) -> Iterator[bytes]:
    """Packets of events of one overflow each."""
    overflows = events["t"] >> 31
    for overflow in np.unique(overflows):
        own = events[overflows == overflow]
        for at in range(0, len(own), longest):
            part = own[at : at + longest]
            yield packet(polarity_words(part), 1, len(part), len(part), overflow=int(overflow))


def aedat3(events: Events) -> bytes:
    return AEDAT3_HEADER + b"".join(polarity_packets(events.events))


def atis(events: Events) -> bytes:
    """The ``.bin`` of N-MNIST: five bytes an event."""
    t, x, y, p = (events.events[field].astype(np.int64) for field in "txyp")
    columns = (x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)
    return np.stack(columns, 1).astype(np.uint8).tobytes()


DAT_HEADER = b"% Data file containing CD events.\n% Version 2\n% Height 720\n% Width 1280\n"


def dat(events: Events, header: bytes = DAT_HEADER, kind: int = 12) -> bytes:
    t, x, y, p = (events.events[field].astype(np.int64) for field in "txyp")
    return header + bytes((kind, 8)) + np.stack([t, p << 28 | y << 14 | x], 1).astype("<u4").tobytes()


EVT2_HEADER = b"% evt 2.0\n% geometry 640x480\n% end\n"


def evt2(events: Events) -> bytes:
    """EVT 2.0: the upper 28 bits of a time in a word of their own, wherever they change."""
    words: list[int] = []
    high = -1
    for t, x, y, p in events.events.tolist():
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return EVT2_HEADER + np.array(words, "<u4").tobytes()
