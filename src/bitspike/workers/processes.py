"""Processes of this machine, one for each piece of work."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from signal import SIGTERM
from types import TracebackType
from typing import Self

from bitspike.errors import UserError
from bitspike.stopping import Stopped
from bitspike.workers.pool import RETRIES, Work, died

__all__ = ["Processes"]


@dataclass
class _Running:
    key: int
    name: str
    work: Work
    process: SpawnProcess
    says: Connection
    tries: int = 0


class Processes:
    """So many processes at once. One that is killed is started again, and its work goes on from what it had kept."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.running: list[_Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from_terminal = isinstance(error, Stopped) and error.number != SIGTERM  # it came to each of them too
        for one in self.running:
            if error is not None and not from_terminal:
                one.process.terminate()
            one.process.join()  # each keeps its run first
        self.running.clear()

    def start(self, key: int, name: str, work: Work) -> None:
        self.running.append(_Running(key, name, work, *_started(work)))

    def ended(self) -> int:
        while True:
            over = connection.wait([one.process.sentinel for one in self.running])
            for one in [one for one in self.running if one.process.sentinel in over]:
                one.process.join()
                self.running.remove(one)
                said = _said(one.says)
                if isinstance(said, UserError):
                    raise said
                if one.process.exitcode == 0:
                    return one.key
                self._again(one)

    def _again(self, one: _Running) -> None:
        """Starts the work of a process that died anew."""
        how = f"its process ended with {one.process.exitcode}"
        if one.tries == RETRIES:
            raise died(one.name, how)
        print(f"{one.name}: {how}; it goes on in another", file=sys.stderr, flush=True)
        process, says = _started(one.work)
        self.running.append(_Running(one.key, one.name, one.work, process, says, one.tries + 1))


def _started(work: Work) -> tuple[SpawnProcess, Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(work, theirs))
    process.start()
    theirs.close()
    return process, ours


def _said(says: Connection) -> object:
    """What a process that has ended had to say, if anything."""
    try:
        return says.recv() if says.poll() else None
    except EOFError:
        return None
    finally:
        says.close()


def _do(work: Work, says: Connection) -> None:
    """The process: its work, and what is wrong with it in words."""
    try:
        work()
    except UserError as wrong:
        says.send(wrong)
    except Stopped as stopped:
        sys.exit(128 + stopped.number)  # the first process says it
