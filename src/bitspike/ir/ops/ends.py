"""The ends of a graph: the images and the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.time import StepSum
from bitspike.ir.ranges import Bounds, Int, Range, Tensors

__all__ = ["Input", "Readout"]


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """The images: pixels 0..255 as levels ``lo..hi`` (or unquantized); one step, held.

    Equation: ``y = pixel + lo``, where ``lo`` is that of ``edge``.

    Units: levels of value ``edge.scale``.

    Range: ``lo .. hi`` of ``edge``.

    Args:
        edge: shape ``(C, H, W)``, ``T = 1`` and, when frozen, the 256 levels ``lo .. lo + 255``.
    """

    op: ClassVar[str] = "input"
    arity: ClassVar[int] = 0

    edge: Edge

    def infer(self, *edges: Edge) -> Edge:
        return self.edge

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        if self.edge.bounds is None:
            raise self.refuse(type(self).__name__, "has no meaning in integers")
        return self.edge.bounds.each

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        (images,) = x
        if not isinstance(images, np.ndarray):
            raise UserError("images", f"{type(images).__module__}.{type(images).__name__}", "want a numpy.ndarray")
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.edge.shape or self.edge.lo is None:
            raise UserError("images", (images.dtype.name, images.shape), f"want uint8 [N, {self.edge.shape}]")
        return images[None].astype(proven.including(0, 255).dtype) + self.edge.lo


@dataclass(frozen=True, kw_only=True)
class Readout(StepSum):
    """The network's answer: logits summed over time. One step comes out. The class is the first largest.

    Units: the input's.

    Args:
        scale: value of one unit of a logit, so that ``y * scale`` is what the network in floats says; above 0, and
            ``None`` where it is not known. No integer depends on it.
    """

    op: ClassVar[str] = "readout"

    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise self.refuse(self.scale, "want a scale above 0, or none")

    def infer(self, *edges: Edge) -> Edge:
        return Edge(shape=edges[0].shape, T=1)
