"""A plain PyTorch network (convolutions, linear layers, batch norm, ReLU, pools, sums) as a network of the house."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.fx
from torch import nn
from torch.nn import functional as F

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime
from bitspike.models.morph import ADDITIONS

__all__ = ["adopt"]

LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.Flatten)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
PASSED = (nn.Identity, nn.Dropout, nn.Dropout2d)
RELUS = (torch.relu, F.relu, "relu", "relu_")
FUNCTIONS: dict[Any, Callable[..., nn.Module]] = {
    torch.flatten: nn.Flatten,
    "flatten": nn.Flatten,
    F.max_pool2d: nn.MaxPool2d,
    torch.max_pool2d: nn.MaxPool2d,
    F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
}
DROPPED = (F.dropout, F.dropout2d, "contiguous")


def adopt(model: nn.Module, neuron: Callable[[], nn.Module], encoder: Encoder | None = None) -> nn.Module:
    """The network ``model``, a copy with its weights: images ``[N, C, H, W]`` (0..255) to logits ``[1, N, K]``.

    Every ReLU, module or function, becomes a neuron of its own; other layers keep their names. Dropout goes. A network
    that starts with an `Encoder` is of the house already, and is returned as it is.

    Args:
        model: images to logits ``[N, K]``.
        neuron: makes what stands for a ReLU: ``nn.ReLU``, or a `QReLU`.
        encoder: how it sees pixels; ``(pixel - 128)/64`` unless told otherwise. It was trained on that.

    Raises:
        UserError: an operator that cannot be converted, with its path in the model.
    """
    if any(isinstance(module, Encoder) for module in model.modules()):
        return model
    model = deepcopy(model)
    try:
        graph = torch.fx.Tracer().trace(model)
    except Exception as wrong:  # whatever the model's own code raises when it meets a stand-in for the images
        said = f"cannot be traced: {type(wrong).__name__}: {wrong}"
        raise UserError("forward", type(model).__name__, said) from wrong
    house = nn.Module()
    seen: set[str] = set()

    def put(call: torch.fx.Node, path: str, module: nn.Module) -> None:
        """``module`` in the place of a call; a layer may be called once, what has no weights often."""
        name, number = path, 2
        while name in seen:
            name, number = f"{path}_{number}", number + 1
        seen.add(name)
        _set(house, name, module)
        call.op, call.target, call.args, call.kwargs = "call_module", name, (call.args[0],), {}

    modules = dict(model.named_modules())
    for call in list(graph.nodes):
        if call.op == "placeholder":
            _read_pixels(graph, call, house, seen, encoder or Encoder())
        elif call.op == "call_module":
            path, module = str(call.target), modules[str(call.target)]
            if isinstance(module, nn.ReLU):
                put(call, path, neuron())
            elif isinstance(module, PASSED):
                _pass(graph, call)
            elif isinstance(module, LAYERS) and path in seen:
                raise UserError("layer", path, "called a second time; each layer runs once, so make another one")
            elif isinstance(module, LAYERS + POOLS):
                put(call, path, OverTime(module))
            else:
                raise UserError("layer", path, f"{type(module).__name__} cannot be converted; {WANTED}")
        elif call.op in ("call_function", "call_method"):
            where = f"{_parent(call)}.{_label(call)}".lstrip(".")
            if call.target in RELUS:
                put(call, where, neuron())
            elif call.target in DROPPED:
                _pass(graph, call)
            elif call.target in FUNCTIONS:
                put(call, where, OverTime(_module(call, where)))
            elif call.target not in ADDITIONS or call.kwargs or not _of_tensors(call):
                raise UserError("operator", where, f"cannot be converted; {WANTED}")
        elif call.op == "get_attr":
            raise UserError("operator", str(call.target), f"a tensor of its own cannot be converted; {WANTED}")
    return torch.fx.GraphModule(house, graph)


WANTED = "want conv, linear, batch norm, ReLU, pools, flatten and sums"


def _read_pixels(
    graph: torch.fx.Graph, images: torch.fx.Node, house: nn.Module, seen: set[str], encoder: Encoder
) -> None:
    if "encoder" in seen:
        raise UserError("forward", str(images.target), "a second input cannot be converted; want images alone")
    seen.add("encoder")
    _set(house, "encoder", encoder)
    with graph.inserting_after(images):
        eye = graph.call_module("encoder", (images,))
    images.replace_all_uses_with(eye, delete_user_cb=lambda user: user is not eye)


def _set(house: nn.Module, path: str, module: nn.Module) -> None:
    """At ``path``, with plain modules on the way to it."""
    *parents, last = path.split(".")
    here = house
    for name in parents:
        if name not in here._modules:
            here.add_module(name, nn.Module())
        here = here.get_submodule(name)
    here.add_module(last, module)


def _pass(graph: torch.fx.Graph, call: torch.fx.Node) -> None:
    call.replace_all_uses_with(call.all_input_nodes[0])
    graph.erase_node(call)


def _module(call: torch.fx.Node, where: str) -> nn.Module:
    """The layer that a function is."""
    make = FUNCTIONS[call.target]
    options = dict(call.kwargs)
    try:
        if make is nn.Flatten:
            start, *rest = (*call.args[1:], *options.values()) or (0,)
            if start != 1 or rest not in ([], [-1]):
                raise UserError("flatten", where, "want the batch axis left alone: torch.flatten(x, 1)")
            return nn.Flatten()
        return make(*call.args[1:], **options)
    except TypeError as wrong:
        raise UserError("operator", where, f"cannot be converted: {wrong}") from wrong


def _of_tensors(call: torch.fx.Node) -> bool:
    return len(call.all_input_nodes) == len(call.args) == 2


def _parent(call: torch.fx.Node) -> str:
    stack = call.meta.get("nn_module_stack") or {"": ("", None)}
    return str(list(stack.values())[-1][0])


def _label(call: torch.fx.Node) -> str:
    return call.target if isinstance(call.target, str) else getattr(call.target, "__name__", str(call.target))
