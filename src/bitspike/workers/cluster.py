"""A Ray cluster: each piece of work is a task, on whatever machine has a core, and a GPU if there are any, to spare.

Ray knows of nothing but the tasks. What a task finds is in files, in a folder that every machine sees under one path:
the next one may go on from them elsewhere. A machine that does not see it is refused by name, as is one with another
bitspike or torch.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import socket
import sys
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bitspike import __version__
from bitspike.errors import UserError, require
from bitspike.workers.pool import RETRIES, Work, died

__all__ = ["Cluster"]

OBJECTS = 100_000_000
"""Bytes of memory for Ray's objects, of a cluster that is started here; nothing passes through it but the work."""
KNOCK = 5
"""Seconds in which somebody has to answer at an address."""
LOOK = 0.5
"""Seconds between two looks at whether a task has ended."""
MACHINE = 60
"""Seconds in which each machine has to answer."""


class Cluster:
    """The tasks of one sweep on a cluster.

    Args:
        address: ``local``, ``auto`` or ``host:port``.
        jobs: tasks at once; by default as many as there are cores, or GPUs if there are some. A cluster that is
            started here has so many workers.
        shared: the folder that the tasks write to.

    Raises:
        UserError: no Ray, no cluster at the address, or a machine of it that cannot do the work.
    """

    def __init__(self, address: str, jobs: int | None, shared: Path) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a sweep tells nobody of itself
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # each line of a trial is its own
        self.ray: Any = require("ray", "ray")
        self.address, self.jobs, self.shared = address, jobs, shared.absolute()
        if self.ray.is_initialized():
            raise UserError("--ray", address, "this process is in a cluster already; call ray.shutdown() first")
        self.token = f".seen.json.{secrets.token_hex(4)}"  # `locked` clears one that is left over
        self.tasks: dict[Any, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        self._join()
        try:
            (self.shared / self.token).touch()
            self._ask_machines()
            found = self.ray.cluster_resources()
        except BaseException:
            self._leave()
            raise
        gpus = int(found.get("GPU", 0))
        self.most = max(1, gpus or int(found.get("CPU", 0)))
        self.most = self.most if self.jobs is None else min(self.jobs, self.most)
        needs = {"num_cpus": 1, "num_gpus": 1 if gpus else 0}
        self.task = self.ray.remote(**needs, max_retries=RETRIES)(_do)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):
            for task in self.tasks:
                self.ray.cancel(task)  # as SIGINT does, so that each keeps its run first
            self.ray.wait([*self.tasks], num_returns=len(self.tasks)) if self.tasks else None
        self.tasks.clear()
        self._leave()

    def start(self, key: int, name: str, work: Work) -> None:
        called = self.task.options(name=name).remote(work, str(self.shared / self.token), os.getcwd())
        self.tasks[called] = key, name

    def ended(self) -> int:
        over: list[Any] = []
        while not over:
            over, _ = self.ray.wait([*self.tasks], num_returns=1, timeout=LOOK)  # a signal is seen in between
        (task,) = over
        key, name = self.tasks.pop(task)
        errors = self.ray.exceptions
        try:
            self.ray.get(task)
        except errors.RayTaskError as wrong:
            if isinstance(wrong.cause, UserError):
                raise wrong.cause from None
            raise
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as wrong:
            raise died(name, f"its worker died ({type(wrong).__name__})") from None
        return key

    def _join(self) -> None:
        self._knock()
        here = {"num_cpus": self.jobs, "object_store_memory": OBJECTS, "include_dashboard": False}
        try:
            self.ray.init(address=self.address, logging_level="error", **(here if self.address == "local" else {}))
        except (ConnectionError, ValueError, RuntimeError, OSError) as wrong:
            said = str(wrong).strip().partition("\n")[0]
            wanted = f"want local, auto or host:port of a cluster that runs: {said}"
            raise UserError("--ray", self.address, wanted) from wrong

    def _knock(self) -> None:
        """Refuses an address at which nobody answers, where Ray would try for minutes, and one that is none."""
        if self.address in ("local", "auto"):
            return
        at = re.fullmatch(r"([^/]+):(\d{1,5})", self.address)
        if at is None:  # ray:// too: a client outside of the cluster was not tried
            wanted = "want local, auto or host:port, on a machine of the cluster"
            raise UserError("--ray", self.address, wanted)
        try:
            socket.create_connection((at[1], int(at[2])), KNOCK).close()
        except (OSError, OverflowError) as wrong:
            wanted = f"want local, auto or host:port of a cluster that runs: {wrong}"
            raise UserError("--ray", self.address, wanted) from wrong

    def _leave(self) -> None:
        (self.shared / self.token).unlink(missing_ok=True)
        self.ray.shutdown()

    def _ask_machines(self) -> None:
        """Asks each machine, before any work, whether it can do it."""
        on = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        ours = _versions()
        for node in (node for node in self.ray.nodes() if node["Alive"]):
            ask = self.ray.remote(num_cpus=0, scheduling_strategy=on(node["NodeID"], soft=False))(_answers)
            try:
                theirs, sees = self.ray.get(ask.remote(str(self.shared / self.token)), timeout=MACHINE)
            except (self.ray.exceptions.RayError, self.ray.exceptions.GetTimeoutError) as wrong:
                said = str(wrong).strip().rpartition("\n")[2]
                raise UserError("--ray", node["NodeManagerHostname"], f"this machine does not answer: {said}") from None
            if theirs != ours:
                wanted = f"want the versions of this machine there: {ours}"
                raise UserError("--ray", f"{node['NodeManagerHostname']} with {theirs}", wanted)
            if not sees:
                raise _unseen(node["NodeManagerHostname"], self.shared)


def _versions() -> str:
    return f"bitspike {__version__}, torch {metadata.version('torch').partition('+')[0]}"


def _answers(token: str) -> tuple[str, bool]:
    """On a machine of the cluster: what it has, and whether it sees the folder."""
    return _versions(), os.path.exists(token)


def _unseen(machine: str, shared: Path) -> UserError:
    wanted = f"it does not see {shared}: want a --runs-dir that all machines share under one path"
    return UserError("--ray", machine, wanted)


def _do(work: Work, token: str, where: str) -> None:
    """The task. Paths mean what they mean to the command, as do modules of the user's own."""
    if not os.path.exists(token):  # of a machine that joined later
        raise _unseen(platform.node(), Path(token).parent)
    with contextlib.suppress(FileNotFoundError):
        os.chdir(where)
    sys.path.insert(0, where) if where not in sys.path else None
    work()
