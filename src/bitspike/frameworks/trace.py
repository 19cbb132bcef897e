"""The calls of another framework's model as `torch.fx` records them, with its neurons and layers left whole."""

from __future__ import annotations

from typing import Any

import torch.fx
from torch import nn

from bitspike.errors import UserError
from bitspike.frameworks.framework import Framework
from bitspike.frontend.trace import OnImages, Recording, evaluating, inside

__all__ = ["trace"]


def trace(model: nn.Module, framework: Framework) -> tuple[torch.fx.Graph, nn.Module]:
    """What ``model`` calls in evaluation mode, given its input alone, and the module that has what it calls.

    Loops over steps are unrolled.

    Raises:
        UserError: its code cannot be traced, or it has a class of the framework that is not taken in.
    """
    tracer = _Tracer(framework)
    before = {path: dict(vars(module)) for path, module in model.named_modules()}
    try:
        with evaluating(model):
            graph = tracer.trace(OnImages(model))
        _check_nothing_kept(model)
        return graph, tracer.root
    except UserError:
        raise
    except Exception as wrong:  # whatever the model's own code raises when it meets a stand-in for its input
        name = type(model).__name__
        wanted = "want steps counted by a number, range(num_steps), and no branch on what the input holds"
        raise UserError("forward", name, f"cannot be traced: {type(wrong).__name__}: {wrong}; {wanted}") from wrong
    finally:
        for path, module in model.named_modules():  # a forward that keeps what it computes has kept stand-ins
            module.__dict__.update({name: value for name, value in before[path].items() if name != "training"})
            for name in vars(module).keys() - before[path].keys():
                del module.__dict__[name]


def _check_nothing_kept(model: nn.Module) -> None:
    """That no module of the user's keeps what it computed: a step after it would read that."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.fx.Proxy):
                wanted = "its forward keeps what it computed; want states in the framework's neurons alone"
                raise UserError("attribute", f"{path}.{name}".lstrip("."), wanted)


class _Tracer(torch.fx.Tracer):
    def __init__(self, framework: Framework) -> None:
        super().__init__()
        self.framework = framework
        self._merged = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if not self.framework.has(m):
            return super().is_leaf_module(m, module_qualified_name)
        if self.framework.name(m) in (*self.framework.neurons, *self.framework.layers):
            return True
        if self._holds_neurons(m):
            return False
        raise self.framework.refuse(m, inside(module_qualified_name) or "the model")

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if self.framework.name(m) not in self.framework.merged:
            return super().call_module(m, forward, args, kwargs)
        (value,) = args
        self._merged = True
        try:
            for part in m.children():
                value = part(value)
        finally:
            self._merged = False
        return value

    def create_node(self, *args: Any, **kwargs: Any) -> torch.fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta["merged"] = self._merged
        return node

    def proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        return Recording(node, self)

    def _holds_neurons(self, module: nn.Module) -> bool:
        """Whether it is a network, as frameworks have of their own, and no neuron: it keeps nothing between steps."""
        inner = (part for part in module.modules() if part is not module)
        return not getattr(module, "_memories", None) and any(
            self.framework.name(part) in self.framework.neurons for part in inner
        )
