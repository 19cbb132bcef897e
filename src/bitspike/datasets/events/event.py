"""Events of a sensor: when, where and which way the light changed, in the order of their times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError

__all__ = ["EVENT", "Array", "Events", "SensorSize", "checked_sensor"]

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
"""One event: microseconds, column, row, polarity; 1 is ON, the pixel got brighter, and 0 is OFF."""

Array = NDArray[Any]
SensorSize = tuple[int, int]
"""``(W, H)``: columns and rows."""

_WIDEST = 1 << 16  # columns or rows that an address has
_BACKWARDS = "times never decrease; sort=True puts a recording in order whose times do"


def _numbered(index: int) -> str:
    return f"event {index}"


@dataclass(frozen=True, eq=False)
class Events:
    """What a sensor saw, checked: every event on the sensor, its polarity 0 or 1, times that never decrease.

    Args:
        sensor_size: ``(W, H)``.
        events: an array ``[E]`` of `EVENT`.
        place: says where an event lies, for the line that refuses it.

    Raises:
        UserError: another type of array, or an event that cannot be; the line names the first of its kind.
    """

    sensor_size: SensorSize
    events: Array
    place: InitVar[Callable[[int], str]] = _numbered

    def __post_init__(self, place: Callable[[int], str]) -> None:
        checked_sensor(self.sensor_size)
        if self.events.dtype != EVENT or self.events.ndim != 1:
            raise UserError("events", (str(self.events.dtype), self.events.shape), f"want one axis of {EVENT}")
        for axis, size in zip("xy", self.sensor_size, strict=True):
            if len(self) and self.events[axis].max() >= size:
                self._refuse(place, self.events[axis] >= size, axis, f"want {axis} from 0 to {size - 1}, its sensor")
        if len(self) and self.events["p"].max() > 1:
            self._refuse(place, self.events["p"] > 1, "p", "want a polarity of 0 or 1")
        t = self.events["t"]
        if len(self) and t[0] < 0:
            self._refuse(place, t < 0, "t", "want times from 0 up")
        backwards = t[1:] < t[:-1]
        if backwards.any():
            index = int(backwards.argmax()) + 1
            raise UserError(place(index), f"t={t[index]} after {t[index - 1]}", _BACKWARDS)

    def _refuse(self, place: Callable[[int], str], wrong: Array, field: str, want: str) -> None:
        index = int(wrong.argmax())
        raise UserError(place(index), f"{field}={self.events[field][index]}", want)

    def __len__(self) -> int:
        return len(self.events)

    def between(self, start_us: int | None, stop_us: int | None) -> Events:
        """Those from ``start_us`` on and before ``stop_us``; ``None`` leaves that end open. A view, not a copy."""
        t = self.events["t"]
        first = 0 if start_us is None else int(np.searchsorted(t, start_us))
        last = len(t) if stop_us is None else int(np.searchsorted(t, stop_us))
        return Events(self.sensor_size, self.events[first:last])


def checked_sensor(size: SensorSize) -> SensorSize:
    """``size``, if a sensor can have it.

    Raises:
        UserError: no two whole numbers from 1 to 65536.
    """
    if len(size) != 2 or not all(isinstance(side, int) and 1 <= side <= _WIDEST for side in size):
        raise UserError("sensor_size", size, f"want (columns, rows), each from 1 to {_WIDEST}")
    return size
