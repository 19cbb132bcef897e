"""Calls back to a module: a network that makes them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch.fx
from torch import nn

from bitspike.frontend.calls import Call, unused
from bitspike.frontend.vocabulary import Images, MergeTime, SplitTime, Sum
from bitspike.layers import merge_time, split_time

__all__ = ["network"]

FUNCTIONS: dict[type[nn.Module], Callable[..., Any]] = {Sum: operator.add, MergeTime: merge_time, SplitTime: split_time}


def network(calls: Sequence[Call], answer: Call, training: bool = True) -> nn.Module:
    """The module of ``calls``, whose layers have the paths of the calls; it is traced and saved as any other.

    Names that such a module has for itself (``graph``, ``code``) get a number.

    Args:
        calls: in their order; they may be of several networks, as long as each reads earlier ones.
        answer: whose result is the network's.
        training: the mode that it says it is in.
    """
    graph, house = torch.fx.Graph(), nn.Module()
    house.training = training
    values: dict[Call, torch.fx.Node] = {}
    heads = {call.path.split(".")[0] for call in calls}
    for call in calls:
        inputs = tuple(values[before] for before in call.inputs)
        if isinstance(call.module, Images):
            values[call] = graph.placeholder("images")
        elif type(call.module) in FUNCTIONS:
            values[call] = graph.call_function(FUNCTIONS[type(call.module)], inputs)
        else:
            path = _free(call.path, heads)
            _set(house, path, call.module)
            values[call] = graph.call_module(path, inputs)
    graph.output(values[answer])
    return torch.fx.GraphModule(house, graph)


def _free(path: str, heads: set[str]) -> str:
    head, *rest = path.split(".")
    if hasattr(torch.fx.GraphModule, head):
        head = unused(head, heads, dir(torch.fx.GraphModule))
    return ".".join((head, *rest))


def _set(house: nn.Module, path: str, module: nn.Module) -> None:
    """At ``path``, with plain modules on the way to it."""
    *parents, last = path.split(".")
    here = house
    for name in parents:
        if name not in here._modules:
            here.add_module(name, nn.Module())
        here = here.get_submodule(name)
    here.add_module(last, module)
