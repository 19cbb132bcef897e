"""What gives work out, whoever does it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bitspike.errors import UserError

__all__ = ["RETRIES", "Here", "Work", "Workers", "workers"]

RETRIES = 5
"""Times that work is given out again whose worker died."""

Work = Callable[[], object]
"""What is to be done: it can be pickled, may be begun again, and leaves what it finds in files."""


class Workers(Protocol):
    """Who does the work; to be used in a ``with``, whose end stops what still runs, each once it has kept its run.

    Attributes:
        most: pieces of work at once.
    """

    most: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, key: int, name: str, work: Work) -> None:
        """Gives ``work`` out; ``key`` and ``name`` are what it is called."""

    def ended(self) -> int:
        """Waits until some work is done, and says which.

        Raises:
            UserError: what the work raised, or that its workers died again and again.
        """


def workers(jobs: int | None, ray: str | None, shared: Path) -> Workers:
    """Those that are asked for.

    Args:
        jobs: pieces of work at once; by default one here, and as many as it has cores for on a cluster.
        ray: the cluster: ``local`` starts one of this machine, ``auto`` or an address joins one.
        shared: the folder that the work writes to, which every machine must see under this path.

    Raises:
        UserError: no Ray, no such cluster, or one whose machines cannot do this work.
    """
    if ray is not None:
        from bitspike.workers.cluster import Cluster

        return Cluster(ray, jobs, shared)
    if jobs is None or jobs == 1:
        return Here()
    from bitspike.workers.processes import Processes

    return Processes(jobs)


class Here:
    """This process."""

    most = 1

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Work]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.waiting.clear()

    def start(self, key: int, name: str, work: Work) -> None:
        self.waiting.append((key, work))

    def ended(self) -> int:
        key, work = self.waiting.popleft()
        work()
        return key


def died(name: str, how: str) -> UserError:
    """The refusal to go on with work whose workers die."""
    return UserError(name, f"{how}, {RETRIES + 1} times", "see above; the same command goes on")
