"""What the JSON document of a network holds: its ops in order, each with fields, edge, range, tensors and meaning."""

from __future__ import annotations

import dataclasses
import re
from inspect import cleandoc
from typing import Any

from bitspike.ir import Fire, FrozenGraph, Node
from bitspike.ir.ops.program import Program

__all__ = ["FORMAT", "document"]

FORMAT = "bitspike-json-1"
ARITHMETIC = {
    "integers": "every value is an integer of at most 63 bits; nothing wraps around",
    "arrays": "an edge is [T, N, *shape]: steps, samples, then its shape, row by row; an op works on each sample alone",
    "held": "an edge of one step is the same at every step: where an op has more, it reads step 0 at each",
    "tensors": "nested lists, the last axis innermost",
    "range": "of an edge: no input makes a value outside; width: bits of a two's complement integer that holds it",
}
PRIMITIVES = {
    "add": "a + b",
    "sub": "a - b",
    "mul": "a * b",
    "shift": "floor(a / 2^n)",
    "clip": "min(max(a, lo), hi)",
    "select": "a where which is not 0, b elsewhere; operands: which, a, b",
}
"""What the primitives of a program compute: `bitspike.ir.ops.program` has them as functions."""


def document(net: FrozenGraph) -> dict[str, Any]:
    """All of the network, in values that JSON has."""
    graph = net.graph
    ops = {node.op: meaning(type(node)) for node in graph.nodes}
    return {
        "format": FORMAT,
        "name": graph.name,
        "dataset": net.dataset,
        "classes": list(net.classes),
        **({} if net.head is None else {"head": net.head.as_json()}),
        "arithmetic": ARITHMETIC,
        "ops": dict(sorted(ops.items())),
        "primitives": PRIMITIVES,
        "nodes": [_node(net, node) for node in graph.nodes],
        **_outputs(net),
    }


def _outputs(net: FrozenGraph) -> dict[str, Any]:
    """What the network answers: the logits of classes, or outputs in their order."""
    said = [{"op": readout.name, "scale": readout.scale} for readout in net.readouts]
    return {"output": {**said[0], "class": "the first largest"}} if net.classifies else {"outputs": said}


def meaning(kind: type[Node]) -> dict[str, str]:
    """What an op's docstring says that it is, and its equation or that of the class it is a kind of: one line each."""
    texts = [cleandoc(base.__doc__ or "") for base in kind.__mro__]
    found = (re.search(r"^Equation: (.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL) for text in texts)
    lines = {"what": texts[0].partition("\n\n")[0], "equation": next((match[1] for match in found if match), "")}
    return {key: " ".join(line.replace("``", "").split()) for key, line in lines.items()}


def _node(net: FrozenGraph, node: Node) -> dict[str, Any]:
    edge, proven = net.graph.edges[node.name], net.ranges[node.name]
    output = {"shape": list(edge.shape), "T": edge.T, "range": list(proven), "width": proven.signed_bits}
    made = {
        "op": node.op,
        **_fields(node),
        "output": output,
        "tensors": {part: values.tolist() for part, values in net.graph.tensors_of(node, net.tensors).items()},
    }
    return {**made, "program": _program(node.program)} if isinstance(node, Fire) else made


def _fields(part: Any) -> dict[str, Any]:
    """Every field, also those that are as by default: a reader knows no defaults. ``kind`` says which of several."""
    found = {field.name: _value(getattr(part, field.name)) for field in dataclasses.fields(part)}
    return {"kind": part.kind, **found} if hasattr(part, "kind") else found


def _value(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _fields(value)
    return [_value(one) for one in value] if isinstance(value, tuple) else value


def _program(program: Program) -> dict[str, Any]:
    """One step of a neuron: from ``x`` and the state to the level that is sent and the state of the next step."""
    return {
        "start": dict(program.start),
        "instructions": [[one.result, one.primitive, list(one.operands)] for one in program.instructions],
        "level": program.level,
        "carried": dict(program.carried),
    }
