"""A network that was compiled for this machine: a plan, its memory and its threads, for any number of runs."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from bitspike import native
from bitspike.backends.native import structs
from bitspike.backends.native.choose import MANY, ONE
from bitspike.backends.native.plan import plan
from bitspike.backends.protocol import Images, Int
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Compiled"]

FROM_MANY = 8
"""Images of a call that takes kernels which were chosen for many."""


class Compiled:
    """Calls of it answer as the oracle does: uint8 codes ``[N, ...]`` in, what the network answers out.

    Args:
        net: the network.
        threads: how many run it.
        everything: whether `edges` shows every edge.
        images: at once, for which kernels are chosen.

    Attributes:
        plan: what the library runs.

    Raises:
        UserError: an op that the table has no row for, or too little memory, or no library.
    """

    def __init__(self, net: FrozenGraph, threads: int, everything: bool = False, images: int = ONE) -> None:
        library = structs.library()
        if library is None:
            raise UserError("native", str(native.FILE), "want the C library: install where there is a compiler")
        self.net, self.threads, self._everything, self._images = net, threads, everything, images
        self._of_many: Compiled | None = None
        self.plan = plan(net, native.level(), everything, threads, images)
        self._library = library
        self._runtime = library.bs_runtime_new(self.plan.struct, threads)
        if not self._runtime:
            raise UserError("memory", self.plan.struct.arena, "the network's edges want that many bytes")
        weakref.finalize(self, library.bs_runtime_free, self._runtime)
        # A call of a small network takes microseconds, in which no graph is walked.
        self._input = next(net.graph.inputs())
        edges = [(net.graph.edges[readout.name], readout.over) for readout in net.readouts]
        self._answers = [((edge.T,) if over == "each" else ()) + edge.shape for edge, over in edges]
        self._places = ctypes.c_void_p * len(edges)

    def __call__(self, images: Images) -> tuple[Int, ...]:
        return self.of(len(images))._run(images, None)

    def of(self, count: int) -> Compiled:
        """What runs so many images: this, or the same network compiled for many, when they are first asked for."""
        if count < FROM_MANY or self._everything or self._images == MANY:
            return self
        if self._of_many is None:
            self._of_many = Compiled(self.net, self.threads, images=MANY)
        return self._of_many

    def __reduce__(self) -> Any:  # a copy has memory and threads of its own, on the machine where it is made
        return type(self), (self.net, self.threads, self._everything, self._images)

    def timed(self, images: Images) -> tuple[tuple[Int, ...], NDArray[np.float64]]:
        """The outputs, and the seconds that each stage took of this plan."""
        seconds = np.zeros(self.plan.struct.stages)
        return self._run(images, seconds), seconds

    def edges(self, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        """The outputs, and every stored edge: ``[T, N, *shape]``, by name."""
        batches = [images[i : i + self.plan.batch] for i in range(0, max(len(images), 1), self.plan.batch)]
        shown = [
            (self._run(batch, None), [self._edge(index, len(batch)) for index in range(len(self.plan.stored))])
            for batch in batches
        ]
        whole = [np.concatenate(parts, axis=1) for parts in zip(*(edges for _, edges in shown), strict=True)]
        names = (edge.name for edge in self.plan.stored)
        answers = tuple(np.concatenate(parts) for parts in zip(*(outputs for outputs, _ in shown), strict=True))
        return answers, dict(zip(names, whole, strict=True))

    def _run(self, images: Images, seconds: NDArray[np.float64] | None) -> tuple[Int, ...]:
        images = np.ascontiguousarray(self._input.codes(images))
        if not images.flags.writeable:  # of others `_address` is not told
            images = images.copy()
        answers = tuple(np.empty((len(images), *shape), dtype=np.int64) for shape in self._answers)
        places = self._places(*map(_address, answers))
        times = None if seconds is None else seconds.ctypes.data
        self._library.bs_run(self._runtime, self.plan.struct, _address(images), len(images), places, times)
        return answers

    def _edge(self, index: int, count: int) -> Int:
        edge = self.plan.stored[index]
        rows = np.empty((edge.steps, count, edge.positions, edge.channels), dtype=np.int64)
        self._library.bs_edge_copy(self._runtime, self.plan.struct, index, count, rows.ctypes.data)
        return np.ascontiguousarray(np.moveaxis(rows, 3, 2)).reshape(edge.steps, count, *edge.shape)


def _address(array: NDArray[Any]) -> int:
    """Where its bytes begin; ``array.ctypes`` would take as long as a layer of a small network."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data)) if array.size else 0
