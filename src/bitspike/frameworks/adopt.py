"""A model of another framework as a network of the house, whose neurons send the same spikes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch.fx
from torch import nn

from bitspike.conversion import house_layer
from bitspike.errors import UserError
from bitspike.frameworks.framework import FRAMEWORKS, Framework
from bitspike.frameworks.nir import network_of_nir
from bitspike.frameworks.roll import Rolled, roll
from bitspike.frameworks.trace import trace
from bitspike.frontend import Call, check_hooks, needed, network, read, unused
from bitspike.layers import Encoder, EventEncoder

__all__ = ["adopt"]


ELSEWHERE = {
    "brevitas": "want nn.Conv2d and nn.Linear with its weights, and bitspike.quant.quantize_weights with its widths",
    "norse": "want a model of SpikingJelly or snnTorch, whose neurons are known",
    "sinabs": "want a model of SpikingJelly or snnTorch, whose neurons are known",
}
"""Packages whose classes are known not to be taken in, and what would do."""


class Spot(nn.Module):
    """Where neurons stand in one step of a network, while that is read."""

    def __init__(self, node: nn.Module) -> None:
        super().__init__()
        self.node = node

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def adopt(
    model: nn.Module | str | Path, T: int | None = None, encoder: Encoder | EventEncoder | None = None
) -> nn.Module:
    """The network ``model``, a copy with its weights: codes ``[N, ...]`` to what its last layer sends, ``[T, N, K]``.

    It may loop over the steps in its forward, take all of them at once, or take one while its user loops. What its
    forward makes of all steps at the end (a stack, a sum, a mean) is left out: the readout of the house is their mean.

    Args:
        model: of one framework of `FRAMEWORKS`; it is left as it is, but for what its neurons keep. Or a NIR file.
        T: steps, where the model leaves them to its user.
        encoder: how it sees its input: ``Encoder(mean=..., std=...)`` of images, by default pixels/255, or
            ``EventEncoder(sample)`` of trains.

    Raises:
        UserError: a class or an operator that has no counterpart, by its path; a step that is not like the others; no
            neurons of any framework, or of two.
    """
    if isinstance(model, str | Path):
        return _of_nir(model, T, encoder or Encoder(mean=0.0, std=1.0))
    framework = _framework_of(model)
    modules = dict(model.named_modules())
    rolled = roll(*trace(model, framework), framework)
    seen = encoder or Encoder(mean=0.0, std=1.0)
    steps = _steps(rolled, T, seen)
    parts = {}
    for node in rolled.graph.nodes:
        if node.op == "call_module":
            path = str(node.target)
            parts[path] = _part(modules[path], path, framework, steps)
    calls = needed(read(torch.fx.GraphModule(parts, rolled.graph).eval(), whole=(Spot,)))
    taken = {path.split(".")[0] for path in (*modules, *(call.path for call in calls))}
    images, made = calls[0], {}
    made[images] = Call(unused("encoder", taken), seen, (images,), ("1", "N"), "encoder")
    for call in calls[1:]:
        check_hooks(call.module, call.path)
        module = call.module.node if isinstance(call.module, Spot) else house_layer(call)
        made[call] = replace(call, module=module, inputs=tuple(made[before] for before in call.inputs))
    return network((images, *made.values()), [made[one] for one in calls.answers], training=model.training)


def _of_nir(path: str | Path, T: int | None, encoder: Encoder | EventEncoder) -> nn.Module:
    of_input = encoder.sample.T if isinstance(encoder, EventEncoder) else 1
    steps = of_input if T is None and of_input > 1 else T
    if steps is None:
        raise UserError("T", None, "a NIR file has no number of steps; want T=...")
    if of_input not in (1, steps):
        raise UserError("T", steps, f"the input has {of_input} steps")
    return network_of_nir(path, steps, encoder)


def _framework_of(model: nn.Module) -> Framework:
    for path, module in model.named_modules():
        package = type(module).__module__.partition(".")[0]
        if package in ELSEWHERE:
            name = type(module).__name__
            raise UserError("layer", path or "the model", f"{name} of {package} is not taken in; {ELSEWHERE[package]}")
    found = [one for one in FRAMEWORKS.values() if any(one.has(module) for module in model.modules())]
    if len(found) == 1:
        return found[0]
    known = ", ".join(FRAMEWORKS)
    if found:
        raise UserError("model", [one.package for one in found], "want the classes of one framework")
    wanted = f"want a model of {known}; `bitspike convert` takes plain networks of nn.ReLU"
    raise UserError("model", type(model).__name__, wanted)


def _steps(rolled: Rolled, given: int | None, encoder: Encoder | EventEncoder) -> int:
    """How many the network takes, where model, caller and encoder each may say so."""
    of_input = encoder.sample.T if isinstance(encoder, EventEncoder) else 1
    if rolled.train and of_input == 1:
        wanted = "its steps read one each of the input: encoder=EventEncoder(Sample(shape, T, lo, hi))"
        raise UserError("encoder", type(encoder).__name__, wanted)
    if rolled.train is False and of_input > 1:
        raise UserError("encoder", f"{of_input} steps", "the model reads the same input at each; want an image's")
    said = {"the model": rolled.T, "T": given, "the input": None if of_input == 1 else of_input}
    counts = {who: count for who, count in said.items() if count is not None}
    if not counts:
        raise UserError("T", None, "the model takes one step at a time; want how many: T=...")
    if len(set(counts.values())) > 1:
        raise UserError("T", counts, "want one number of steps")
    return next(iter(counts.values()))


def _part(module: nn.Module, path: str, framework: Framework, T: int) -> nn.Module:
    name = framework.name(module) or ""
    if name in framework.neurons:
        try:
            return Spot(framework.neurons[name](module, T))
        except UserError as wrong:
            raise UserError(f"neuron {path}: {wrong.thing}", wrong.seen, wrong.would_do) from wrong
    try:
        copied = deepcopy(module)
    except Exception as wrong:  # whatever its own code or a tensor that it keeps raises
        raise UserError("layer", path, f"cannot be copied: {wrong}") from wrong
    return framework.layers[name](copied) if name in framework.layers else copied
