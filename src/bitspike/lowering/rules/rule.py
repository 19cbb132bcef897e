"""What a rule is: for one op, the modules that become it, and what freezing makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from torch import nn

from bitspike.errors import UserError
from bitspike.ir import Edge, Node
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.values import Kind, Value
from bitspike.registry import Registry

__all__ = ["RULES", "Maker", "Place", "Reads", "Rule", "makers", "rule_of"]


class Reads(Enum):
    """Where time is in what a module reads."""

    IMAGES = "images"
    MERGED = "[N, ...]"
    STEPS = "[T, N, ...]"
    EITHER = "either"


@dataclass(frozen=True)
class Place:
    """Where an op is made.

    Attributes:
        name: of the op.
        inputs: the ops that it reads.
        edges: what these send.
        axes: how many axes a tensor has before the shape of the edge: 1 in ``[N, ...]``, 2 in ``[T, N, ...]``.
        alike: whether all that it reads has as many.
    """

    name: str
    inputs: tuple[str, ...]
    edges: tuple[Edge, ...]
    axes: int
    alike: bool = True

    @property
    def edge(self) -> Edge:
        """What it reads first."""
        return self.edges[0]

    def refuse(self, kind: str, seen: object, would_do: str) -> UserError:
        return UserError(f"{kind} {self.name}", seen, would_do)


@dataclass(frozen=True)
class Maker:
    """How modules of a class become an op.

    Attributes:
        make: the op of a module at a place.
        reads: where time is in what the module reads.
        instead: what would do where time is not there.
        kind: what such a module is called in messages.
    """

    make: Callable[[Any, Place], Node]
    reads: Reads = Reads.MERGED
    instead: str = "put it into a bitspike.layers.OverTime"
    kind: str = "layer"


@dataclass(frozen=True)
class Rule:
    """How one op is lowered.

    Attributes:
        op: its class.
        modules: what becomes it, by the class of the module; a subclass goes by the nearest of its bases.
        freeze: writes its integers and says what its edge is then; ``None`` where it has no integer meaning.
        reads: the furthest from spikes that it can read; a function where that depends on the op and what it reads.
        sends: what its edge is once frozen; ``None`` for the furthest of what it reads.
        linear: whether it commutes with sums over time: what it makes of a train adds up to what it makes of the sum.
        ends: whether it is the network's answer.
        any_order: whether it reads a sum whose terms lie in another order than the sum (`Sum.order`).
        by_parts: whether it reads spikes of unlike scales that are joined (`bitspike.lowering.values.Joined`).
        announce: is called before any op is frozen, where the op says something of all of them.
    """

    op: type[Node]
    modules: Mapping[type[nn.Module], Maker] = field(default_factory=dict)
    freeze: Callable[..., Value | None] | None = None
    reads: Kind | Callable[[Any, Edge], Kind] = Kind.SUM
    sends: Kind | None = None
    linear: bool = False
    ends: bool = False
    any_order: bool = False
    by_parts: bool = False
    announce: Callable[[Freezer, Any], None] | None = None

    def furthest(self, node: Node, edge: Edge) -> Kind:
        """The furthest from spikes that an op of it can read on an edge."""
        return self.reads if isinstance(self.reads, Kind) else self.reads(node, edge)

    def kind(self, *inputs: Kind) -> Kind:
        """What its edge is once frozen, of what it reads."""
        return max(inputs) if self.sends is None else self.sends


RULES = Registry[Rule]("lowering rule")
"""The rules by the name of the op."""


def rule_of(node: Node) -> Rule:
    """The rule of an op.

    Raises:
        UserError: it has none.
    """
    there = {rule.op: rule for rule in RULES.values()}
    for kind in type(node).__mro__:
        if kind in there:
            return there[kind]
    raise node.refuse(type(node).__name__.lower(), "has no lowering rule")


def makers() -> dict[type[nn.Module], Maker]:
    """What becomes an op, by the class of the module."""
    return {kind: maker for rule in RULES.values() for kind, maker in rule.modules.items()}
