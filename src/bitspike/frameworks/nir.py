"""A plain NIR file, in floats, as a network of the house."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bitspike.errors import UserError, require
from bitspike.layers import Encoder, EventEncoder, OverTime
from bitspike.neurons import LeakyNode

__all__ = ["DT", "network_of_nir"]

DT = 1e-4
"""Seconds of a step: what SpikingJelly, snnTorch and our own files have."""


def network_of_nir(path: str | Path, T: int, encoder: Encoder | EventEncoder) -> nn.Module:
    """The network of a NIR file whose nodes stand in a row, over ``T`` steps of 1e-4 s; it answers at each step.

    NIR's neurons do not fire at their threshold, and go to 0 in the step that fired, so all are `LeakyNode`.

    Raises:
        UserError: no NIR file, nodes that are in no row, or one that has no counterpart, by its name.
    """
    nir = require("nir", "nir")
    try:
        graph = nir.read(str(path), type_check=False)
    except Exception as wrong:  # whatever its readers raise of a file that is none
        raise UserError("network", str(path), f"not a NIR file: {type(wrong).__name__}: {wrong}") from wrong
    made: dict[str, nn.Module] = {"encoder": encoder}
    for name, node in _in_a_row(graph):
        kind = type(node).__name__
        if kind in ("Input", "Output"):
            continue
        if kind not in KINDS:
            wanted = f"{kind} of NIR is not taken in; want {', '.join(KINDS)}"
            raise UserError("node", name, wanted)
        made[name.replace(".", "_")] = KINDS[kind](name, node, T)
    network = nn.Sequential()
    for name, module in made.items():
        network.add_module(name, module)
    return network.eval()


def _in_a_row(graph: Any) -> list[tuple[str, Any]]:
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, target in graph.edges:
        after[source].append(target)
    row = [name for name, node in graph.nodes.items() if type(node).__name__ == "Input"][:1]
    while row and len(after[row[-1]]) == 1 and (following := after[row[-1]][0]) not in row:
        row.append(following)
    if {*row} != {*graph.nodes} or len(graph.edges) != len(row) - 1:
        seen = f"{len(graph.edges)} of {len(graph.nodes)} nodes"
        raise UserError("edges", seen, "want nodes in a row, from one Input on")
    return [(name, graph.nodes[name]) for name in row]


def _number(name: str, field: str, values: Any) -> float:
    found = np.unique(np.asarray(values, dtype=np.float64))
    if len(found) != 1:
        raise UserError(f"{field} of {name}", f"{len(found)} numbers", "want one for all neurons of the layer")
    return float(found[0])


def _neurons(name: str, node: Any, T: int) -> nn.Module:
    of = {part: _number(name, part, getattr(node, part)) for part in ("r", "v_threshold", "v_reset")}
    tau = None if not hasattr(node, "tau") else _number(name, "tau", node.tau)
    if of["v_reset"] or (tau is not None and _number(name, "v_leak", node.v_leak)):
        raise UserError("node", name, "it has a v_reset or a v_leak; want 0 of both")
    gain = of["r"] * DT / (1.0 if tau is None else tau)
    if tau is not None and tau < DT:
        raise UserError(f"tau of {name}", tau, f"want at least a step, {DT:g} s")
    if not 1e-3 <= gain <= 1e3:
        seen = f"r = {of['r']:g}, of which a step of {DT:g} s makes {gain:g}"
        raise UserError("node", name, f"{seen}; want r = 1/{DT:g} of an IF, tau/{DT:g} of a LIF")
    return LeakyNode(T, 1.0 if tau is None else 1 - DT / tau, of["v_threshold"] / gain, "zero")


def _weighted(layer: Any, node: Any) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.asarray(node.weight), dtype=torch.float32))
        if layer.bias is not None:
            layer.bias.copy_(torch.as_tensor(np.asarray(node.bias), dtype=torch.float32))
    return OverTime(layer)


def _sizes(value: Any) -> Any:
    if isinstance(value, str | bytes):
        return value.decode() if isinstance(value, bytes) else value
    sizes = np.asarray(value).astype(int).flatten().tolist()
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def _linear(name: str, node: Any, T: int) -> nn.Module:
    outputs, inputs = node.weight.shape[-2:]
    return _weighted(nn.Linear(inputs, outputs, bias=hasattr(node, "bias")), node)


def _conv(name: str, node: Any, T: int) -> nn.Module:
    outputs, inputs = node.weight.shape[:2]
    groups = int(node.groups)
    sizes = {part: _sizes(getattr(node, part)) for part in ("stride", "padding", "dilation")}
    return _weighted(nn.Conv2d(inputs * groups, outputs, tuple(node.weight.shape[2:]), groups=groups, **sizes), node)


def _avg_pool(name: str, node: Any, T: int) -> nn.Module:
    return OverTime(nn.AvgPool2d(_sizes(node.kernel_size), _sizes(node.stride), _sizes(node.padding)))


def _flatten(name: str, node: Any, T: int) -> nn.Module:
    return OverTime(nn.Flatten())


KINDS: dict[str, Callable[[str, Any, int], nn.Module]] = {
    "Linear": _linear,
    "Affine": _linear,
    "Conv2d": _conv,
    "AvgPool2d": _avg_pool,
    "Flatten": _flatten,
    "IF": _neurons,
    "LIF": _neurons,
}
"""What each node of NIR becomes."""
