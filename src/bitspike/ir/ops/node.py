"""What every op is: a name, the edges it reads, and the rules that the rest of the package asks it for.

A rule reads the op's input edges, or what is known of them, in the order of ``inputs``. An op says only what is not
so of most: a class that says how it infers its edge is in a structural graph and costs nothing; one that has a range
and a step is in a frozen graph too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.ir.edge import STRICT, Edge
from bitspike.ir.packing import pack, unpack
from bitspike.ir.ranges import INT64, Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream
from bitspike.registry import Registry

__all__ = ["Int", "Node"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One op: a name, the edges it reads, and its own constants.

    Its class says what the op is called in files and in docs/ir-spec.md (``op``), how many edges it reads (``arity``;
    ``None`` for two or more), and three facts that a cost depends on: whether its output has its input's elements, as
    they are (``same_elements``); whether it adds the spikes of two paths (``adds_paths``); whether it is a sum over
    steps, which is there when the last of them has been (``adds_steps``). Fields of several kinds have them in
    ``kinds``.

    Args:
        name: of the op, of its output edge, and the first part of its tensors' names.
        inputs: names of the earlier ops whose outputs it reads.
    """

    name: str
    inputs: tuple[str, ...]

    op: ClassVar[str] = ""
    arity: ClassVar[int | None] = 1
    same_elements: ClassVar[bool] = False
    adds_paths: ClassVar[bool] = False
    adds_steps: ClassVar[bool] = False
    kinds: ClassVar[Mapping[str, Registry[type[Any]]]] = {}

    __pydantic_config__ = STRICT

    def refuse(self, seen: object, would_do: str) -> UserError:
        return UserError(f"{type(self).__name__.lower()} {self.name}", seen, would_do)

    # The op in any graph

    def infer(self, *edges: Edge) -> Edge:
        """The output edge, given the input edges.

        Raises:
            UserError: the inputs do not fit the op.
        """
        raise NotImplementedError

    def constants(self, *edges: Edge) -> int:
        """Numbers that it has beside its weights: biases, factors and offsets of a batch norm."""
        return 0

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream | None:
        """The spikes that it hands on; ``None`` where what comes out is no train of spikes.

        Args:
            edges, spikes: what it reads, all of which carries spikes.
            seen: events of an image that the layer with weights behind it was seen to read, if there is one.
        """
        return None

    def worth(self, level: float) -> float:
        """The value of a level, which is a number above 0.

        Raises:
            UserError: it is too small or too large for one.
        """
        if not 0 < level < inf:
            raise self.refuse(f"a level worth {level}", "wants one that floats have: its factors are too far from 1")
        return level

    def carried(self, *edges: Edge) -> Edge | None:
        """What it carries from step to step, beside the potentials of neurons, as an edge of one step."""
        return None

    def largest_array(self, *edges: Edge) -> int:
        """Elements of the largest array that it is computed with, for one image over all steps."""
        made = self.infer(*edges)
        return made.size * made.T

    # The op in a frozen graph. Tensors are its own, by the part of their name behind its own name.

    def tensor_shapes(self, *edges: Edge) -> dict[str, tuple[int, ...]]:
        """Shapes of its integers, by part."""
        return {}

    def check(self, tensors: Tensors) -> None:
        """That it is frozen, and its integers are what they may be.

        Raises:
            UserError: they are not.
        """

    def pack(self, part: str, values: Int) -> NDArray[np.uint8]:
        """A tensor as it is in a file: bit planes, in two's complement of as few bits as it needs."""
        return pack(values, Range(int(values.min()), int(values.max())).signed_bits)

    def unpack(self, part: str, planes: NDArray[Any], shape: tuple[int, ...]) -> Int:
        """A tensor from its file.

        Raises:
            UserError: not planes of such integers.
        """
        return unpack(planes, prod(shape)).reshape(shape)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        """Which integers it makes, at any step, of inputs within these bounds.

        Raises:
            UserError: it has no integers, or a product on the way to one could overflow.
        """
        raise self.refuse(type(self).__name__, "has no meaning in integers")

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        """What its first steps, however many, add up to; ``None`` where no more is known than the range of each."""
        return None

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        """Which integers `step` meets, from its inputs to its output: it is given inputs of a type that holds them all.

        An op that does not say is given int64.

        Args:
            tensors: its own.
            proven: its range.
            x: bounds of its inputs.
        """
        return Range(-INT64, INT64)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        """The op's meaning: its output, exactly.

        Args:
            tensors: its own, each of the narrowest type that holds it.
            proven: its range, within which every sum on the way stays too.
            x: its inputs, ``[T, N, *shape]``, of a type that holds all that it has `met`; of an op that reads none, the
                codes that come in, uint8 ``[N, ...]``.

        Returns:
            ``[T, N, *shape]``.
        """
        raise self.refuse(type(self).__name__, "has no meaning in integers")

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        """One step of `step`, for inputs that come one step at a time: its output, and what it carries to the next.

        An op that does not say carries nothing: each of its steps is a `step` of its own.

        Args:
            tensors, proven: as of `step`.
            t: which step it is, counted from 0.
            state: what it carried from the step before, in whatever form; None at the first.
            x: its inputs at that step, ``[1, N, *shape]``.
        """
        return self.step(tensors, proven, *x), None
