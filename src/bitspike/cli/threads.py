"""The command's threads on a machine that it shares.

Torch starts a thread for each core, and one that waits for the others spins, for milliseconds. Where other work holds a
core, its thread comes late and all others spin for nothing: some runs took many times as long. So threads sleep after a
short wait, which costs nothing where the cores are free (docs/adr/0015-threads.md has the times). Only where a quota
gives fewer cores than it shows are there fewer threads. OMP_NUM_THREADS, GOMP_SPINCOUNT and OMP_WAIT_POLICY stay.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from math import ceil
from pathlib import Path

__all__ = ["cores", "note", "quota", "share_cores"]

SPINS = 1000
"""Turns of a waiting thread's loop before it sleeps, some microseconds; GNU OpenMP's own are 300,000."""


def share_cores(environ: MutableMapping[str, str] | None = None, root: Path = Path("/")) -> None:
    """Sets what OpenMP reads when torch is loaded; does nothing in a process that has loaded it."""
    if environ is None:
        if "torch" in sys.modules:
            return
        environ = os.environ
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    limit = quota(root)
    if limit is not None and ceil(limit) < cores():
        environ.setdefault("OMP_NUM_THREADS", str(ceil(limit)))


def note(environ: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> str | None:
    """One line that says that a quota decided the number of threads; None where it did not."""
    limit = quota(root)
    if limit is None or ceil(limit) >= cores() or environ.get("OMP_NUM_THREADS") != str(ceil(limit)):
        return None
    return f"threads: {ceil(limit)}, for a quota of {limit:g} of {cores()} cores; OMP_NUM_THREADS decides otherwise"


def cores() -> int:
    """Cores that the system may run this process on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that the control groups of this process give it; None without a limit, or without Linux."""
    limits = [_limit(folder) for folder in _groups(root)]
    return min((limit for limit in limits if limit is not None), default=None)


def _groups(root: Path) -> list[Path]:
    """Folders of the process's groups and of all above them, of either version."""
    folders = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = top / path.strip().lstrip("/")
        folders += [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return folders


def _limit(folder: Path) -> float | None:
    two = _read(folder / "cpu.max").split()
    one = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    time, period = two if len(two) == 2 else one
    return int(time) / int(period) if time.isdigit() and period.isdigit() and int(time) and int(period) else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
