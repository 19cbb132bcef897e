"""SNN-friendly morphing (paper 003, Sections 3.1 and 3.3): what a network changes before it is converted."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import nn

from bitspike.errors import UserError
from bitspike.frontend import Call, Calls, Concat, Sum, network, read, unused
from bitspike.layers import Encoder, OverTime
from bitspike.neurons import QReLU
from bitspike.quant import synapses

__all__ = ["MaxPools", "morph"]


MaxPools = Literal["mean", "spiking"]
"""What a max pool becomes: a mean pool; or it stays, and is a `bitspike.layers.SpikingMaxPool2d` once converted."""


def morph(model: nn.Module, reroute: bool = False, max_pool: MaxPools = "mean") -> nn.Module:
    """The network of `QReLU` that can be converted: no dropout, one step for what is added, mean pools for max pools.

    Where spikes of two layers are added and read by a synapse, the layers share one step size (the same parameter), so
    that the sum is an integer too. Parameters keep their names.

    Args:
        model: a network of `QReLU`; changed in place.
        reroute: residual connection re-routing: where a Q-ReLU reads a sum, each current of the sum goes through a
            Q-ReLU of its own, and what the Q-ReLU sent is their sum: ``QReLU(main) + x`` at an identity shortcut,
            ``QReLU(main) + QReLU(BN(conv(x)))`` at a convolution (RCR, Fig. 3).
        max_pool: what max pools become.

    Returns:
        The model, or where it was re-routed another with its modules.

    Raises:
        UserError: a max pool of which there is no other, or one of currents, which is near no mean and is no spikes.
    """
    if any(isinstance(module, nn.MaxPool2d) for module in model.modules()):
        for call in read(model):
            if isinstance(call.module, nn.MaxPool2d) and _reads_current(call):
                raise UserError(f"max pool {call.path}", "a current", "wants spikes: put a neuron before it")
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            if module.ceil_mode or module.dilation not in (1, (1, 1)):
                raise UserError(f"max pool {name}", module, "want plain windows: no ceil_mode or dilation")
            if max_pool == "mean":
                model.set_submodule(name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
        elif isinstance(module, nn.Dropout | nn.Dropout2d):
            model.set_submodule(name, nn.Identity())
    calls = read(model, whole=(OverTime,))
    if reroute:
        calls = _rerouted(calls)
        model = network(calls, calls.answers, model.training)
    _share_steps(calls)
    return model


def _neurons_behind(call: Call) -> list[Call] | None:
    """The neurons whose spikes ``call`` is, or joins, or is a sum or a pool of; ``None`` where it is a current."""
    if isinstance(call.module, QReLU):
        return [call]
    if isinstance(call.module, Sum | Concat):
        found = [_neurons_behind(part) for part in dict.fromkeys(call.inputs)]
        return None if None in found else [neuron for neurons in found for neuron in neurons or ()]
    return None if _is_current(call.module) or not call.inputs else _neurons_behind(call.inputs[0])


def _is_current(module: nn.Module) -> bool:
    """Whether its output is no spikes even where its input is."""
    norms = any(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in module.modules())
    return norms or bool(synapses(module)) or isinstance(module, Encoder)


def _reads_current(call: Call) -> bool:
    """Whether a layer with weights or a batch norm is before it, with no neuron between."""
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    through = (before for before in call.inputs if not isinstance(before.module, QReLU | nn.ReLU))  # either rectifies
    return any(isinstance(before.module, kinds) or _reads_current(before) for before in through)


def _rerouted(calls: Calls) -> Calls:
    """The same network with neurons moved from behind a sum, which nothing else reads, onto the currents in it."""
    neuron_of = {
        call.inputs[0]: call
        for call in calls
        if isinstance(call.module, QReLU)
        and isinstance(call.inputs[0].module, Sum)
        and len(calls.readers(call.inputs[0])) == 1
        and call.inputs[0] not in calls.answers
    }
    paths = {call.path for call in calls}
    made: list[Call] = []
    now: dict[Call, Call] = {}
    for call in calls:
        inputs = tuple(now[part] for part in call.inputs)
        if call in neuron_of:
            sent = _neurons_on(neuron_of[call], inputs, paths)
            paths.update(neuron.path for neuron in sent.values())
            made += sent.values()
            inputs = tuple(sent.get(part, part) for part in inputs)
        elif call in neuron_of.values():
            now[call] = now[call.inputs[0]]
            continue
        now[call] = replace(call, inputs=inputs)
        made.append(now[call])
    return Calls(tuple(made), tuple(now[answer] for answer in calls.answers))


def _neurons_on(neuron: Call, parts: tuple[Call, ...], taken: set[str]) -> dict[Call, Call]:
    """A call of a Q-ReLU for each current of a sum: the first is ``neuron``, others get names that are free."""
    was = neuron.module
    assert isinstance(was, QReLU)
    sent: dict[Call, Call] = {}
    for part in dict.fromkeys(parts):
        if _neurons_behind(part) is None:
            if type(was) is not QReLU:
                wanted = f"want false: the paper moves Q-ReLUs onto what is added, and {neuron.path} is none"
                raise UserError("methods.paths-ensemble.reroute", type(was).__name__, wanted)
            path = unused(f"{neuron.path}_shortcut", taken) if sent else neuron.path
            module = QReLU(was.levels, was.paths, was.scaled) if sent else was
            sent[part] = replace(neuron, path=path, module=module, inputs=(part,))
    return sent


def _share_steps(calls: Calls) -> None:
    neurons = [call.module for call in calls if isinstance(call.module, QReLU)]
    for call in calls:
        behind = _neurons_behind(call) if isinstance(call.module, Sum) else None
        added = [neuron.module for neuron in behind or () if isinstance(neuron.module, QReLU)]
        for other in added[1:]:
            shared = other.step_size
            for neuron in neurons:  # all that shared with it before
                if neuron.step_size is shared:
                    neuron.step_size = added[0].step_size
