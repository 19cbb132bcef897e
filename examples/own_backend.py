"""A backend of one's own: it writes a frozen network as a drawing for Graphviz, and runs it by the oracle.

import examples.own_backend  # makes it known
bitspike.export("net.bitspike", "dot", "drawing")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitspike.backends import BACKENDS, Backend, Export, oracle
from bitspike.backends.protocol import Images, Int
from bitspike.ir import FrozenGraph


@dataclass(frozen=True)
class Dot(Backend):
    """A box for each op, with its range; an arrow for each edge, with its shape. Fields would be options."""

    name: ClassVar[str] = "dot"
    about: ClassVar[str] = "NAME.dot, a drawing of the graph"

    def outputs(self, net: FrozenGraph, images: Images) -> tuple[Int, ...]:
        """What runs a network equals the oracle, integer for integer; this one asks it."""
        return oracle.outputs(net, images)

    def export(self, net: FrozenGraph, name: str) -> Export:
        lines = []
        for node in net.graph.nodes:
            lo, hi = net.ranges[node.name].lo, net.ranges[node.name].hi
            lines.append(f'  "{node.name}" [shape=box, label="{node.op} {node.name}\\n{lo}..{hi}"];')
            for read in node.inputs:
                shape = "x".join(map(str, net.graph.edges[read].shape))
                lines.append(f'  "{read}" -> "{node.name}" [label="{shape}"];')
        text = "\n".join(["digraph {", *lines, "}", ""])
        return Export({f"{name}.dot": text.encode()}, {"ops": len(net.graph.nodes)})


BACKENDS.register(Dot.name, Dot)
