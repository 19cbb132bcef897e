"""A run folder belongs to one process at a time."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bitspike.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has no such locks: two processes in one folder are not noticed there
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

NAME = ".lock"
LEFTOVER = re.compile(r"\..+\.(json|jsonl|safetensors|bitspike|png)\.[a-z0-9_]{8}")
"""A file that `bitspike.files.write_atomically` had not finished when its process was killed."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of ``folder``, which is made where it is missing, and clears what killed ones left.

    The system lets go of the lock when the process ends, however it ends: a killed run can be gone on with at once.
    Folders that were made here and stayed empty, as of a run that was refused, are taken away again.

    Raises:
        UserError: another process has it, which the line names, or the folder cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _taken(folder / NAME)
    except OSError as wrong:
        raise UserError("run folder", str(folder), f"{wrong.strerror}; nothing was written") from wrong
    try:
        for file in folder.iterdir():
            if LEFTOVER.fullmatch(file.name):
                file.unlink(missing_ok=True)
        yield
    finally:
        (folder / NAME).unlink(missing_ok=True)  # before it is let go: who waits at the old file sees that it is gone
        os.close(handle)
        with suppress(OSError):  # one that holds something stays, and those above it
            for path in made:
                path.rmdir()


def _taken(file: Path) -> int:
    """The lock, as an open file that has this process's name in it."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, file)
            if _is_at(handle, file):
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()} on {socket.gethostname()}".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder took it away between the opening and the locking


def _lock(handle: int, file: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 100).decode(errors="replace") or "of unknown number"
        wanted = f"process {holder} works in it; wait for its end, or end it"
        raise UserError("run folder", str(file.parent), wanted) from None
    except OSError:  # a file system without locks
        return


def _is_at(handle: int, file: Path) -> bool:
    try:
        there = os.stat(file)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
