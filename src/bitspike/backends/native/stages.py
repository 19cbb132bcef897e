"""Which ops are computed together: what reads windows begins a stage, and what goes element by element joins one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bitspike.backends.native.row import Row
from bitspike.ir import Affine, FrozenGraph, Node, Range

__all__ = ["Group", "groups"]


@dataclass
class Group:
    """Ops of one stage, in order.

    Attributes:
        steps: that it goes through; what is held is computed before the first.
    """

    steps: int
    nodes: list[Node] = field(default_factory=list)


def groups(net: FrozenGraph, rows: dict[str, Row[Any]], everything: bool) -> tuple[list[Group], dict[str, int]]:
    """The stages in order, and in which of them each op is.

    Args:
        net: the network.
        rows: of each op, by the op's name.
        everything: also what no answer depends on, as a trace shows it.
    """
    found: list[Group] = []
    where: dict[str, int] = {}
    wanted = {node.name for node in net.graph.nodes} if everything else _needed(net, rows)
    for node in net.graph.nodes:
        if node.name not in wanted:
            continue
        row = rows[node.name]
        steps = row.steps(net.graph, node)
        stage = max((where[name] for name in row.reads(net.graph, node)), default=-1)
        if row.gathers(net.graph, node) or not _joins(net, rows, found[stage], node, steps):
            stage = len(found)
            found.append(Group(steps))
        found[stage].steps = max(found[stage].steps, steps)
        found[stage].nodes.append(node)
        where[node.name] = stage
    if not everything:
        _sink(net, rows, found, where)
    return found, where


def _sink(net: FrozenGraph, rows: dict[str, Row[Any]], found: list[Group], where: dict[str, int]) -> None:
    """Puts affines of levels that are stored anyway into the one later stage that reads them.

    Levels are bytes, currents are wider: a shortcut is cheaper to compute where it is added than to store.
    """
    readers: dict[str, list[Node]] = {name: [] for name in where}
    for node in net.graph.nodes:
        for name in rows[node.name].reads(net.graph, node) if node.name in where else ():
            readers[name].append(node)
    for node in reversed(net.graph.nodes):
        if not isinstance(node, Affine) or node.name not in where or not readers[node.name]:
            continue
        here, stages = where[node.name], {where[reader.name] for reader in readers[node.name]}
        (read,) = node.inputs
        stored = any(where[reader.name] != here for reader in readers[read])
        gathered = any(rows[reader.name].gathers(net.graph, reader) for reader in readers[node.name])
        if stages == {here} or len(stages) > 1 or not stored or gathered or not _bytes(net.ranges[read]):
            continue
        (later,) = stages
        if found[here].steps == found[later].steps == net.graph.edges[node.name].T and len(found[here].nodes) > 1:
            found[here].nodes.remove(node)
            nodes = found[later].nodes
            nodes.insert(min(nodes.index(reader) for reader in readers[node.name]), node)
            where[node.name] = later


def _bytes(levels: Range) -> bool:
    """Whether they are stored as bytes, level 0 of a border included."""
    return max(levels.hi, 0) - min(levels.lo, 0) <= 255


def _joins(net: FrozenGraph, rows: dict[str, Row[Any]], group: Group, node: Node, steps: int) -> bool:
    """Whether an op can be computed step by step with a group's, which has the last of what it reads."""
    ended = any(
        other.name in node.inputs and rows[other.name].ends(net.graph, other) for other in group.nodes
    )  # a sum over steps is there after the last of them
    return not ended and (1 in (steps, group.steps) or steps == group.steps)


def _needed(net: FrozenGraph, rows: dict[str, Row[Any]]) -> set[str]:
    """The ops that the answers depend on."""
    needed = {readout.name for readout in net.readouts}
    for node in reversed(net.graph.nodes):
        if node.name in needed:
            needed.update(rows[node.name].reads(net.graph, node))
    return needed
