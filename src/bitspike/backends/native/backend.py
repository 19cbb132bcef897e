"""The backend `native`: it runs a network by the C library, as fast as the machine allows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from bitspike.backends.native import structs
from bitspike.backends.native.compiled import Compiled
from bitspike.backends.protocol import Backend, Images, Int, check_threads, checked
from bitspike.ir import FrozenGraph
from bitspike.native import Level, level

__all__ = ["Native"]

MOST_KEPT = 8
"""Networks that stay compiled, those that ran last."""


@dataclass(frozen=True)
class Native(Backend):
    """The C library of the package. A trace shows every edge.

    Args:
        threads: how many run a network; None takes as many as the process may use.
    """

    threads: int | None = None

    name: ClassVar[str] = "native"
    about: ClassVar[str] = "the package's C library, as fast as the machine allows"

    def __post_init__(self) -> None:
        check_threads(self.threads)

    def lacks(self, net: FrozenGraph | None = None) -> str | None:
        if structs.library() is None:
            return "no C library for this machine"
        loop = next(net.graph.delays(), None) if net else None
        return f"native computes all steps of a layer at once, which a loop ({loop.name}) forbids" if loop else None

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        return self.prepare(net)(images)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        return Compiled(net, self._threads(), everything=True).edges(checked(net, images))

    def prepare(self, net: FrozenGraph) -> Compiled:
        """The network's plan and memory, which stay for the next call."""
        return _compiled(net, self._threads(), level())

    def _threads(self) -> int:
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=MOST_KEPT)
def _compiled(net: FrozenGraph, threads: int, at: Level) -> Compiled:
    return Compiled(net, threads)
