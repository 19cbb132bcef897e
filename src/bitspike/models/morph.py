"""SNN-friendly morphing (paper 003, Sections 3.1 and 3.3): what a network changes before it is converted."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import torch
import torch.fx
from torch import nn

from bitspike.errors import UserError
from bitspike.layers import Encoder, OverTime
from bitspike.neurons import BaseNode, QReLU
from bitspike.quant import synapses

__all__ = ["morph"]

ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


def morph(model: nn.Module, reroute: bool = False) -> nn.Module:
    """The network of `QReLU` that can be converted: mean pools for max pools, no dropout, one step for what is added.

    Where spikes of two layers are added and read by a synapse, the layers share one step size (the same parameter), so
    that the sum is an integer too. Parameters keep their names.

    Args:
        model: a network of `QReLU`; changed in place.
        reroute: residual connection re-routing: where a Q-ReLU reads a sum, each current of the sum goes through a
            Q-ReLU of its own, and what the Q-ReLU sent is their sum: ``QReLU(main) + x`` at an identity shortcut,
            ``QReLU(main) + QReLU(BN(conv(x)))`` at a convolution (RCR, Fig. 3).

    Returns:
        The model, or where it was re-routed another with its modules.

    Raises:
        UserError: a max pool of which there is no mean pool.
    """
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            if module.ceil_mode or module.dilation not in (1, (1, 1)):
                raise UserError(f"max pool {name}", module, "want plain windows: no ceil_mode or dilation")
            model.set_submodule(name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
        elif isinstance(module, nn.Dropout | nn.Dropout2d):
            model.set_submodule(name, nn.Identity())
    graph = _Tracer().trace(model)
    if reroute:
        modules = dict(model.named_modules())
        for call in list(graph.nodes):
            total = call.args[0] if _is_neuron(modules, call) else None
            if isinstance(total, torch.fx.Node) and _is_sum(total) and len(total.users) == 1:
                _split(model, graph, call, total)
        model = torch.fx.GraphModule(model, graph)
    _share_steps(model, graph)
    return model


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, BaseNode | Encoder | OverTime) or super().is_leaf_module(m, module_qualified_name)


def _is_neuron(modules: dict[str, nn.Module], call: torch.fx.Node) -> bool:
    return call.op == "call_module" and isinstance(modules[str(call.target)], QReLU)


def _is_sum(call: object) -> bool:
    return isinstance(call, torch.fx.Node) and call.target in ADDITIONS


def _neurons_behind(modules: dict[str, nn.Module], call: torch.fx.Node) -> list[str] | None:
    """The neurons whose spikes ``call`` is, or is a sum or a pool of; ``None`` where it is a current."""
    if _is_neuron(modules, call):
        return [str(call.target)]
    if _is_sum(call):
        found = [_neurons_behind(modules, part) for part in call.all_input_nodes]
        return None if None in found else [name for names in found for name in names or ()]
    if call.op == "call_module" and not _is_current(modules[str(call.target)]):
        return _neurons_behind(modules, call.all_input_nodes[0]) if call.all_input_nodes else None
    return None


def _is_current(module: nn.Module) -> bool:
    """Whether its output is no spikes even where its input is."""
    norms = any(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in module.modules())
    return norms or bool(synapses(module)) or isinstance(module, Encoder)


def _split(model: nn.Module, graph: torch.fx.Graph, call: torch.fx.Node, total: torch.fx.Node) -> None:
    """Moves a neuron from behind a sum, which nothing else reads, onto the currents in it."""
    modules = dict(model.named_modules())
    currents = [part for part in total.all_input_nodes if _neurons_behind(modules, part) is None]
    neuron, name = modules[str(call.target)], str(call.target)
    assert isinstance(neuron, QReLU)
    sent: dict[torch.fx.Node, torch.fx.Node] = {}
    for index, part in enumerate(currents):
        path = name if index == 0 else f"{name}_shortcut"
        if index:
            model.set_submodule(path, QReLU(neuron.levels, neuron.paths, neuron.scaled))
        with graph.inserting_before(total):
            sent[part] = graph.call_module(path, (part,))
            sent[part].meta = dict(call.meta)
    for part, spikes in sent.items():
        total.replace_input_with(part, spikes)
    call.replace_all_uses_with(total)
    graph.erase_node(call)


def _share_steps(model: nn.Module, graph: torch.fx.Graph) -> None:
    modules = dict(model.named_modules())
    for names in _added(modules, graph):
        first = modules[names[0]]
        for name in names[1:]:
            other = modules[name]
            shared = other.step_size
            for module in modules.values():  # all that shared with it before
                if isinstance(module, QReLU) and module.step_size is shared:
                    module.step_size = first.step_size


def _added(modules: dict[str, nn.Module], graph: torch.fx.Graph) -> Iterator[list[str]]:
    for call in graph.nodes:
        if _is_sum(call) and (names := _neurons_behind(modules, call)):
            yield names
