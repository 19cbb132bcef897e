"""Calls back to a module: a network that makes them."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

import torch.fx
from torch import nn

from bitspike.frontend.calls import Call, unused
from bitspike.frontend.vocabulary import Images, MergeTime, SplitTime, Sum
from bitspike.layers import merge_time, split_time

__all__ = ["network"]

FUNCTIONS: dict[type[nn.Module], Callable[..., Any]] = {Sum: operator.add, MergeTime: merge_time, SplitTime: split_time}

UNWRITTEN = r"[\x00-\x1f\x7f-\x9f\"\\\u2028\u2029]"
"""Characters of which the code of a traced module cannot be written."""


def network(calls: Sequence[Call], answers: Sequence[Call], training: bool = True) -> nn.Module:
    """The module of ``calls``, whose layers have the paths of the calls; it is traced and saved as any other.

    Names that such a module has for itself (``graph``, ``code``), and those that its code cannot be written with
    (``class``, ``self``, quotes), are changed a little.

    Args:
        calls: in their order; they may be of several networks, as long as each reads earlier ones.
        answers: whose results are the network's: a tuple of tensors, or the tensor where there is one.
        training: the mode that it says it is in.
    """
    graph, house = torch.fx.Graph(), nn.Module()
    house.training = training
    values: dict[Call, torch.fx.Node] = {}
    parts = {part for call in calls for part in call.path.split(".")}
    for call in calls:
        inputs = tuple(values[before] for before in call.inputs)
        if isinstance(call.module, Images):
            values[call] = graph.placeholder("images")
        elif type(call.module) in FUNCTIONS:
            values[call] = graph.call_function(FUNCTIONS[type(call.module)], inputs)
        else:
            path = _free(call.path, parts)
            _set(house, path, call.module)
            values[call] = graph.call_module(path, inputs)
    given = tuple(values[answer] for answer in answers)
    graph.output(given if len(given) > 1 else given[0])
    return torch.fx.GraphModule(house, graph)


def _free(path: str, parts: Collection[str]) -> str:
    """``path`` with parts that a traced module may have, none of which is another of ``parts``."""
    return ".".join(_part(part, parts) for part in path.split("."))


def _part(name: str, parts: Collection[str]) -> str:
    if name and name not in _reserved() and not re.search(UNWRITTEN, name):
        return name
    written = re.sub(UNWRITTEN, lambda found: f"_x{ord(found[0]):x}_", name)  # no two names become one
    return unused(written or "network", parts, _reserved())


@cache
def _reserved() -> frozenset[str]:
    """Names that a traced module's code cannot have, or that the module has for itself."""
    return frozenset({"self", *keyword.kwlist, *dir(torch.fx.GraphModule(nn.Module(), torch.fx.Graph()))})


def _set(house: nn.Module, path: str, module: nn.Module) -> None:
    """At ``path``, with plain modules on the way to it."""
    *parents, last = path.split(".")
    here = house
    for name in parents:
        if name not in here._modules:
            here.add_module(name, nn.Module())
        here = here.get_submodule(name)
    here.add_module(last, module)
