"""A frozen network as a page draws it: its ops in order, and on the edge behind each what flows there."""

from __future__ import annotations

from typing import Any

from bitspike.bits import alphabet_width
from bitspike.ir import FrozenGraph
from bitspike.ir.ranges import Range

__all__ = ["drawn_graph"]


def drawn_graph(net: FrozenGraph, label: str) -> dict[str, Any]:
    """Ops, the ones that each reads, and the proven range of every edge with the bits that hold it.

    Args:
        net: the network.
        label: what it is called beside runs.
    """
    at = {node.name: index for index, node in enumerate(net.graph.nodes)}
    nodes = []
    for node in net.graph.nodes:
        edge, weight = net.graph.edges[node.name], net.tensors.get(f"{node.name}.weight")
        told: dict[str, Any] = {
            "op": node.op,
            "name": node.name,
            "reads": [at[name] for name in node.inputs],
            "shape": "×".join(map(str, edge.shape)),
            "T": edge.T,
            "range": _plain(net.ranges[node.name]),
        }
        if weight is not None:
            told["weights"] = {"count": int(weight.size), **_plain(Range(int(weight.min()), int(weight.max())))}
        if node.name in net.membranes:
            told["membrane"] = _plain(net.membranes[node.name])
        nodes.append(told)
    return {"name": label, "dataset": net.dataset, "nodes": nodes}


def _plain(range_: Range) -> dict[str, Any]:
    """Ends as text: a page's numbers are exact up to 2^53 only."""
    return {"lo": str(range_.lo), "hi": str(range_.hi), "bits": alphabet_width(range_.lo, range_.hi)}
