"""A frozen graph as one file: safetensors, integers packed at their true width, the graph as JSON in the header."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from bitspike.detection.head import Head
from bitspike.errors import UserError, closest
from bitspike.files import safetensors_metadata, write_atomically
from bitspike.ir.frozen import FrozenGraph, tensor_shapes
from bitspike.ir.graph import Graph
from bitspike.ir.ops import OPS, Concat, Node, Slice, Upsample
from bitspike.ir.ranges import INT64
from bitspike.registry import Registry

__all__ = ["FORMAT", "FORMATS", "format_of", "load", "op_from_dict", "op_to_dict", "save", "to_bytes"]

FORMAT, FORMATS = "bitspike-net-1", ("bitspike-net-1", "bitspike-net-2")
"""A network is written in the first that knows all of it, so that older versions read what they can; both are read."""
NEW_IN_2 = (Concat, Slice, Upsample)
MOST_BYTES_OF_GRAPH = 1 << 22
MOST_OPS = 4096


def save(net: FrozenGraph, path: str | Path) -> int:
    """Writes ``net``; the file appears whole or not at all. Returns its size in bytes."""
    content = to_bytes(net)
    write_atomically(path, content)
    return len(content)


def to_bytes(net: FrozenGraph) -> bytes:
    """The content of the file: the same network gives the same bytes."""
    tensors = {name: _packed(net, name, values) for name, values in net.tensors.items()}
    nodes = [op_to_dict(node) for node in net.graph.nodes]
    frames = {} if net.frames is None else {"frames": dict(net.frames)}
    classes = {"classes": list(net.classes)} if net.classes else {}
    head = {} if net.head is None else {"head": net.head.as_json()}
    graph = {"name": net.graph.name, "dataset": net.dataset, **frames, **classes, **head, "nodes": nodes}
    text = json.dumps(graph, separators=(",", ":"), allow_nan=False)
    _check_size(len(text), len(nodes))
    return _summed(save_tensors(tensors, metadata={"format": format_of(net), "graph": text}))


def format_of(net: FrozenGraph) -> str:
    """The format of a network's file: the second has several outputs, of any shape, routes, names of classes, heads."""
    named = bool(net.classes) or net.head is not None
    return FORMATS[named or not net.classifies or any(isinstance(node, NEW_IN_2) for node in net.graph.nodes)]


def load(path: str | Path) -> FrozenGraph:
    """Reads a network, and checks all of it: nothing is unpickled, nothing is run.

    Raises:
        UserError: no such file, or one that is not a network; it names the field.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as wrong:
        raise UserError("network", str(path), f"cannot be read: {wrong.strerror}") from wrong
    try:
        tensors = load_tensors(content)
        header = safetensors_metadata(content)
        found = _sum_of(header.get("graph", ""), content)
    except (SafetensorError, ValueError, KeyError, TypeError) as wrong:  # (its reader knows other dtypes than NumPy)
        raise UserError("network", str(path), f"not a file of `bitspike freeze`: {wrong}") from wrong
    if header.get("crc32", found) != found:  # older files have none
        raise UserError("network", str(path), "it is not as it was written: its checksum is another")
    return _from_parts(header, tensors)


def _from_parts(header: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> FrozenGraph:
    if header.get("format") not in FORMATS:
        raise UserError("format", header.get("format"), f"this version reads {', '.join(FORMATS)}")
    optional = ("frames", "classes", "head")
    raw = _object(_parsed(header.get("graph", "")), "graph", ("name", "dataset", "nodes"), optional)
    if not isinstance(raw["nodes"], list):
        raise UserError("graph nodes", type(raw["nodes"]).__name__, "want a list of ops")
    _check_size(0, len(raw["nodes"]))
    for key in ("name", "dataset"):
        if not isinstance(raw[key], str):
            raise UserError(f"graph {key}", raw[key], "want text")
    if not isinstance(raw.get("frames", {}), dict):
        raise UserError("graph frames", raw["frames"], "want an object")
    if not isinstance(raw.get("classes", []), list):
        raise UserError("graph classes", raw["classes"], "want a list of names")
    head = Head.from_json(raw["head"]) if "head" in raw else None
    graph = Graph(raw["name"], tuple(op_from_dict(index, node) for index, node in enumerate(raw["nodes"])))
    wanted = {n: (node, shape) for node in graph.nodes for n, shape in tensor_shapes(graph, node).items()}
    for name in sorted(wanted.keys() ^ tensors.keys()):
        raise UserError("tensor", name, "it is missing" if name in wanted else "no op of the graph has it")
    unpacked = {name: _unpacked(name, *wanted[name], tensors[name]) for name in wanted}
    classes = tuple(raw.get("classes", ()))
    net = FrozenGraph(graph, unpacked, raw["dataset"], raw.get("frames"), classes, head)
    if header["format"] != (wanted_format := format_of(net)):
        raise UserError("format", header["format"], f"the network has what {wanted_format} has: want that")
    return net


def _check_size(length: int, ops: int) -> None:
    if length > MOST_BYTES_OF_GRAPH:
        raise UserError("graph", f"{length} bytes", f"want at most {MOST_BYTES_OF_GRAPH}")
    if ops > MOST_OPS:
        raise UserError("graph nodes", f"{ops} ops", f"want at most {MOST_OPS}")


def _sum_of(graph: str, content: bytes) -> str:
    """The checksum of a file: of its graph and its numbers."""
    return f"{crc32(content[_end_of_header(content) :], crc32(graph.encode())):08x}"


def _end_of_header(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def _summed(content: bytes) -> bytes:
    """The same safetensors file with its checksum, the texts of its header by name: theirs is an order of chance."""
    end = _end_of_header(content)
    header = json.loads(content[8:end])
    texts = header["__metadata__"] | {"crc32": _sum_of(header["__metadata__"]["graph"], content)}
    header["__metadata__"] = dict(sorted(texts.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def _packed(net: FrozenGraph, name: str, values: NDArray[np.int64]) -> NDArray[np.uint8]:
    node, _, part = name.rpartition(".")
    return net.graph[node].pack(part, values)


def _unpacked(name: str, node: Node, shape: tuple[int, ...], planes: NDArray[Any]) -> NDArray[np.int64]:
    try:
        return node.unpack(name.rpartition(".")[2], planes, shape)
    except UserError as wrong:
        raise UserError(f"tensor {name}, {wrong.thing}", wrong.seen, wrong.would_do) from None


def op_to_dict(node: Node) -> dict[str, Any]:
    """Fields that differ from their defaults, and the op's name."""
    if OPS.get(node.op) is not type(node):
        raise node.refuse(node.op, "is no op of that name in bitspike.ir.OPS: register its class")
    fields = _kept(node)
    for name, kinds in node.kinds.items():
        if name in fields:
            fields[name] = {**_kind(kinds, getattr(node, name)), **fields[name]}
    return {"op": node.op, **fields}


def _kept(part: Any) -> dict[str, Any]:
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if getattr(part, f.name) != f.default}
    return {name: _kept(value) if dataclasses.is_dataclass(value) else value for name, value in values.items()}


def _kind(kinds: Registry[type[Any]], part: Any) -> dict[str, Any]:
    """Which of several kinds a field's value is; the first goes without saying."""
    return {} if part.kind == next(iter(kinds)) else {"kind": part.kind}


def op_from_dict(index: int, raw: object) -> Node:
    """The op that `op_to_dict` wrote, its numbers checked; ``index`` is where it stands, for refusals."""
    where = f"graph nodes[{index}]"
    if not isinstance(raw, dict):
        raise UserError(where, type(raw).__name__, "want an object")
    fields = {key: value for key, value in raw.items() if key != "op"}
    op = raw.get("op")
    if not isinstance(op, str) or op not in OPS:
        raise UserError(f"{where}.op", op, closest(str(op), OPS))
    given = dict(fields)
    parts = {}
    for name, kinds in OPS[op].kinds.items():
        if isinstance(given.get(name), dict):
            parts[name] = _to_part(f"{where}.{name}", kinds, given.pop(name))
    node = _read(where, OPS[op], given)
    try:
        node = dataclasses.replace(node, **parts)
    except UserError as wrong:  # the op's own check
        raise UserError(f"{where}: {wrong.thing}", wrong.seen, wrong.would_do) from None
    _check_integers(where, fields)
    return node


def _to_part(where: str, kinds: Registry[type[Any]], raw: dict[str, Any]) -> Any:
    """A field's value of one of several kinds."""
    kind = raw.get("kind", next(iter(kinds)))
    if not isinstance(kind, str) or kind not in kinds:
        raise UserError(f"{where}.kind", kind, closest(str(kind), kinds))
    chosen: type[Any] = kinds[kind]
    return _read(where, chosen, {key: value for key, value in raw.items() if key != "kind"})


def _read(where: str, kind: type, fields: dict[str, Any]) -> Any:
    try:
        reader: TypeAdapter[Any] = _reader(kind)
        return reader.validate_json(json.dumps(fields))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        field = ".".join((where, *(str(part) for part in first["loc"])))
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, UserError):  # the class's own check
            raise UserError(f"{field}: {cause.thing}", cause.seen, cause.would_do) from None
        raise UserError(field, first["input"], first["msg"]) from None


def _check_integers(where: str, value: object) -> None:
    """Before anything is computed with them: what is within 64 bits stays small enough to be printed."""
    if isinstance(value, int) and abs(value) >= INT64:
        raise UserError(where, value, f"want an integer within +-{INT64}")
    if isinstance(value, dict):
        for key, part in value.items():
            _check_integers(f"{where}.{key}", part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _check_integers(f"{where}.{index}", part)


@cache
def _reader(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _parsed(text: str) -> object:
    _check_size(len(text), 0)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise UserError("graph", text[:40], f"not JSON: {wrong}") from None


def _object(raw: object, thing: str, keys: tuple[str, ...], more: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(raw, dict) or set(raw) - set(more) != set(keys):
        seen = sorted(raw) if isinstance(raw, dict) else type(raw).__name__
        raise UserError(thing, seen, f"want an object with {', '.join(keys)}")
    return raw
