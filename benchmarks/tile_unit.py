"""Benchmarks on a host whose other guests take half of a core's tile unit, for seconds at a time.

They time everything twice: as it comes, and alone, where a run that another fell into is run again. What says so is a
loop that is none of what is timed, right before and right after, on the core that looks. Without tiles there is nothing
to take.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bitspike.native import Level
from bitspike.native.peaks import tiles_are_whole

__all__ = ["SAID", "Alone", "Timed", "Times", "both_ways", "wait_for_tiles"]

PATIENCE = 60.0
"""Seconds, until others are no longer waited for."""
SAID = (
    "alone at the tile unit, runs that another guest of the host fell into being run again, as long as patience "
    "lasted: shared_runs were not; as_it_came is of rounds beside whoever was there"
)
Timed = Callable[[], float]
"""Runs something, and says how long it took."""
Times = dict[str, list[float]]
"""Of each run, round by round."""


class Alone:
    """Times a run while nobody else is at the tile unit.

    Attributes:
        shared: runs that another fell into, and that were taken as they were, for want of patience.
    """

    def __init__(self) -> None:
        self.until, self.shared = time.perf_counter() + PATIENCE, 0

    def __call__(self, timed: Timed) -> float:
        while True:
            wait_for_tiles(Level.amx, self.until - time.perf_counter())
            took = timed()
            if tiles_are_whole():
                return took
            if time.perf_counter() > self.until:
                self.shared += 1
                return took


def both_ways(level: Level, times: Callable[[Callable[[Timed], float]], Times], tell: Callable[[Times], Any]) -> Any:
    """What is told of all runs, alone where there are tiles; and of those then that are taken as they come.

    Args:
        level: at which they run.
        times: of all runs, each taken by its argument.
        tell: says what is found in them.
    """
    as_it_came = tell(times(lambda timed: timed()))
    if level != Level.amx:
        return as_it_came
    alone = Alone()
    return {**tell(times(alone)), "shared_runs": alone.shared, "as_it_came": as_it_came}


def wait_for_tiles(level: Level, seconds: float = PATIENCE) -> None:
    """Until nobody else is at the tile unit, but no longer than so long: kernels are chosen then."""
    began = time.perf_counter()
    while level == Level.amx and not tiles_are_whole() and time.perf_counter() - began < seconds:
        time.sleep(0.1)
