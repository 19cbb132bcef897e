"""What tests of exported hardware share: random networks, a simulator, and what differs from the oracle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import differences, images, random_graph

from bitspike import UserError
from bitspike.backends import oracle
from bitspike.backends.verilog import ELEMENTS, SIMULATORS, Pipeline, Program, Simulated, simulated, to_verilog
from bitspike.ir import Delay, Fire, FrozenGraph

__all__ = [
    "HOSTILE",
    "check_random_networks",
    "drawn",
    "found",
    "installed",
    "planted",
    "renamed",
    "text_of",
    "written",
]

HOSTILE = ('x"; endmodule', "*/ `include", "a\\", "`define x y", "@NAME@", "$finish")
"""Names that would be more than names in Verilog."""


def drawn(seed: int, loops: bool = False, trains: bool = False) -> FrozenGraph:
    """A random network that has hardware: all have but those with a value that is too wide."""
    for other in range(seed, seed + 100_000, 1000):
        try:
            to_verilog(net := random_graph(other, loops, trains))
        except UserError as no:
            assert "63 at most" in str(no)
            continue
        return net
    raise AssertionError(seed)


def installed(tool: str) -> str:
    if shutil.which(SIMULATORS[tool]) is None:
        pytest.skip(f"no {SIMULATORS[tool]}")
    return tool


def found(net: FrozenGraph, seen: Simulated, shown: NDArray[np.uint8]) -> dict[str, int]:
    """Values that differ from the oracle; neurons that nobody reads are no part of the hardware."""
    wanted = oracle.run(net, shown)
    unread = {name: wanted[name] for name in _unread_neurons(net)}
    return differences(net, wanted, seen.logits, {**unread, **seen.edges})


def _unread_neurons(net: FrozenGraph) -> set[str]:
    nodes = {node.name: node for node in net.graph.nodes}
    ahead, read = [net.graph.nodes[-1].name], set[str]()
    while ahead:
        if (name := ahead.pop()) not in read:
            read.add(name)
            node = nodes[name]
            ahead += [*node.inputs, *([node.of] if isinstance(node, Delay) else [])]
    return {node.name for node in net.graph.neurons()} - read


def written(net: FrozenGraph, seed: int) -> Program:
    """With another kind and another number of elements by seed."""
    return to_verilog(net, "network", (3, 1, 8, 2, 5)[seed % 5], ELEMENTS[seed // 2 % 3])


def check_random_networks(seeds: range, tool: str, **kind: bool) -> None:
    for seed in seeds:
        net = drawn(seed, **kind)
        shown = images(net, seed, 1)[:2]
        wrong = found(net, simulated(written(net, seed), shown, tool, seed=seed, trace=True), shown)
        assert not wrong, f"drawn({seed}, {kind}): {wrong}"


def planted(program: Program, changes: Mapping[str, str]) -> Program:
    """The same with other text, which it must have had."""
    text = "\n".join(program.files.values())
    assert all(before in text for before in changes)
    files = dict(program.files)
    for before, after in changes.items():
        files = {name: file.replace(before, after) for name, file in files.items()}
    return replace(program, files=files)


def renamed(net: FrozenGraph, name: str) -> FrozenGraph:
    """The same, which it and its first neurons are called."""
    first = next(net.graph.of(Fire)).name
    nodes = tuple(
        replace(n, name=name if n.name == first else n.name, inputs=tuple(name if i == first else i for i in n.inputs))
        for n in net.graph.nodes
    )
    return FrozenGraph(replace(net.graph, name=name, nodes=nodes), net.tensors)


def text_of(made: Program | Pipeline) -> list[str]:
    """Lines of the network's module, without comments."""
    return [line.split("//")[0] for line in made.files[f"{made.name}.sv"].splitlines()]
