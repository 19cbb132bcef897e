"""The calls of a forward as `torch.fx` records them, with the layers that the vocabulary knows left whole."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.frontend.overridden import Layers, class_of, overridden, stays_in_training
from bitspike.layers import mean_over_time, merge_time, split_time

__all__ = ["OnImages", "Recording", "evaluating", "inside", "parent", "trace"]


def trace(model: nn.Module, layers: Layers) -> torch.fx.Graph:
    """What ``model`` calls in evaluation mode, given images and nothing else. Its modules stand below ``model.``.

    Args:
        model: any.
        layers: what is left whole.

    Raises:
        UserError: its code cannot be traced, a layer of it overrides what its class is known to compute, or one is in
            training while the model is not.
    """
    if isinstance(model, nn.DataParallel):
        raise UserError("model", "DataParallel", "want the network inside of it: model.module")
    if path := stays_in_training(model):
        kind = class_of(model.get_submodule(path)).__name__
        wanted = "it is in training while the network is in evaluation, where it computes something else; want eval()"
        raise UserError("layer", path, f"{kind}: {wanted}")
    tracer = _Tracer(layers)
    try:
        with evaluating(model):
            return tracer.trace(OnImages(model))
    except UserError:
        raise
    except Exception as wrong:  # whatever the model's own code raises when it meets a stand-in for the images
        where = tracer.failed_in or type(model).__name__
        raise UserError("forward", where, f"cannot be traced: {type(wrong).__name__}: {wrong}") from wrong


class OnImages(nn.Module):
    """Calls the model with images alone: its other arguments keep their defaults."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        return self.model(images)


def inside(path: str) -> str:
    """The path inside the user's model, of a path inside `OnImages`."""
    return path.removeprefix("model").removeprefix(".")


def parent(node: torch.fx.Node) -> str:
    """Path of the module in whose forward the call is written."""
    stack = node.meta.get("nn_module_stack") or {"": ("", None)}
    return inside(list(stack.values())[-1][0])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode, whatever the modules make of ``train()``; then back, each as it was."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _Tracer(torch.fx.Tracer):
    """Remembers in whose forward a trace broke off, and sees what is done in place."""

    failed_in = ""

    def __init__(self, layers: Layers) -> None:
        super().__init__(autowrap_functions=(merge_time, split_time, mean_over_time))
        self.layers = layers

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        what = self.layers.known(m)
        if what is None:
            return super().is_leaf_module(m, module_qualified_name)
        changed = overridden(m, what)
        if not changed or what.through:
            return not changed
        path, base = inside(module_qualified_name), what.kind.__name__
        raise UserError("layer", path or class_of(m).__name__, f"{changed}; want a plain {base} and calls around it")

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or inside(self.path_of_module(m))  # the innermost says so first
            raise

    def proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        return Recording(node, self)


class Recording(torch.fx.Proxy):
    """A stand-in that records ``x += y`` as what it is: `torch.fx` makes a sum out of place of it."""


def _in_place(name: str) -> Any:
    def record(self: Recording, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    return record


for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "iand", "ior", "ixor"):
    setattr(Recording, f"__{_name}__", _in_place(_name))
