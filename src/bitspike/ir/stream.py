"""Spikes on their way through a network, counted: what an op hands on of the events that reach it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stream"]


@dataclass(frozen=True)
class Stream:
    """The spikes on one edge. An event is an output that is not 0, whatever its level or sign.

    Attributes:
        events: per image, at all steps; ``None`` behind a pool or a sum over time that no layer with weights reads.
        highest: ``N``, the largest ``|level|`` of one event; ``None`` where it is on no known grid.
        level_sum: sum of ``|level|`` per image; ``None`` where not measured.
    """

    events: float | None
    highest: int | None
    level_sum: float | None

    def repeated(self, times: int) -> Stream:
        """The same spikes, sent so many times."""
        return Stream(
            None if self.events is None else self.events * times,
            self.highest,
            None if self.level_sum is None else self.level_sum * times,
        )

    def __add__(self, other: Stream) -> Stream:
        """The spikes of both, each an event of its own: two of one place are two."""
        return Stream(
            None if self.events is None or other.events is None else self.events + other.events,
            None if self.highest is None or other.highest is None else max(self.highest, other.highest),
            None if self.level_sum is None or other.level_sum is None else self.level_sum + other.level_sum,
        )
