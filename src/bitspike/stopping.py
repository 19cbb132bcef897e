"""SIGINT and SIGTERM: what a run has is kept first, and whoever stops it learns where.

The command loads this before all else, so that it answers a signal early: it imports next to nothing.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType, TracebackType
    from typing import Any, Self

__all__ = ["SIGNALS", "Signals", "Stopped", "handled", "kept"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.02
"""Seconds after which a signal that came during an import comes again."""


class Stopped(KeyboardInterrupt):
    """A signal asked for the end.

    Attributes:
        number: of the signal.
        folder: of the run that goes on from there; None where there is none.
    """

    def __init__(self, number: int = signal.SIGINT, folder: Path | None = None) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number, self.folder = number, folder


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Gives both signals to ``handler``. One that is ignored, as below nohup, stays so; a thread has none to give.

    One that comes during an import waits for its end: an exception that passes through C++ that is being loaded, as
    torch's is, aborts the process.
    """
    before: dict[int, Any] = {}
    waiting: list[int] = []
    around = _imports(sys._getframe())  # a script that is itself imported

    def between_imports(number: int, frame: FrameType | None) -> None:
        if _imports(frame) <= around:
            handler(number, frame)
            return
        waiting.append(number)
        signal.setitimer(signal.ITIMER_REAL, AGAIN)

    def again(number: int, frame: FrameType | None) -> None:
        if waiting:
            signal.raise_signal(waiting.pop())  # to whoever handles it by now
        elif callable(around_us := before.get(signal.SIGALRM)):  # for whom one may wait
            around_us(number, frame)

    def take(number: int, ours: Callable[[int, FrameType | None], None]) -> None:
        before[number] = signal.getsignal(number)  # first: `again` is asked from the moment that it is put
        try:
            signal.signal(number, ours)
        except ValueError:  # not the main thread
            del before[number]

    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                take(number, between_imports)
        take(signal.SIGALRM, again)
        yield
        if waiting:
            handler(waiting.pop(), None)
    finally:
        if before.get(signal.SIGALRM) is signal.SIG_DFL:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for taken, earlier in before.items():
            signal.signal(taken, earlier)


def _imports(frame: FrameType | None) -> int:
    """Calls of the import system that are going on."""
    going_on = 0
    while frame is not None:
        going_on += frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    return going_on


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Says of what is stopped in here that it goes on in ``folder``."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Stopped) and stopped.folder is not None:
            raise
        raise Stopped(getattr(stopped, "number", signal.SIGINT), folder) from None


class Signals:
    """The signals of one run. `hold` lets a first one wait for `end`; without, and a second one, end it at once.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.holding = folder, False
        self.came: int | None = None

    def __enter__(self) -> Self:
        self.handling = handled(self._take)
        self.handling.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.handling.__exit__(None, None, None)

    def hold(self, holding: bool = True) -> None:
        """From now on a signal waits for `end`, or ends the run at once."""
        self.holding = holding

    def end(self) -> None:
        """Ends the run if a signal has come; to be called where all is kept.

        Raises:
            Stopped: one has.
        """
        if self.came is not None:
            raise Stopped(self.came, self.folder)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self.holding or self.came is not None:
            raise Stopped(number, self.folder)
        self.came = number
