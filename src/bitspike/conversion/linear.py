"""A plain network with a ReLU before each layer that needs spikes, which computes the same: linear maps become one.

A layer with weights multiplies spikes; so does a max pool compare them. What it cannot read is a current, which
another layer with weights made. Three equations of real numbers take currents away:

- ``relu(max(x)) = max(relu(x))``: a ReLU moves before max pools;
- ``W (g x + b) = (W g) x + W b``: a batch norm of spikes or images goes into the layer behind it;
- ``W2 (W1 x)`` is one convolution, whose kernel is composed of the two; so it is with batch norms and means between.

The last two are exact where no padding meets an offset: a padding of zeros behind an offset is none before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from bitspike.conversion.kernels import Kernel, composed
from bitspike.errors import UserError
from bitspike.frontend import Call, Calls, Concat, MatMul, Permute, Range, Sum, Times, Transpose, View, folded

__all__ = ["check_spikes_read", "with_spikes_read"]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
SYNAPSES = (nn.Conv1d, nn.Conv2d, nn.Linear)
SHAPES = (nn.Flatten, View)
ATTENTION = (MatMul, Permute, Times, Transpose, nn.Unflatten)
ROUTES = (Concat, Range, nn.Upsample)
MEANS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def with_spikes_read(calls: Calls) -> Calls:
    """The same network, whose layers with weights and max pools read spikes or images wherever these equations hold.

    Args:
        calls: of a plain network. Its modules are left as they are.
    """
    network = _Network(calls)
    for call in calls[1:]:
        network.visit(call)
    return network.end()


class _Network:
    """Makes the calls anew, in order.

    Attributes:
        made: the calls so far, in order.
        now: what each call of the old network is.
        sole: of the new calls, those that one other call reads and nobody else.
    """

    def __init__(self, calls: Calls) -> None:
        self.old, self.made, self.now = calls, [calls[0]], {calls[0]: calls[0]}
        self.readers: dict[Call, int] = {}
        for call in calls:
            for before in call.inputs:
                self.readers[before] = self.readers.get(before, 0) + 1
        self.sole: set[Call] = set()

    def visit(self, call: Call) -> None:
        new = replace(call, inputs=tuple(self.now[before] for before in call.inputs))
        if isinstance(new.module, nn.ReLU):
            new = self._relu(new)
        elif _is_plain_synapse(new.module):
            new = self._synapse(new)
        else:
            self.made.append(new)
        self.now[call] = new
        if self.readers.get(call) == 1 and call not in self.old.answers:
            self.sole.add(new)

    def end(self) -> Calls:
        return Calls(tuple(self.made), tuple(self.now[answer] for answer in self.old.answers))

    def _relu(self, relu: Call) -> Call:
        """The ReLU before the max pools that it reads, with the batch norms between; names what is now where it was."""
        chain = self._chain(relu, (nn.MaxPool2d, *NORMS, *SHAPES))
        while chain and not isinstance(chain[0].module, nn.MaxPool2d):
            del chain[0]
        norms = [call for call in chain if isinstance(call.module, NORMS)]
        shapes = [index for index, call in enumerate(chain) if isinstance(call.module, SHAPES)]
        in_order = not norms or not shapes or chain.index(norms[-1]) < shapes[0]
        if not chain or _is_spikes(chain[0].inputs[0]) or not in_order or not all(map(_keeps_order, norms)):
            self.made.append(relu)
            return relu
        self._drop(chain)
        return self._row([*norms, relu, *(call for call in chain if call not in norms)], chain[0].inputs[0])

    def _synapse(self, call: Call) -> Call:
        """The layer, with the batch norms of spikes and the layers with weights that it reads in it."""
        chain = self._chain(call, (*NORMS, *MEANS, *SHAPES))
        first = chain[0].inputs[0] if chain else call.inputs[0]
        if _is_spikes(first):
            norms = [part for part in chain if isinstance(part.module, NORMS)]
            module: nn.Module | None = call.module
            for norm in reversed(norms):
                module = module and _reading(module, norm, chain[chain.index(norm) + 1 :])
            if norms and module is not None:
                self._drop(chain)
                chain = [part for part in chain if part not in norms]
                return self._row([*chain, replace(call, module=module)], first)
        elif first in self.sole and _is_plain_synapse(first.module):
            tokens = isinstance(call.module, nn.Linear) and _axes(first) != 2
            normed = any(isinstance(part.module, NORMS) for part in chain)
            parts = [part.module for part in (first, *chain, call)]
            one = None if tokens and normed else _one_layer(parts)  # its channels are not features, of tokens
            if one is not None:
                self._drop([first, *chain])
                call = replace(call, module=one, inputs=first.inputs)
        self.made.append(call)
        return call

    def _chain(self, call: Call, kinds: tuple[type[nn.Module], ...]) -> list[Call]:
        """The calls of these kinds in a row that ends where ``call`` reads, which nothing else reads."""
        chain: list[Call] = []
        before = call.inputs[0]
        while isinstance(before.module, kinds) and before in self.sole:
            chain.insert(0, before)
            before = before.inputs[0]
        return chain

    def _drop(self, calls: list[Call]) -> None:
        self.made = [call for call in self.made if call not in calls]

    def _row(self, calls: list[Call], before: Call) -> Call:
        """Makes each of ``calls`` read the one before it, and names the last."""
        for call in calls:
            before = replace(call, inputs=(before,))
            self.made.append(before)
            self.sole.add(before)
        self.sole.discard(before)
        return before


def _is_plain_synapse(module: nn.Module) -> bool:
    """Whether it may become one layer with another; a 1-D convolution stays what it is."""
    return isinstance(module, (nn.Conv2d, nn.Linear)) and not parametrize.is_parametrized(module)


def _keeps_order(norm: Call) -> bool:
    """Whether the largest of a window is the largest behind the batch norm, too."""
    return bool((folded(norm.module, torch.float64, norm.path)[0] >= 0).all())  # type: ignore[arg-type]


def _axes(call: Call) -> int:
    """How many axes a tensor of a plain network has, the batch included; 0 where it is not certain."""
    module: Any = call.module
    if not call.inputs:
        return 4
    read = _axes(call.inputs[0])
    match module:
        case View():
            return module.kept + len(module.shape)
        case nn.Flatten():
            first, last = (axis + read if axis < 0 else axis for axis in (module.start_dim, module.end_dim))
            return read and read - last + first
        case nn.Unflatten():
            return read and read - 1 + len(module.unflattened_size)
    return read


def _reading(layer: nn.Module, norm: Call, between: list[Call]) -> nn.Module | None:
    """The layer with a batch norm of spikes in it; what is ``between`` takes means of channels or flattens them."""
    if isinstance(layer, nn.Linear) and not between and _axes(norm) != 2:
        return None  # of tokens: the channels of the norm are not the features of the layer
    kernel = Kernel.of(layer)
    gain, offset = folded(norm.module, torch.float64, norm.path)  # type: ignore[arg-type]
    shapes: list[Any] = [part.module for part in between if isinstance(part.module, SHAPES)]
    flat = isinstance(layer, nn.Linear) and all(_is_flat(shape) for shape in shapes)
    padded = bool(offset.any()) and any(_pads(part.module) for part in between)
    if kernel is None or padded or (shapes and not flat) or kernel.inputs % len(gain):
        return None
    places = kernel.inputs // len(gain) if flat else 1
    made = kernel.reading(gain.repeat_interleave(places), offset.repeat_interleave(places))
    return None if made is None else made.layer(layer)


def _is_flat(module: Any) -> bool:
    if isinstance(module, View):
        return module.kept == 1 and len(module.shape) == 1
    return (module.start_dim, module.end_dim) == (1, -1)


def _pads(module: Any) -> bool:
    return isinstance(module, nn.AvgPool2d) and module.padding not in (0, (0, 0), [0, 0])


def _one_layer(modules: list[nn.Module]) -> nn.Module | None:
    """Two layers with weights, the first and the last, and the batch norms and means between as one."""
    first, *between, last = modules
    if isinstance(first, nn.Linear) is not isinstance(last, nn.Linear):
        return None
    kernel = Kernel.of(first)
    for module in [*between, last]:
        if kernel is None:
            return None
        if isinstance(module, NORMS):
            kernel = kernel.scaled(*folded(module, torch.float64))
        elif isinstance(module, nn.AvgPool2d | nn.Conv2d | nn.Linear):
            channels = len(kernel.weight)
            following = Kernel.mean(module, channels) if isinstance(module, nn.AvgPool2d) else Kernel.of(module)
            kernel = None if following is None else composed(kernel, following)
        else:
            return None
    return None if kernel is None else kernel.layer(last)


def _is_spikes(call: Call) -> bool:
    """Whether a layer with weights can read it: images, what a ReLU sends, their sums, pools, shapes and routes."""
    if isinstance(call.module, nn.ReLU) or not call.inputs:
        return True
    through = isinstance(call.module, (Sum, nn.MaxPool2d, *MEANS, *SHAPES, *ATTENTION, *ROUTES))
    return through and all(_is_spikes(before) for before in call.inputs)


def check_spikes_read(calls: Calls) -> None:
    """Whether all that needs spikes reads them.

    Raises:
        UserError: a layer that does not, by its path.
    """
    for call in calls[1:]:
        module: Any = call.module
        needs = isinstance(module, (nn.MaxPool2d, MatMul, *SYNAPSES)) or _pads(module)
        currents = [before for before in call.inputs if not _is_spikes(before)]
        if not needs or not currents:
            continue
        source = next(part for part in _back(currents[0]) if isinstance(part.module, (*SYNAPSES, *NORMS)))
        seen = f"{type(module).__name__} reads what {source.path} makes, with no ReLU between"
        cannot = f", and the two are not one layer; want a ReLU before it{call.place}"
        if isinstance(source.module, NORMS) and isinstance(module, SYNAPSES):
            cannot = f", and the two are not one layer; want no padding in it, or the batch norm behind it{call.place}"
        raise UserError("layer", call.path, seen + cannot)


def _back(call: Call) -> Iterator[Call]:
    """``call`` and what it is made of, back to layers with weights and ReLUs."""
    if not isinstance(call.module, (nn.ReLU, *SYNAPSES)):
        for before in call.inputs:
            yield from _back(before)
    yield call
