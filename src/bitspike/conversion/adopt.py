"""A plain PyTorch network (convolutions, linear layers, batch norm, ReLU, pools, sums) as a network of the house."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from torch import nn

from bitspike.conversion.linear import check_spikes_read, with_spikes_read
from bitspike.errors import UserError
from bitspike.frontend import (
    Call,
    Concat,
    MatMul,
    Permute,
    Range,
    Sum,
    Times,
    Transpose,
    View,
    check_hooks,
    instead,
    network,
    read,
    unused,
)
from bitspike.layers import Encoder, OverTime
from bitspike.neurons import BaseNode
from bitspike.quant import weight_quantizer

__all__ = ["adopt"]

WANTED = "want conv, linear, batch norm, ReLU, pools, upsample, cat, slices, flatten and sums"


def adopt(model: nn.Module, neuron: Callable[[], nn.Module], encoder: Encoder | None = None) -> nn.Module:
    """The network ``model``, a copy with its weights: images ``[N, C, H, W]`` (0..255) to logits ``[1, N, K]``.

    A network that answers with several tensors gives as many, ``[1, N, ...]`` each. Every ReLU, module or function,
    becomes a neuron of its own; other layers keep their names. Linear maps in a row are one where they can be, and
    ReLUs go before max pools (`bitspike.conversion.linear`). Dropout goes. Weights are taken in float32, which holds
    those of half and bfloat16 as they are. A network that starts with an `Encoder` is of the house already, and is
    returned as it is.

    Args:
        model: images to logits ``[N, K]``.
        neuron: makes what stands for a ReLU: ``nn.ReLU``, or a `QReLU`.
        encoder: how it sees pixels; ``(pixel - 128)/64`` unless told otherwise. It was trained on that.

    Raises:
        UserError: a layer or an operator that cannot be converted, with its path in the model; and for a neuron that
            spikes, a layer that would read none.
    """
    if any(isinstance(module, Encoder) for module in model.modules()):
        if encoder is not None:
            raise UserError("mean and std", encoder, "the network has an Encoder of its own, which says them")
        return model
    for call in read(model):  # before it is copied: a layer with weight norm cannot be
        check_hooks(call.module, call.path)
    try:
        copy = deepcopy(model).float()
    except Exception as wrong:  # whatever its own code or a tensor that it keeps raises
        raise UserError("model", type(model).__name__, f"cannot be copied: {wrong}") from wrong
    calls = read(copy)
    taken = {path.split(".")[0] for path in (*dict(model.named_modules()), *(call.path for call in calls))}
    for call in calls[1:]:
        _house(call, nn.ReLU)  # what cannot be converted is named before anything is moved
    calls = with_spikes_read(calls)
    if isinstance(neuron(), BaseNode):
        check_spikes_read(calls)
    images, made = calls[0], {}
    made[images] = Call(unused("encoder", taken), encoder or Encoder(), (images,), ("1", "N"), "encoder")
    for call in calls[1:]:
        made[call] = replace(call, module=_house(call, neuron), inputs=tuple(made[before] for before in call.inputs))
    return network((images, *made.values()), [made[answer] for answer in calls.answers])


def _house(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    """What stands for a plain layer in a network of the house.

    Raises:
        UserError: nothing does.
    """
    for kinds, make in HOUSE.items():
        if isinstance(call.module, kinds):
            return make(call, neuron)
    name = type(call.module).__name__
    wanted = instead(name).removeprefix("; ") or WANTED
    raise UserError("layer", call.path, f"{name} cannot be converted; {wanted}{call.place}")


def _over_time(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    return OverTime(call.module)


def _with_weights(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    for name in getattr(call.module, "parametrizations", {}):
        if name != "weight" or weight_quantizer(call.module) is None:
            wanted = "want its plain weights: torch.nn.utils.parametrize.remove_parametrizations"
            raise UserError("layer", call.path, f"its {name} is parametrized and cannot be converted; {wanted}")
    return OverTime(call.module)


def _norm(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    module: Any = call.module
    if module.running_mean is None:
        wanted = "keeps no running statistics and cannot be converted; want track_running_stats=True"
        raise UserError("layer", call.path, f"{type(module).__name__} {wanted}")
    return OverTime(module)


def _view(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    if isinstance(call.module, View) and not call.module.numbers:
        raise UserError("view", call.path, f"want sizes that are numbers, or -1{call.place}")
    return OverTime(call.module)


def _concat(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    """Of tensors with time, whose axes count one more."""
    module: Any = call.module
    return module if module.dim < 0 else Concat(module.dim + 1)


def _flatten(call: Call, neuron: Callable[[], nn.Module]) -> nn.Module:
    module: Any = call.module
    if module.start_dim == 0:
        raise UserError("flatten", call.path, "want the batch axis left alone: torch.flatten(x, 1)")
    return OverTime(module)


HOUSE: dict[Any, Callable[[Call, Callable[[], nn.Module]], nn.Module]] = {
    nn.ReLU: lambda call, neuron: neuron(),
    (nn.Conv1d, nn.Conv2d, nn.Linear): _with_weights,
    (nn.BatchNorm1d, nn.BatchNorm2d): _norm,
    (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, Permute, Transpose, nn.Unflatten): _over_time,
    (nn.Upsample, Range): _over_time,
    Concat: _concat,
    View: _view,
    nn.Flatten: _flatten,
    (Sum, MatMul, Times): lambda call, neuron: call.module,
}
"""What each plain layer becomes."""
