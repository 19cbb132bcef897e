"""Benchmarks on a host whose other guests take half of a core's tile unit, for seconds at a time.

They time everything twice: as it comes, and alone, where a run that another fell into is run again. What says so is a
loop that is none of what is timed, right before and right after, on the core that looks. Without tiles there is nothing
to take.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from bitspike.backends.native import Compiled
from bitspike.backends.native.choose import SHARED, cache_file
from bitspike.ir import FrozenGraph
from bitspike.native import Level, level
from bitspike.native.peaks import tiles_are_whole

__all__ = ["SAID", "Timed", "Times", "both_ways", "chosen_alone"]

PATIENCE, TO_CHOOSE = 60.0, 10.0
"""Seconds until others are no longer waited for: by all runs of a case, and by a network's choice of kernels."""
FEW = 2
"""Rounds that nothing is said of."""
SAID = (
    "alone at the tile unit: a run that another guest of the host fell into was run again, as long as patience lasted, "
    "and rounds are left out that were not alone to their end; as_it_came is of rounds beside whoever was there, and "
    "all that there is where rounds_alone is 0; kernels of networks were chosen alone for both"
)
Timed = Callable[[], float]
"""Runs something, and says how long it took."""
Times = dict[str, list[float]]
"""Of each run, round by round."""


class Alone:
    """Times a run while nobody else is at the tile unit; without patience there is no such time."""

    def __init__(self) -> None:
        self.until = time.perf_counter() + PATIENCE

    def __call__(self, timed: Timed) -> float:
        while (left := self.until - time.perf_counter()) > 0:
            _wait(left)
            took = timed()
            if tiles_are_whole():
                return took
        return math.nan


def both_ways(times: Callable[[Callable[[Timed], float]], Times], tell: Callable[[Times], Any]) -> Any:
    """What is told of all runs, alone where there are tiles; and of those then that are taken as they come.

    Args:
        times: of all runs, each taken by its argument.
        tell: says what is found in them.
    """
    as_it_came = tell(times(lambda timed: timed()))
    if level() != Level.amx:
        return as_it_came
    alone = times(Alone())
    whole = [index for index, each in enumerate(zip(*alone.values(), strict=True)) if not any(map(math.isnan, each))]
    if len(whole) <= FEW:
        return {**as_it_came, "rounds_alone": 0, "as_it_came": as_it_came}
    told = tell({name: [each[index] for index in whole] for name, each in alone.items()})
    return {**told, "rounds_alone": len(whole), "as_it_came": as_it_came}


def chosen_alone(net: FrozenGraph, threads: int, images: int) -> Compiled:
    """A network compiled again until all its kernels were chosen alone, as long as patience lasts.

    Args:
        net: the network.
        threads: how many run it.
        images: of a call.
    """
    until = time.perf_counter() + TO_CHOOSE
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"XDG_CACHE_HOME": folder}):
        while True:
            if level() == Level.amx:
                _wait(until - time.perf_counter())
            compiled = Compiled(net, threads).of(images)
            shared = any(choice.endswith(SHARED) for choice in json.loads(cache_file().read_text()).values())
            if not shared or time.perf_counter() > until:
                return compiled


def _wait(seconds: float) -> None:
    """Until nobody else is at the tile unit, but no longer than so long."""
    began = time.perf_counter()
    while not tiles_are_whole() and time.perf_counter() - began < seconds:
        time.sleep(0.02)
