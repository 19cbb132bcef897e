"""A NIR file back to the network in integers that it was written from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bitspike.backends.nir.export import BITS, to_nir
from bitspike.errors import UserError, require
from bitspike.ir import FrozenGraph, Graph, op_from_dict

__all__ = ["from_nir"]

FLOATS = ("weight", "bias", "v_threshold", "v_reset", "v_leak", "tau", "r", "kernel_size", "stride", "padding")
PARTS = {"weight": "weight_codes", "multiplier": "multiplier", "offset": "offset"}


def from_nir(path: str | Path) -> FrozenGraph:
    """Reads the integers that `bitspike.export` wrote beside NIR's floats, and checks that the floats are theirs still.

    Raises:
        UserError: no NIR file, one without such integers, integers that are no network, or floats that are another's.
    """
    nir = require("nir", "nir")
    try:
        graph = nir.read(str(path), type_check=False)
    except Exception as wrong:  # whatever its readers raise of a file that is none
        raise UserError("network", str(path), f"not a NIR file: {type(wrong).__name__}: {wrong}") from wrong
    bits = graph.metadata
    if bits.get("bits") != BITS:
        wanted = f"it has no integers of {BITS}; `bitspike export --to nir` writes them"
        raise UserError("network", str(path), wanted)
    net = _network(graph)
    _check_same(to_nir(nir, net), graph)
    return net


def _network(graph: Any) -> FrozenGraph:
    ops: dict[int, Any] = {}
    tensors = {}
    for name, node in graph.nodes.items():
        try:
            for index, raw in json.loads(node.metadata["ops"]):
                ops[index] = op_from_dict(index, raw)
                for part, key in PARTS.items():
                    if ops[index].op in ("conv", "linear") if part == "weight" else ops[index].op == "affine":
                        tensors[f"{ops[index].name}.{part}"] = np.asarray(node.metadata[key]).astype(np.int64)
        except (KeyError, TypeError, ValueError) as wrong:
            if isinstance(wrong, UserError):
                raise
            raise UserError(f"node {name}", f"{type(wrong).__name__}: {wrong}", f"want the fields of {BITS}") from wrong
    order = tuple(ops[index] for index in sorted(ops))
    bits = graph.metadata
    frames = json.loads(bits["frames"]) if "frames" in bits else None
    return FrozenGraph(Graph(str(bits["name"]), order), tensors, str(bits["dataset"]), frames)


def _check_same(made: Any, graph: Any) -> None:
    """That the floats of the file are those which the integers give: whoever changed one left the other."""
    if made.nodes.keys() != graph.nodes.keys() or {*made.edges} != {*graph.edges}:
        raise UserError("nodes", sorted(made.nodes.keys() ^ graph.nodes.keys()), "the integers say others")
    for name, node in made.nodes.items():
        there = graph.nodes[name]
        for part in FLOATS:
            wanted, seen = getattr(node, part, None), getattr(there, part, None)
            if wanted is not None and not np.array_equal(np.asarray(wanted), np.asarray(seen)):
                raise UserError(
                    f"{part} of {name}", "other floats", "than its integers give; want both, or no integers"
                )
