"""The ends of a graph: what comes in, images or trains, and the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.limits import MOST_STEPS
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.time import StepSum
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream
from bitspike.sample import MOST_CODE, Sample

__all__ = ["Input", "Over", "Readout"]

Over = Literal["sum", "last", "each"]


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """What comes in: codes ``0 .. hi - lo`` as levels ``lo..hi`` (or unquantized). One step, as of an image, is held.

    Equation: ``y[t] = code[t] + lo``, where ``lo`` is that of ``edge``.

    Units: levels of value ``edge.scale``.

    Range: ``lo .. hi`` of ``edge``.

    Args:
        edge: shape of one step, 1 to 3 axes; its steps; when frozen, at most 256 levels ``lo .. hi``.
    """

    op: ClassVar[str] = "input"
    arity: ClassVar[int | None] = 0

    edge: Edge

    def infer(self, *edges: Edge) -> Edge:
        return self.edge

    @cached_property
    def sample(self) -> Sample:
        """What one input is.

        Raises:
            UserError: it has no levels, or more than bytes have codes; or no shape that an input may have.
        """
        edge = self.edge
        if edge.lo is None or edge.hi is None:
            raise self.refuse(type(self).__name__, "has no meaning in integers")
        if not 1 <= len(edge.shape) <= 3 or not edge.lo < edge.hi <= edge.lo + MOST_CODE:
            wanted = f"want 1 to 3 axes, and 2 to {MOST_CODE + 1} levels"
            raise self.refuse((edge.shape, edge.lo, edge.hi), wanted)
        return Sample(edge.shape, edge.T, edge.lo, edge.hi)

    def check(self, tensors: Tensors) -> None:
        if self.sample.T > MOST_STEPS:
            raise self.refuse(self.sample.T, f"want T to {MOST_STEPS}")

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(self.sample.lo, self.sample.hi)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream | None:
        """A train is one of spikes; what is held is an image, which is multiplied."""
        return Stream(seen, self.edge.highest, None) if self.edge.T > 1 else None

    def codes(self, given: Any) -> Any:
        """What was given, if it is codes ``[N, *sample.array_shape]`` of this input.

        Raises:
            UserError: it is no uint8 array, or of another shape, or a code is beyond the highest level.
        """
        return self._codes(given, self.sample)

    def _codes(self, given: Any, sample: Sample) -> Any:
        if not isinstance(given, np.ndarray):
            raise UserError("images", f"{type(given).__module__}.{type(given).__name__}", "want a numpy.ndarray")
        if given.dtype != np.uint8 or given.shape[:1] + sample.array_shape != given.shape:
            raise UserError("images", (given.dtype.name, given.shape), f"want uint8 [N, {sample.array_shape}]")
        most = sample.hi - sample.lo
        if most < MOST_CODE and given.size and (highest := int(given.max())) > most:
            raise UserError("images", f"code {highest}", f"want codes 0..{most} of the levels {sample.lo}..{sample.hi}")
        return given

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        codes = self.codes(x[0])
        steps = codes[None] if self.sample.T == 1 else np.moveaxis(codes, 1, 0)
        return self._levels(np.ascontiguousarray(steps), proven)

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        """The levels of the codes of one step."""
        return self._levels(self._codes(x[0], replace(self.sample, T=1))[None], proven), None

    def _levels(self, codes: Int, proven: Range) -> Int:
        return codes.astype(proven.including(0, MOST_CODE).dtype) + self.sample.lo


@dataclass(frozen=True, kw_only=True)
class Readout(StepSum):
    """An output of the network. Of logits ``(K,)``, where it is the only one, the class is the first largest.

    Equation: ``y = sum_t x[t]`` of ``over`` ``sum``; ``y = x[T - 1]`` of ``last``; ``y[t] = x[t]`` of ``each``, where
    every step has an answer of its own, so that the output is ``[N, T, *shape]``.

    Units: the input's.

    Range: the input's, times its steps where they are added up.

    Args:
        over: which steps the answer is of.
        scale: value of one unit of a logit, so that ``y * scale`` is what the network in floats says; above 0, and
            ``None`` where it is not known. No integer depends on it.
    """

    op: ClassVar[str] = "readout"

    over: Over = "sum"
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.over not in ("sum", "last", "each"):
            raise self.refuse(self.over, "want over sum, last or each")
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise self.refuse(self.scale, "want a scale above 0, or none")

    def infer(self, *edges: Edge) -> Edge:
        return Edge(shape=edges[0].shape, T=edges[0].T if self.over == "each" else 1)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return super().range(tensors, *x) if self.over == "sum" else x[0].each

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        if self.over == "sum":
            return super().step(tensors, proven, *x)
        return x[0][-1:] if self.over == "last" else x[0]

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        """The answer so far."""
        return super().advance(tensors, proven, t, state, *x) if self.over == "sum" else (x[0], None)

    def logits(self, answer: Int) -> Int:
        """The output, samples first, of its edge ``[T, N, *shape]``: ``[N, *shape]``, or ``[N, T, *shape]``."""
        return np.ascontiguousarray(np.moveaxis(answer, 1, 0)) if self.over == "each" else answer[0]
