"""nn.Module to the structural graph: `torch.fx` shows the calls, the ops infer the shapes. No weight is looked at."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.fx
from torch import nn

from bitspike.errors import UserError
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Edge,
    Fire,
    Graph,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Relu,
    Reshape,
    SumPool,
)
from bitspike.layers import Encoder, mean_over_time, merge_time, split_time
from bitspike.neurons import SpikingNode
from bitspike.quant import weight_bits

__all__ = ["lower"]


def lower(model: nn.Module, image_shape: tuple[int, int, int], name: str = "network") -> Graph:
    """The structural graph of ``model``: shapes, steps, ranges and bits of every layer.

    Ops are named after the modules they come from. Works on the meta device too.

    Args:
        model: images ``[N, C, H, W]`` to logits ``[T, N, K]`` (or ``[N, K]``, for a network without neurons).
        image_shape: ``(C, H, W)``.
        name: of the graph.

    Raises:
        UserError: an operator that has no op (named with its path in the model), or shapes that do not fit.
    """
    try:
        traced = _Tracer().trace(model)
    except torch.fx.proxy.TraceError as wrong:
        raise UserError("model", type(model).__name__, f"cannot be traced: {wrong}") from wrong
    builder = _Builder(dict(model.named_modules()), image_shape)
    for call in traced.nodes:
        builder.visit(call)
    return Graph(name, tuple(builder.nodes))


class _Tracer(torch.fx.Tracer):
    """Stops at the layers that the graph has ops for."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, SpikingNode | Encoder) or super().is_leaf_module(m, module_qualified_name)


class _Builder:
    def __init__(self, modules: dict[str, nn.Module], image_shape: tuple[int, int, int]) -> None:
        self.modules, self.image_shape = modules, image_shape
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.source: dict[torch.fx.Node, str] = {}  # traced value -> op that makes it

    def add(self, node: Node) -> str:
        taken = node.name in self.edges
        if taken:  # a module that runs twice
            raise node.refuse("a second call", "each layer may run once; make a second layer")
        self.edges[node.name] = node.infer(*(self.edges[i] for i in node.inputs))
        self.nodes.append(node)
        return node.name

    def visit(self, call: torch.fx.Node) -> None:
        if call.op == "placeholder":
            return
        if call.op == "output":
            (logits,) = call.args
            if not isinstance(logits, torch.fx.Node):
                raise UserError("model output", type(logits).__name__, "want one tensor of logits")
            last = self._input(logits)
            if not isinstance(self.nodes[-1], Readout):
                self.add(Readout(name="readout", inputs=(last,)))
            return
        if call.op == "call_module":
            path = str(call.target)
            self.source[call] = self._module(path, self.modules[path], call)
        elif call.op in ("call_function", "call_method"):
            self.source[call] = self._function(call)
        else:
            raise UserError("operator", call.target, f"{call.op} has no op in the graph")

    def _input(self, value: Any) -> str:
        if not isinstance(value, torch.fx.Node):
            raise UserError("operand", value, "want the output of a layer")
        if value.op == "placeholder":  # images that no encoder has read: unquantized
            if "input" not in self.edges:
                self.add(Input(name="input", inputs=(), edge=Edge(shape=self.image_shape, T=1)))
            return "input"
        return self.source[value]

    def _module(self, path: str, module: nn.Module, call: torch.fx.Node) -> str:
        if isinstance(module, Encoder):
            edge = Edge(shape=self.image_shape, T=1, lo=module.lo, hi=module.hi, scale=module.scale)
            return self.add(Input(name=path, inputs=(), edge=edge))
        source = self._input(call.args[0])
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return source
        for kind, make in _MODULES.items():
            if isinstance(module, kind):
                return self.add(make(module, path, source, self.edges[source]))
        raise UserError("layer", path, f"{type(module).__name__} has no op in the graph")

    def _function(self, call: torch.fx.Node) -> str:
        target = call.target
        if target in (merge_time, split_time):
            return self._input(call.args[0])
        if target in (mean_over_time,):
            return self.add(Readout(name="readout", inputs=(self._input(call.args[0]),)))
        if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
            a, b = (self._input(value) for value in call.args[:2])
            return self.add(Add(name=self._fresh("add", call), inputs=(a, b)))
        if target in (torch.relu, nn.functional.relu, "relu", "relu_"):
            return self.add(Relu(name=self._fresh("relu", call), inputs=(self._input(call.args[0]),)))
        if target in (torch.flatten, "flatten"):
            source = self._input(call.args[0])
            return self.add(
                Reshape(name=self._fresh("flatten", call), inputs=(source,), shape=_flat(self.edges[source]))
            )
        label = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        raise UserError("operator", label, f"has no op in the graph (in the forward of {self._where(call)})")

    def _fresh(self, label: str, call: torch.fx.Node) -> str:
        name = f"{self._where(call)}.{label}".lstrip(".")
        return name if name not in self.edges else str(call.name)

    def _where(self, call: torch.fx.Node) -> str:
        stack = call.meta.get("nn_module_stack") or {}
        return next(reversed([path for path, _ in stack.values()]), "") if stack else ""


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def _flat(edge: Edge) -> tuple[int, ...]:
    return (prod(edge.shape),)


def _conv(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.in_channels != edge.shape[0]:
        raise UserError(f"conv {name}", f"{edge.shape[0]} channels", f"wants {m.in_channels}")
    if isinstance(m.padding, str) or m.padding_mode != "zeros":
        raise UserError(f"conv {name}", m.padding, "want zero padding given in numbers")
    return Conv(
        name=name,
        inputs=(source,),
        out_channels=m.out_channels,
        kernel_size=_pair(m.kernel_size),
        stride=_pair(m.stride),
        padding=_pair(m.padding),
        dilation=_pair(m.dilation),
        groups=m.groups,
        bias=m.bias is not None,
        weight_bits=weight_bits(m),
    )


def _linear(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.in_features != edge.shape[-1]:
        raise UserError(f"linear {name}", f"{edge.shape[-1]} features", f"wants {m.in_features}")
    return Linear(
        name=name,
        inputs=(source,),
        out_channels=m.out_features,
        bias=m.bias is not None,
        weight_bits=weight_bits(m),
    )


def _fire(m: Any, name: str, source: str, edge: Edge) -> Node:
    return Fire(name=name, inputs=(source,), T=m.T, lo=m.staircase.lo, hi=m.staircase.hi, scale=m.staircase.scale)


def _avg_pool(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.ceil_mode or m.divisor_override or (not m.count_include_pad and any(_pair(m.padding))):
        raise UserError(f"average pool {name}", m, "want the plain mean over windows: no ceil_mode or divisor")
    return SumPool(
        name=name,
        inputs=(source,),
        kernel_size=_pair(m.kernel_size),
        stride=_pair(m.stride),
        padding=_pair(m.padding),
    )


def _global_pool(m: Any, name: str, source: str, edge: Edge) -> Node:
    if _pair(m.output_size) != (1, 1):
        raise UserError(f"adaptive pool {name}", m.output_size, "want output_size=1, the mean over the whole map")
    return SumPool(name=name, inputs=(source,), kernel_size=_pair(edge.shape[1:]), stride=(1, 1))


def _max_pool(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.ceil_mode or m.return_indices or _pair(m.dilation) != (1, 1):
        raise UserError(f"max pool {name}", m, "want plain windows: no ceil_mode, indices or dilation")
    return MaxPool(
        name=name,
        inputs=(source,),
        kernel_size=_pair(m.kernel_size),
        stride=_pair(m.stride),
        padding=_pair(m.padding),
    )


_MODULES: dict[type | tuple[type, ...], Callable[[Any, str, str, Edge], Node]] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    (nn.BatchNorm1d, nn.BatchNorm2d): lambda m, name, source, edge: Affine(name=name, inputs=(source,)),
    SpikingNode: _fire,
    nn.ReLU: lambda m, name, source, edge: Relu(name=name, inputs=(source,)),
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
    nn.Flatten: lambda m, name, source, edge: Reshape(name=name, inputs=(source,), shape=_flat(edge)),
}
