"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Pace", "pace_line"]


class Pace:
    """Seconds by part of a step, as the processor sees them: a GPU that is still at work is not waited for."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.images = 0

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Counts what runs in it to ``part``."""
        started = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - started  # type: ignore[assignment]  # a Counter of floats

    def to_dict(self) -> dict[str, Any]:
        """Images for each second of steps, and the percent that each part took; empty before the first step."""
        total = sum(self.seconds.values())
        if not total:
            return {}
        shares = {part: round(100 * seconds / total, 1) for part, seconds in self.seconds.items()}
        return {"images_per_second": round(self.images / total, 1), "percent_of_time": shares}


def pace_line(pace: Mapping[str, Any]) -> str:
    """What `Pace.to_dict` holds, in a line."""
    shares = ", ".join(f"{part} {percent:.0f} %" for part, percent in pace["percent_of_time"].items())
    return f"{pace['images_per_second']:,.0f} images/s while it trained: {shares} of the time"
