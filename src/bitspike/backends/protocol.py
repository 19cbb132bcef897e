"""What every backend offers, and how the table of one is read: an op without a row is refused here, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Node
from bitspike.registry import Registry

__all__ = ["Backend", "Export", "Images", "Int", "check_threads", "checked", "checked_file_name", "writer_of"]

Images = NDArray[np.uint8]
Int = NDArray[np.int64]
Row = TypeVar("Row")
MOST_THREADS = 256


@dataclass(frozen=True)
class Export:
    """What a network was written as.

    Attributes:
        files: content by file name.
        facts: what is known of it, in bytes unless the name says otherwise.
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Backend:
    """What runs a frozen graph, or writes it in another form. Each says what it can by the methods that it defines.

    A backend is a dataclass whose fields are its options, all with defaults, and it is one line in
    `bitspike.backends.BACKENDS`. What it computes equals the oracle, integer for integer.

    Attributes:
        name: what it is called where it is chosen. about: one line for those who choose.
    """

    name: ClassVar[str]
    about: ClassVar[str]

    def lacks(self, net: FrozenGraph | None = None) -> str | None:
        """What it lacks, so that the oracle must run in its place; ``None`` where it lacks nothing.

        Args:
            net: a network that it is to run; None asks of this machine alone.
        """
        return None

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        """What the network answers: of each of its outputs ``[N, *shape]``, or ``[N, T, *shape]`` of each step.

        Args:
            net: the network.
            images: codes ``[N, *net.sample.array_shape]``; of images the pixels ``[N, C, H, W]``, 0..255.

        Raises:
            UserError: the backend does not run networks, or not this one, or the images do not fit.
        """
        if type(self).run is Backend.run:
            raise UserError("backend", self.name, "it does not run networks")
        _ = net.readout
        return (self.run(net, images),)  # it says how it runs networks of one output, and no others

    def prepare(self, net: FrozenGraph) -> Callable[[Images], tuple[Int, ...]]:
        """The network made ready, once, for any number of runs: a function from images to `outputs`.

        Raises:
            UserError: as of `outputs`.
        """
        return partial(self.outputs, net)

    def traced(self, net: FrozenGraph, images: Images) -> tuple[tuple[Int, ...], dict[str, Int]]:
        """The outputs, and by name every edge that the backend can show: ``[T, N, *shape]``.

        Raises:
            UserError: as of `outputs`.
        """
        raise UserError("backend", self.name, "it does not show what it computes")

    def run(self, net: FrozenGraph, images: Images) -> Int:
        """The logits ``[N, K]``, or ``[N, T, K]`` where the network answers at each step.

        Raises:
            UserError: as of `outputs`, or the network has several outputs.
        """
        return self.compile(net)(images)

    def compile(self, net: FrozenGraph) -> Callable[[Images], Int]:
        """`prepare` of a network of one output: a function from images to logits.

        Raises:
            UserError: as of `run`.
        """
        _ = net.readout  # refused before anything is made ready
        return partial(_first, self.prepare(net))

    def trace(self, net: FrozenGraph, images: Images) -> tuple[Int, dict[str, Int]]:
        """`traced` of a network of one output.

        Raises:
            UserError: as of `run`.
        """
        _ = net.readout
        (answer,), edges = self.traced(net, images)
        return answer, edges

    def export(self, net: FrozenGraph, name: str) -> Export:
        """The network as files.

        Args:
            net: the network.
            name: of the files, and of what they define.

        Raises:
            UserError: the backend writes no files, or not of this network, or the name will not do.
        """
        raise UserError("backend", self.name, "it writes no files")


def _first(prepared: Callable[[Images], tuple[Int, ...]], images: Images) -> Int:
    return prepared(images)[0]


def checked(net: FrozenGraph, images: Images) -> Images:
    """The images, or the codes of trains, if they are what the network is for.

    Raises:
        UserError: they are not uint8, or of another shape, or a code is beyond the highest level.
    """
    return next(net.graph.inputs()).codes(images)


def check_threads(threads: object) -> None:
    """Refuses what is no number of threads; ``None`` stands for as many as there may be.

    Raises:
        UserError: it is none, or too many.
    """
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if threads is not None and not (whole and 1 <= threads <= MOST_THREADS):  # type: ignore[operator]
        raise UserError("threads", threads, f"want 1 to {MOST_THREADS}")


def checked_file_name(name: str) -> None:
    """That a name will do for files.

    Raises:
        UserError: it will not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise UserError("name", name, "want the name of a file: at most 64 letters, digits, _, . and -")


def writer_of(table: Registry[Row], backend: str, node: Node) -> Row:
    """The row of a backend's table, which is by name of the op's class, for one op.

    Raises:
        UserError: the backend has none.
    """
    kind = type(node).__name__
    if kind not in table:
        known = ", ".join(table)
        raise UserError(backend, f"{kind} ({node.name})", f"the backend has no writer for it; known: {known}")
    return table[kind]
