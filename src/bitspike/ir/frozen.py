"""A graph with its integers: everything that a backend needs, checked and with ranges proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from bitspike.detection.head import Head
from bitspike.errors import UserError
from bitspike.ir.graph import Graph
from bitspike.ir.limits import AXES, MOST_AXES, MOST_ELEMENTS, MOST_STEPS_OF_ALL
from bitspike.ir.ops import Node, Readout
from bitspike.ir.ranges import Int, Range, edge_bounds
from bitspike.ir.steps import check_steps
from bitspike.sample import Sample

__all__ = ["FrozenGraph", "largest_array", "tensor_shapes"]


@dataclass(frozen=True, eq=False)
class FrozenGraph:
    """A network in integers.

    Args:
        graph: every `Fire` with `Dynamics`, every `Affine` with its fraction bits, no float-only op.
        tensors: ``NAME.weight`` for each synapse (codes, ``[C_out, C_in/groups, kh, kw]`` or ``[C_out, C_in]``),
            ``NAME.multiplier`` and ``NAME.offset`` for each affine (``[C]``). Kept read-only, each of NumPy's narrowest
            signed type that holds it: arithmetic on one widens it first.
        dataset: that the network was trained on, as `bitspike data list` calls it; empty where it is not known.
        frames: how events of the dataset became frames, settings as JSON has them; ``None`` where it has no events.
        classes: their names, printable and all different; empty where they are not known.
        head: which boxes its outputs say; ``None`` where they say none.

    Attributes:
        ranges: range of every edge. totals: of what its first steps, however many, add up to. values: of everything
            that a step of a layer of neurons makes, by layer and name. membranes: of the potentials of every layer of
            neurons. words: the type that each op is computed in: the narrowest that holds all that it meets.

    Raises:
        UserError: a tensor is missing, unknown, of another shape or out of range, or a value could overflow.
    """

    graph: Graph
    tensors: Mapping[str, Int]
    dataset: str = ""
    frames: Mapping[str, Any] | None = None
    classes: tuple[str, ...] = ()
    head: Head | None = None
    ranges: Mapping[str, Range] = field(init=False, repr=False)
    totals: Mapping[str, Range] = field(init=False, repr=False)
    values: Mapping[str, Mapping[str, Range]] = field(init=False, repr=False)
    membranes: Mapping[str, Range] = field(init=False, repr=False)
    words: Mapping[str, np.dtype[np.signedinteger[Any]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wanted = {name: shape for node in self.graph.nodes for name, shape in tensor_shapes(self.graph, node).items()}
        for name in sorted(wanted.keys() ^ self.tensors.keys()):
            raise UserError("tensor", name, "it is missing" if name in wanted else "no op of the graph has it")
        _check_graph(self.graph, self.dataset)
        _check_frames(self.frames)
        _check_classes(self.classes, self.graph.classes)
        if self.head is not None:
            self.head.size_of([self.graph.edges[node.name].shape for node in self.readouts])
        own: dict[str, Int] = {}
        for name, shape in wanted.items():
            given = self.tensors[name]
            if tuple(given.shape) != shape or not np.can_cast(given.dtype, np.int64):
                raise UserError(f"tensor {name}", (given.dtype.name, tuple(given.shape)), f"want int64 {shape}")
            own[name] = np.array(given, dtype=_range_of(given).dtype)
            own[name].flags.writeable = False
        for node in self.graph.nodes:
            node.check(self.graph.tensors_of(node, own))
            _check_size(self.graph, node)
        bounds = edge_bounds(self.graph, own)
        values = {node.name: node.values(bounds[node.inputs[0]]) for node in self.graph.neurons()}
        membranes = {node.name: node.program.membrane(values[node.name]) for node in self.graph.neurons()}
        met = {node.name: node.program.met(values[node.name]) for node in self.graph.neurons()}
        for node in self.graph.nodes:
            if node.name not in met:
                read, parts = (bounds[name] for name in node.inputs), self.graph.tensors_of(node, own)
                met[node.name] = node.met(parts, bounds[node.name].each, *read)
        object.__setattr__(self, "tensors", MappingProxyType(own))
        object.__setattr__(self, "ranges", MappingProxyType({name: found.each for name, found in bounds.items()}))
        object.__setattr__(self, "totals", MappingProxyType({name: found.total for name, found in bounds.items()}))
        object.__setattr__(self, "values", MappingProxyType(values))
        object.__setattr__(self, "membranes", MappingProxyType(membranes))
        object.__setattr__(self, "words", MappingProxyType({name: found.dtype for name, found in met.items()}))

    def __reduce__(self) -> Any:  # what is read-only is no part of a copy, and is proven of it again
        return type(self), (self.graph, dict(self.tensors), self.dataset, self.frames, self.classes, self.head)

    def integers(self, name: str) -> Int:
        """A tensor in int64, to compute with: ``tensors`` has it as narrow as its values are."""
        return self.tensors[name].astype(np.int64)

    @property
    def sample(self) -> Sample:
        """What one input is."""
        return next(self.graph.inputs()).sample

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """What its answers are, in their order."""
        return tuple(self.graph.readouts())

    @property
    def readout(self) -> Readout:
        """What its only answer is.

        Raises:
            UserError: it has several.
        """
        if len(self.readouts) > 1:
            seen = f"{len(self.readouts)} outputs, {', '.join(node.name for node in self.readouts)}"
            raise UserError(f"network {self.graph.name}", seen, "want a network of one output here")
        return self.readouts[0]

    @property
    def classifies(self) -> bool:
        """Whether its answer is the logits ``(K,)`` of classes, and nothing else."""
        return self.graph.classes is not None

    @property
    def logit_scale(self) -> float | None:
        """Value of one unit of a logit: the network in floats says ``logits * logit_scale``, but for rounding.

        That is the model that was frozen; of a converted network the one that it was converted from, quantized.
        ``None`` where the file does not say.
        """
        return self.readout.scale


def tensor_shapes(graph: Graph, node: Node) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the integers of one op."""
    return {f"{node.name}.{part}": shape for part, shape in node.tensor_shapes(*graph.read(node)).items()}


def _range_of(values: Int) -> Range:
    return Range(int(values.min()), int(values.max()))


def largest_array(graph: Graph, node: Node) -> int:
    """Elements of the largest array that an op is computed with, for one image over all steps.

    That is its edge; or its input with padding; or, of a pool, that input window by window.
    """
    return node.largest_array(*graph.read(node))


def _check_graph(graph: Graph, dataset: str) -> None:
    """What every backend is written for: one input, first; readouts, last; names to print."""
    for thing, text in {"graph name": graph.name, "graph dataset": dataset}.items():
        if not text.isprintable():
            raise UserError(thing, text, "want printable text")
    steps = sum(node.T for node in graph.neurons())
    if steps > MOST_STEPS_OF_ALL:
        raise UserError("graph", f"{steps} steps", f"want at most {MOST_STEPS_OF_ALL}, over all layers of neurons")
    nodes, inputs, readouts = graph.nodes, tuple(graph.inputs()), tuple(graph.readouts())
    if len(inputs) != 1 or inputs != nodes[:1] or not readouts or readouts != nodes[-len(readouts) :]:
        seen = " ".join(type(node).__name__.lower() for node in nodes[:1] + nodes[-1:]) or "no op"
        raise UserError("graph", seen, "want one input, first, and its readouts, one or more, last")
    if any(graph.delays()):
        check_steps(graph)


def _check_classes(classes: tuple[str, ...], logits: int | None) -> None:
    """Names of the classes, one for each logit."""
    if not classes:
        return
    if any(not isinstance(name, str) or not name or not name.isprintable() for name in classes):
        raise UserError("graph classes", classes, "want printable texts")
    if len(set(classes)) != len(classes) or len(classes) != logits:
        raise UserError("graph classes", classes, f"want {logits} names, all different")


def _check_frames(frames: Mapping[str, Any] | None) -> None:
    """Whole numbers and words by name: what they mean is for those who read events to say."""
    for name, value in (frames or {}).items():
        parts = value if isinstance(value, list | tuple) else [value]
        plain = all(part is None or isinstance(part, int | str) for part in parts) and str(value).isprintable()
        if not (isinstance(name, str) and name.isidentifier() and plain):
            raise UserError("graph frames", {name: value}, "want whole numbers and words by name")


def _check_size(graph: Graph, node: Node) -> None:
    axes = len(graph.edges[node.name].shape)
    if axes > MOST_AXES:
        raise node.refuse(f"{axes} axes", AXES)
    elements = largest_array(graph, node)
    if elements > MOST_ELEMENTS:
        raise node.refuse(elements, f"an edge, and what windows see of it, may have {MOST_ELEMENTS} elements at most")
