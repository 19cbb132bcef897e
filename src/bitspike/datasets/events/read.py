"""One call for every format of event file: it looks at what is in the file, not at its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bitspike.datasets.events import aedat2, aedat3, atis, dat, ferried, stmnist
from bitspike.datasets.events.event import Events, SensorSize, checked_sensor
from bitspike.datasets.events.source import EventFile
from bitspike.datasets.files import is_file
from bitspike.errors import UserError, closest
from bitspike.files import at_home

__all__ = ["FORMATS", "SUFFIXES", "format_of", "read_events"]

FORMATS: Mapping[str, Callable[[EventFile], Events]] = MappingProxyType(
    {
        "aedat2": aedat2.read_aedat2,
        "aedat3": aedat3.read_aedat3,
        "aedat4": ferried.read_aedat4,
        "bin": atis.read_atis,
        "dat": dat.read_dat,
        "evt": ferried.read_evt,
        "es": ferried.read_es,
        "mat": stmnist.read_stmnist,
    }
)
"""The reader of every format: AEDAT 2.0, 3.1 and 4, ``.bin`` of N-MNIST, DAT, EVT, Event Stream, ST-MNIST."""
SUFFIXES = (".aedat", ".aedat4", ".bin", ".dat", ".raw", ".es", ".mat")
"""How the names of such files end."""

_MAGIC = (
    (aedat2.MAGIC, "aedat2"),
    (aedat3.MAGIC, "aedat3"),
    (ferried.AEDAT4, "aedat4"),
    (ferried.ES, "es"),
    (stmnist.MAGIC, "mat"),
)


def read_events(
    path: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    sensor_size: SensorSize | None = None,
    sort: bool = False,
) -> Events:
    """The events in a file, checked.

    Args:
        path: the file.
        format: one of `FORMATS`; without it the file's first bytes tell, and of a ``.bin``, which has none, its name.
        sensor_size: ``(W, H)``, for a file that does not say it, or to be held against what it says.
        sort: put events in order whose times run backwards, which is refused otherwise.

    Raises:
        UserError: no such file or format, one that is damaged or cut short, an event that cannot be: one line with
            the file and the byte.
    """
    path = at_home(path)
    if sensor_size is not None:
        checked_sensor(sensor_size)
    if format is not None and format not in FORMATS:
        raise UserError("format", format, closest(format, FORMATS))
    if not is_file(path):
        raise UserError("event file", str(path), "there is no such file")
    try:
        file = EventFile(path, path.read_bytes(), sensor_size, sort)
    except OSError as wrong:
        raise UserError(str(path), wrong.strerror, "cannot be read") from wrong
    return FORMATS[format or format_of(file)](file)


def format_of(file: EventFile) -> str:
    """Which format a file is in.

    Raises:
        UserError: none that is known.
    """
    for magic, name in _MAGIC:
        if file.content.startswith(magic):
            return name
    if file.content.startswith(b"%") and (found := _by_header(file)):
        return found
    if file.path.suffix.lower() == ".bin" and not file.content.startswith(b"#!AER-DAT"):
        return "bin"
    raise file.refusal(0, file.content[:16], f"the beginning of no event file; known formats: {', '.join(FORMATS)}")


def _by_header(file: EventFile) -> str | None:
    """Which of the formats with ``%`` lines; ``None`` of a ``.bin`` that begins with an event in column 37, a ``%``."""
    try:
        lines, _ = file.text_lines(b"%", b"% end")
    except UserError:  # no line, or half of one
        lines = []
    if ferried.is_evt(lines):
        return "evt"
    return "dat" if dat.is_dat(lines) or file.path.suffix.lower() != ".bin" else None
