"""nn.Module to the structural graph: `torch.fx` shows the calls, the ops infer the shapes. No weight is looked at."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from math import prod
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn

from bitspike import ir
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
    SumTime,
)
from bitspike.layers import Encoder, Release, ReleasedAffine, SqueezeTime, mean_over_time, merge_time, split_time
from bitspike.neurons import BaseNode
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
    tracer = _Tracer(autowrap_functions=(merge_time, split_time, mean_over_time))
    try:
        traced = tracer.trace(_OnImages(model))
    except Exception as wrong:  # whatever the model's own code raises when it meets a stand-in for the images
        where = tracer.failed_in or type(model).__name__
        raise UserError("forward", where, f"cannot be traced: {type(wrong).__name__}: {wrong}") from wrong
    builder = _Builder(dict(model.named_modules()), image_shape)
    for call in traced.nodes:
        builder.visit(call)
    return Graph(name, tuple(builder.nodes))


class _OnImages(nn.Module):
    """Calls the model with images alone: its other arguments keep their defaults."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(images)


def _path(path: str) -> str:
    """The path inside the user's model, of a path inside `_OnImages`."""
    return path.removeprefix("model").removeprefix(".")


class _Tracer(torch.fx.Tracer):
    """Stops at the layers that the graph has ops for, and remembers in whose forward a trace broke off."""

    failed_in = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _LEAVES) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or _path(self.path_of_module(m))  # the innermost says so first
            raise


_LEAVES = (BaseNode, Encoder, Release, ReleasedAffine, SqueezeTime, nn.BatchNorm1d, nn.BatchNorm2d)
_AXES = {1: "[N, ...]", 2: "[T, N, ...]"}


@dataclass(frozen=True)
class _Value:
    """A traced tensor: the op that makes it, and how many axes it has before the op's shape (`_AXES`)."""

    op: str
    axes: int


class _Builder:
    def __init__(self, modules: dict[str, nn.Module], image_shape: tuple[int, int, int]) -> None:
        self.modules, self.image_shape = modules, image_shape
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.values: dict[torch.fx.Node, _Value] = {}

    def visit(self, call: torch.fx.Node) -> None:
        if call.op == "call_module":
            self.values[call] = self._module(call)
        elif call.op in ("call_function", "call_method"):
            self.values[call] = self._function(call)
        elif call.op == "output":
            if not isinstance(call.args[0], torch.fx.Node):
                raise UserError("model output", type(call.args[0]).__name__, "want one tensor of logits")
            logits = self._operand(call)
            if not isinstance(self.nodes[-1], Readout):
                self._add(Readout(name=self._fresh("readout"), inputs=(logits.op,)), 1)

    def _add(self, node: Node, axes: int) -> _Value:
        if node.name in self.edges:
            raise UserError("layer", node.name, "called a second time; each layer runs once, so make another one")
        self.edges[node.name] = node.infer(*(self.edges[i] for i in node.inputs))
        self.nodes.append(node)
        return _Value(node.name, axes)

    def _operand(self, call: torch.fx.Node, index: int = 0) -> _Value:
        """What an operator reads: an earlier value, or images that no encoder has read, unquantized."""
        value = call.args[index] if len(call.args) > index else None
        if isinstance(value, torch.fx.Node) and value.op == "placeholder" and value not in self.values:
            images = Edge(shape=self.image_shape, T=1)
            self.values[value] = self._add(Input(name=self._fresh("input"), inputs=(), edge=images), 1)
        if not isinstance(value, torch.fx.Node) or value not in self.values:
            seen = _path(str(value.target)) if isinstance(value, torch.fx.Node) else value
            raise UserError(f"input of {_label(call)}", seen, f"want a layer's output, by position{_where(call)}")
        return self.values[value]

    def _module(self, call: torch.fx.Node) -> _Value:
        path = _path(str(call.target))
        module = self.modules[path]
        if isinstance(module, Encoder):
            edge = Edge(shape=self.image_shape, T=1, lo=module.lo, hi=module.hi, scale=module.scale)
            return self._add(Input(name=path, inputs=(), edge=edge), 2)
        source = self._operand(call)
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return source
        name = self._fresh(path) if path in self.edges and isinstance(module, _STATELESS) else path
        if isinstance(module, nn.Flatten):
            return self._flatten(name, source, module.start_dim, module.end_dim)
        for kind, make in _MODULES.items():
            if isinstance(module, kind):
                _check_axes(path, module, source.axes)
                return self._add(make(module, name, source.op, self.edges[source.op]), source.axes)
        raise UserError("layer", path or "the model", f"{type(module).__name__} has no op in the graph")

    def _function(self, call: torch.fx.Node) -> _Value:
        target = call.target
        if target in (merge_time, split_time, mean_over_time):
            source, wanted = self._operand(call), 1 if target is split_time else 2
            if source.axes != wanted:
                raise UserError(f"input of {_label(call)}", _AXES[source.axes], f"want {_AXES[wanted]}{_where(call)}")
            if target is mean_over_time:
                return self._add(Readout(name=self._fresh("readout", call), inputs=(source.op,)), 1)
            return _Value(source.op, 2 if target is split_time else 1)
        if target in (torch.flatten, "flatten"):
            options = dict(zip(("start_dim", "end_dim"), call.args[1:], strict=False)) | call.kwargs
            return self._flatten(self._fresh("flatten", call), self._operand(call), **options)
        if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
            a, b = self._operand(call), self._operand(call, 1)
            if call.kwargs:
                raise UserError("operator", f"add with {', '.join(call.kwargs)}", f"want a plain sum{_where(call)}")
            return self._add(Add(name=self._fresh("add", call), inputs=(a.op, b.op)), max(a.axes, b.axes))
        if target in (torch.relu, nn.functional.relu, "relu", "relu_"):
            source = self._operand(call)
            return self._add(Relu(name=self._fresh("relu", call), inputs=(source.op,)), source.axes)
        hint = "; to flatten, write torch.flatten(x, 1)" if _label(call) in _BY_HAND else ""
        raise UserError("operator", _label(call), f"has no op in the graph{_where(call)}{hint}")

    def _flatten(self, name: str, source: _Value, start_dim: Any = 0, end_dim: Any = -1) -> _Value:
        shape = self.edges[source.op].shape
        start, end = ((d + source.axes + len(shape) if d < 0 else d) - source.axes for d in (start_dim, end_dim))
        if not 0 <= start <= end < len(shape):
            wanted = f"it reads {_AXES[source.axes]}; want the first {source.axes} left alone"
            raise UserError(f"flatten {name}", (start_dim, end_dim), wanted)
        flat = (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])
        return self._add(Reshape(name=name, inputs=(source.op,), shape=flat), source.axes)

    def _fresh(self, label: str, call: torch.fx.Node | None = None) -> str:
        """A name for an op that is not alone in its module: no other op and no module has it."""
        path = f"{_parent(call)}.{label}".lstrip(".") if call else label
        names = chain([path], (f"{path}_{number}" for number in count(2)))
        return next(name for name in names if name not in self.edges and name not in self.modules)


def _check_axes(path: str, module: nn.Module, axes: int) -> None:
    """Says where the time axis is forgotten, or not merged: the mistake that a first model makes."""
    if isinstance(module, BaseNode) and axes == 1:
        raise UserError(f"neuron {path}", _AXES[1], "wants [T, N, ...]: give images to a bitspike.layers.Encoder first")
    if isinstance(module, SqueezeTime) and axes == 1:
        raise UserError(f"layer {path}", _AXES[1], "wants [T, N, ...]: put it behind neurons, outside of an OverTime")
    if isinstance(module, Release) and axes == 1:
        raise UserError(f"layer {path}", _AXES[1], "wants [T, N, ...]: put it behind an Encoder")
    if not isinstance(module, BaseNode | Release | SqueezeTime | nn.Linear | nn.ReLU) and axes == 2:
        raise UserError(f"layer {path}", _AXES[2], "wants [N, ...]: put it into a bitspike.layers.OverTime")


def _parent(call: torch.fx.Node) -> str:
    """Path of the module in whose forward the call is written."""
    stack = call.meta.get("nn_module_stack") or {"": ("", None)}
    return _path(list(stack.values())[-1][0])


def _where(call: torch.fx.Node) -> str:
    return "" if call.op == "call_module" else f" (in the forward of {_parent(call) or 'the model'})"


def _label(call: torch.fx.Node) -> str:
    if call.op == "call_module":
        return _path(str(call.target))
    if call.target is getattr:
        return f".{call.args[1]}"
    return call.target if isinstance(call.target, str) else getattr(call.target, "__name__", str(call.target))


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def _conv(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.in_channels != edge.shape[0]:
        raise UserError(f"conv {name}", f"{edge.shape[0]} channels", f"wants {m.in_channels}")
    reach = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True)]
    padding = {"valid": (0, 0), "same": tuple(r // 2 for r in reach)}.get(m.padding, m.padding)
    if m.padding_mode != "zeros" or (m.padding == "same" and any(r % 2 for r in reach)):
        raise UserError(f"conv {name}", (m.padding, m.padding_mode), "want zeros, as many on both sides")
    return Conv(
        name=name,
        inputs=(source,),
        out_channels=m.out_channels,
        kernel_size=_pair(m.kernel_size),
        stride=_pair(m.stride),
        padding=_pair(padding),
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


def _norm(m: Any, name: str, source: str, edge: Edge) -> Node:
    if m.num_features != edge.shape[0]:
        raise UserError(f"batch norm {name}", f"{edge.shape[0]} channels", f"wants {m.num_features}")
    return Affine(name=name, inputs=(source,))


def _fire(m: Any, name: str, source: str, edge: Edge) -> Node:
    carried = m.membrane_bits if m.T > 1 else None  # one step carries nothing
    s = m.staircase
    return Fire(name=name, inputs=(source,), T=m.T, lo=s.lo, hi=s.hi, scale=m.scale, membrane_bits=carried)


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
    if len(edge.shape) != 3:
        raise UserError(f"adaptive pool {name}", edge.shape, "wants an input of shape (C, H, W)")
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
    (nn.BatchNorm1d, nn.BatchNorm2d): _norm,
    BaseNode: _fire,
    Release: lambda m, name, source, edge: ir.Release(name=name, inputs=(source,), T=m.T, steps=m.steps, parts=m.parts),
    ReleasedAffine: lambda m, name, source, edge: Affine(name=name, inputs=(source,), steps=m.steps),
    nn.ReLU: lambda m, name, source, edge: Relu(name=name, inputs=(source,)),
    SqueezeTime: lambda m, name, source, edge: SumTime(name=name, inputs=(source,)),
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
}

_BY_HAND = ("view", "reshape", "size", ".shape")

_STATELESS = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, SqueezeTime)
"""Modules that may be called again: torchvision's blocks share one ReLU."""
