"""The ``.bin`` files of N-MNIST and N-Caltech101: five bytes an event, and nothing else.

Source: G. Orchard et al., Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades, Frontiers
in Neuroscience 9:437, 2015. Bytes: column, row, then polarity in bit 23 and the time in bits 22..0 of the other
three, big-endian. The authors' own reader (https://github.com/gorchard/event-Python) takes an event in row 240, which
no picture has, for a mark that 2^13 us have passed which the times do not count.
"""

from __future__ import annotations

import numpy as np

from bitspike.datasets.events.event import Events
from bitspike.datasets.events.source import EventFile, packed

__all__ = ["SIZE", "read_atis"]

SIZE = (34, 34)
"""The sensor of N-MNIST, which is taken where none is told; that of N-Caltech101 is (240, 180)."""
_BYTES = 5
_MARK, _MARK_US = 240, 1 << 13


def read_atis(file: EventFile) -> Events:
    """The events, without the marks of time.

    Raises:
        UserError: an empty file, or one that is cut short.
    """
    count = file.records(0, _BYTES)
    if not count:
        raise file.refusal(0, "an empty file", "want events: get it again")
    rows = np.frombuffer(file.content, np.uint8).reshape(count, _BYTES)
    x, y, high = rows[:, 0], rows[:, 1], rows[:, 2]
    time = (high & 127).astype(np.int64) << 16 | rows[:, 3].astype(np.int64) << 8 | rows[:, 4]
    size, marks = file.sensor_size or SIZE, y == _MARK
    if not marks.any():
        return file.events(size, packed(time, x, y, high >> 7), lambda index: _BYTES * index)
    time += _MARK_US * np.cumsum(marks)
    kept = np.flatnonzero(~marks)
    events = packed(time[kept], x[kept], y[kept], high[kept] >> 7)
    return file.events(size, events, lambda index: _BYTES * int(kept[index]))
