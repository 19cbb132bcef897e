"""What every reader of an event file needs: its bytes, a header of text lines, how it refuses by offset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitspike.datasets.events.event import EVENT, Array, Events, SensorSize
from bitspike.errors import UserError

__all__ = ["EventFile", "packed"]

_TEXT = bytes([*b"\t\r\n", *range(32, 127), *range(128, 256)])
"""Bytes of a line of text; another byte means that the data have begun."""


@dataclass(frozen=True)
class EventFile:
    """A file that was read, and what the caller knows of it.

    Args:
        path: where it lies.
        content: all its bytes.
        sensor_size: ``(W, H)`` of its sensor, where the caller tells it.
        sort: put events whose times run backwards in order, instead of refusing them.
    """

    path: Path
    content: bytes
    sensor_size: SensorSize | None = None
    sort: bool = False

    def refusal(self, offset: int, seen: object, want: str) -> UserError:
        """The line that says what is wrong at a byte."""
        return UserError(f"{self.path}, byte {offset}", seen, want)

    def require(self, magic: bytes) -> None:
        """Refuses a file that does not begin with ``magic``."""
        if not self.content.startswith(magic):
            raise self.refusal(0, self.content[: len(magic)], f"want {magic!r}")

    def text_lines(self, start: bytes, last: bytes | None = None) -> tuple[list[str], int]:
        """The lines of text at the beginning that begin with ``start``, and where they end.

        Args:
            last: the line that ends them, where the format has one; it is found or not.

        Raises:
            UserError: there is none, or the file ends within a line.
        """
        lines, at = [], 0
        while self.content.startswith(start, at):
            end = self.content.find(b"\n", at) + 1
            line = self.content[at : end or len(self.content)]
            if line.translate(None, _TEXT):
                break  # data that begin with the same byte
            if not end:
                raise self.refusal(at, f"{len(line)} bytes", "cut short within its header: get it again")
            lines.append(line.decode("latin-1").rstrip("\r\n"))
            at = end
            if last is not None and line.rstrip() == last:
                break
        if not lines:
            raise self.refusal(0, self.content[:16], f"want a line of text that begins with {start!r}: damaged")
        return lines, at

    def records(self, start: int, size: int) -> int:
        """How many records of ``size`` bytes there are from byte ``start`` to the end.

        Raises:
            UserError: the last one is cut short.
        """
        count, rest = divmod(len(self.content) - start, size)
        if rest:
            raise self.refusal(len(self.content) - rest, f"{rest} bytes", f"want {size}: cut short, get it again")
        return count

    def sensor(self, known: SensorSize | None, name: str) -> SensorSize:
        """The sensor's size: what the caller tells, or what the file says, which must agree.

        Args:
            known: its size according to the file.
            name: what the file calls it.
        """
        if self.sensor_size is None and known is None:
            want = "the size of that sensor is not known here; give sensor_size=(W, H)"
            raise UserError(str(self.path), name or "no sensor in its header", want)
        if None not in (self.sensor_size, known) and self.sensor_size != known:
            raise UserError("sensor_size", self.sensor_size, f"{self.path} says {known}")
        return known or self.sensor_size  # type: ignore[return-value]  # one of them is there

    def events(self, size: SensorSize, events: Array, offset: Callable[[int], int] | None) -> Events:
        """The checked `Events`.

        Args:
            size: of the sensor.
            events: an array of `EVENT`.
            offset: the byte at which an event lies; without it a refusal counts events.
        """
        order = None
        if self.sort and (events["t"][1:] < events["t"][:-1]).any():
            order = np.argsort(events["t"], kind="stable")
            events = events[order]

        def place(index: int) -> str:
            index = index if order is None else int(order[index])
            return f"{self.path}, " + (f"event {index}" if offset is None else f"byte {offset(index)}")

        return Events(size, events, place)


def packed(t: Array, x: Array, y: Array, p: Array) -> Array:
    """An array of `EVENT` from its columns."""
    events = np.empty(len(t), EVENT)
    events["t"], events["x"], events["y"], events["p"] = t, x, y, p
    return events
