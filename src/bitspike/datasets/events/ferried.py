"""AEDAT 4, Prophesee's EVT and Event Stream, which faery reads: what we see of their bytes is checked before.

Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html and
https://docs.prophesee.ai/stable/data/encoding_formats/index.html. EVT and Event Stream say nowhere how many events
they hold: one that is cut short, EVT between two words, reads as a shorter recording.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from bitspike.datasets.events.event import EVENT, Events, SensorSize
from bitspike.datasets.events.source import EventFile
from bitspike.errors import UserError, require

__all__ = ["AEDAT4", "ES", "is_evt", "read_aedat4", "read_es", "read_evt"]

AEDAT4 = b"#!AER-DAT4.0"
ES = b"Event Stream"
_WORDS = {"2": 4, "2.1": 8, "3": 2}
"""Bytes of a word, by the version of EVT."""
_VERSION = re.compile(r"%\s*(?:evt\s+|format\s+EVT)([0-9](?:\.[1-9])?)")
_PLUGINS: tuple[tuple[str, SensorSize], ...] = (
    ("gen3", (640, 480)),
    ("gen31", (640, 480)),
    ("gen4", (1280, 720)),
    ("gen41", (1280, 720)),
    ("imx636", (1280, 720)),
)
"""Sensors of files that say no geometry, by the plugin that wrote them."""


def read_aedat4(file: EventFile) -> Events:
    """The events of the first track of events."""
    file.require(AEDAT4)
    _check_packets(file)
    return _ferried(file, "aedat")


def read_es(file: EventFile) -> Events:
    """The changes of brightness of a DVS or an ATIS."""
    file.require(ES)
    return _ferried(file, "es")


def is_evt(lines: list[str]) -> bool:
    """Whether a header of ``%`` lines is one of EVT."""
    return any(_VERSION.match(line) for line in lines)


def read_evt(file: EventFile) -> Events:
    """The changes of brightness, in EVT 2, 2.1 or 3."""
    file.require(b"%")
    lines, start = file.text_lines(b"%", b"% end")
    version = next((found[1] for line in lines if (found := _VERSION.match(line))), "none")
    if version not in _WORDS:
        raise file.refusal(0, f"EVT version {version}", f"want one of {', '.join(_WORDS)}")
    file.records(start, _WORDS[version])
    return _ferried(file, "evt", _evt_sensor(file, lines), version_fallback=f"evt{version}")


def _evt_sensor(file: EventFile, lines: list[str]) -> SensorSize:
    for line in lines:
        if found := re.match(r"%\s*geometry\s+([0-9]{1,5})x([0-9]{1,5})\s*$", line):
            return file.sensor((int(found[1]), int(found[2])), "")
        if found := re.match(r"%\s*format\s.*;height=([0-9]{1,5});width=([0-9]{1,5})", line):
            return file.sensor((int(found[2]), int(found[1])), "")
    plugin = next((line.split()[-1] for line in lines if re.match(r"%\s*plugin_name\s", line)), "")
    sizes = (size for name, size in _PLUGINS if name in plugin.split("_"))
    return file.sensor(next(sizes, None), plugin)


def _check_packets(file: EventFile) -> None:
    """Follows the packets of an AEDAT 4 file from its header to its table, or to the end where it has none."""
    at, size = len(AEDAT4) + 2, len(file.content)
    try:
        (length,) = struct.unpack_from("<I", file.content, at)
        table = _table_position(file.content[at + 4 : at + 4 + length])
    except (struct.error, UnicodeDecodeError) as wrong:
        raise file.refusal(at, f"a header of which {wrong}", "cut short, or damaged: get it again") from wrong
    at += 4 + length
    stop = size if table == -1 else table
    if not at <= stop <= size:
        raise file.refusal(size, f"a table at byte {table} of {size}", "cut short, or damaged: get it again")
    while at < stop:
        if stop - at < 8:
            raise file.refusal(at, f"{stop - at} bytes", "want a packet's header of 8: cut short, or damaged")
        _, length = struct.unpack_from("<iI", file.content, at)
        if length > stop - at - 8:
            raise file.refusal(at, f"a packet of {length} bytes", f"{stop - at - 8} are left: cut short, or damaged")
        at += 8 + length


def _table_position(header: bytes) -> int:
    """The second field of the header, a flatbuffer; -1 where the file has no table.

    The third is a text, which is looked at because faery ends the whole process where it is no UTF-8.
    """
    (root,) = struct.unpack_from("<I", header)
    (back,) = struct.unpack_from("<i", header, root)
    fields = root - back
    if not 0 <= fields < len(header):
        raise struct.error("no fields")
    length, _, _, place, text = struct.unpack_from("<HHHHH", header, fields)
    if length < 10 or not place or not text:
        raise struct.error("no table, or no text")
    at = root + text
    at += struct.unpack_from("<I", header, at)[0]
    (size,) = struct.unpack_from("<I", header, at)
    header[at + 4 : at + 4 + size].decode()
    found: int = struct.unpack_from("<q", header, root + place)[0]
    return found


def _ferried(file: EventFile, kind: str, size: SensorSize | None = None, **told: object) -> Events:
    """What faery reads; its own words where it refuses."""
    faery: Any = require("faery", "events")
    if size is not None:
        told["dimensions_fallback"] = size
    try:
        stream = faery.events_stream_from_file(file.path, file_type=kind, **told)
        chunks = [np.asarray(chunk).view(EVENT) for chunk in stream]
        width, height = stream.dimensions()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as wrong:  # a panic of its Rust is no Exception
        raise UserError(str(file.path), str(wrong), "faery cannot read it: damaged, or cut short") from wrong
    events = np.concatenate(chunks) if chunks else np.empty(0, EVENT)
    return file.events(file.sensor(size or (int(width), int(height)), ""), events, None)
