"""The one reader of a user's network: its calls, in the words of `bitspike.frontend.vocabulary`."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import torch.fx
from torch import nn

from bitspike.errors import UserError
from bitspike.frontend.calls import Call, Calls, unused
from bitspike.frontend.inplace import Names
from bitspike.frontend.instead import instead
from bitspike.frontend.overridden import Layers, check_hooks, class_of
from bitspike.frontend.routes import range_of
from bitspike.frontend.sizes import Shape, Size, view
from bitspike.frontend.trace import inside, parent, trace
from bitspike.frontend.vocabulary import WORDS, Images, MeanOverTime, MergeTime, SplitTime, Word
from bitspike.layers import Encoder, EventEncoder, Recurrent, Release, SqueezeTime
from bitspike.neurons import BaseNode

__all__ = ["read"]

VIEWS = ("view", "reshape", torch.reshape)
SWAPPED = (operator.mul,)
"""What may have its tensor second: ``0.5 * x``."""


def read(model: nn.Module, whole: tuple[type[nn.Module], ...] = ()) -> Calls:
    """The calls of ``model`` in evaluation mode, given codes ``[N, ...]``, its other arguments at their defaults.

    They compute what its forward computes: functions are the modules that they equal, what is done in place reaches
    all who read it later, and what does nothing in evaluation mode is left out.

    Args:
        model: any; on the meta device too. It is left as it is.
        whole: classes whose modules are read whole, beside those of the vocabulary.

    Raises:
        UserError: what cannot be read so, by its path in the model; what would be left out, and has hooks.
    """
    layers = Layers(whole)
    reader = _Reader(dict(model.named_modules()), layers)
    for node in trace(model, layers).nodes:
        reader.visit(node)
    return Calls(tuple(reader.calls), reader.answers)


class _Reader:
    def __init__(self, modules: Mapping[str, nn.Module], layers: Layers) -> None:
        self.modules, self.layers = modules, layers
        self.calls: list[Call] = []
        self.answers: tuple[Call, ...] = ()
        self.pieces: dict[torch.fx.Node, tuple[str, Word, dict[str, Any]]] = {}
        self.names = Names()
        self.sizes: dict[torch.fx.Node, Size | Shape] = {}
        self.taken: set[str] = set()
        self.words = {
            target: (name, word) for name, word in WORDS.items() for target in (*word.functions, *word.methods)
        }

    def visit(self, node: torch.fx.Node) -> None:
        if node.op == "placeholder":
            self.calls.append(images := Call("images", Images(), (), ("N",), str(node.target)))
            self.names.new(node, images)
        elif node.op == "call_module":
            self._module(node)
        elif node.op in ("call_function", "call_method"):
            self._function(node)
        elif node.op == "output":
            self.answers = tuple(self._input(node, value) for value in _tensors(node.args[0]))

    def _module(self, node: torch.fx.Node) -> None:
        path = inside(str(node.target))
        module = self.modules[path]
        what = self.layers.known(module)
        if what is None and isinstance(module, nn.MultiheadAttention):  # what it makes is no one tensor
            raise UserError("layer", path, f"MultiheadAttention has no op in the graph{instead('MultiheadAttention')}")
        again = what.again if what else type(module).__module__.startswith("torch.nn") and not _holds(module)
        if path in self.taken and not again:
            raise UserError("layer", path, "called a second time; each layer runs once, so make another one")
        name = unused(path, self.taken, self.modules) if path in self.taken else path
        read = _given(node, module) or [None]
        self._call(node, module, name, path, read, writes=bool(getattr(module, "inplace", False)))

    def _function(self, node: torch.fx.Node) -> None:
        if size := self._size(node):
            self.sizes[node] = size
            return
        if node.target in VIEWS:
            self._view(node)
            return
        if node.target is operator.getitem:
            self._item(node)
            return
        written = _label(node)
        if node.target not in self.words:
            raise UserError("operator", written, f"has no op in the graph{self._place(node)}{instead(written)}")
        name, word = self.words[node.target]
        if node.target in SWAPPED and not isinstance(node.args[0], torch.fx.Node):
            node.args = node.args[::-1]
        if word.spread and not node.kwargs and len(node.args) > 1 and not isinstance(node.args[1], tuple | list):
            node.args = (node.args[0], node.args[1:])
        if word.pieces:
            self.pieces[node] = (name, word, _arguments(node, partial(word.make, index=0)))
            return
        plain = not node.kwargs and len(node.args) == len(word.reads)
        arguments = dict(zip(word.reads, node.args, strict=True)) if plain else _arguments(node, word.make)
        self._word(node, name, word, arguments)

    def _word(self, node: torch.fx.Node, name: str, word: Word, arguments: dict[str, Any]) -> None:
        written = _label(node)
        module = self._made(node, word, arguments)
        writes = node.target in word.writes or bool(arguments.get("inplace"))
        read = [part for key in word.reads for part in _listed(arguments[key])]
        for part in module if isinstance(module, nn.Sequential) else [module]:
            self._call(node, part, f"{parent(node)}.{name}".lstrip("."), written, read, writes)
            read = [node]

    def _item(self, node: torch.fx.Node) -> None:
        """A range of a tensor; or one of the pieces that it was cut into."""
        source, index = node.args
        if isinstance(source, torch.fx.Node) and source in self.pieces and type(index) is int:
            name, word, arguments = self.pieces[source]
            self._word(node, name, word, {**arguments, "index": index})
            return
        if source in self.sizes:
            raise UserError("operator", "a part of a shape", f"want sizes that are numbers{self._place(node)}")
        module = range_of(index)
        if module is None:
            raise UserError("operator", f"x[{index}]", f"want a range of channels: x[:, 0:8]{self._place(node)}")
        self._call(node, module, f"{parent(node)}.slice".lstrip("."), "slice", [source], writes=False)

    def _made(self, node: torch.fx.Node, word: Word, arguments: Mapping[str, Any]) -> nn.Module:
        options = {key: value for key, value in arguments.items() if key not in word.reads}
        for value in options.values():
            if isinstance(value, torch.fx.Node):
                raise UserError("operator", _label(node), f"wants options that are numbers{self._place(node)}")
        try:
            return word.make(**arguments)
        except ValueError as wrong:
            given = f"{_label(node)} with {', '.join(options)}" if options else _label(node)
            raise UserError("operator", given, f"{wrong}{self._place(node)}") from wrong

    def _call(
        self, node: torch.fx.Node, module: nn.Module, name: str, written: str, read: list[Any], writes: bool
    ) -> None:
        """Records the call of ``module`` that ``node`` is, unless it hands on what it reads."""
        inputs = tuple(self._input(node, value) for value in read)
        what = self.layers.known(module)
        if what and what.passes:
            check_hooks(module, name)
            if what.shares:
                self.names.view(node, read[0], inputs[0])
            else:
                self.names.same(node, read[0])
            return
        if node.op != "call_module":
            name = unused(name, self.taken, self.modules)
        place = self._place(node)
        call = self._record(Call(name, module, inputs, _lead(module, name, inputs), written, place))
        if writes:
            self.names.write(read[0], call, f"{written}{place}")
            self.names.same(node, read[0])
        elif what and what.shares:
            self.names.view(node, read[0], call)
        else:
            self.names.new(node, call)

    def _record(self, call: Call) -> Call:
        self.calls.append(call)
        self.taken.add(call.path)
        return call

    def _input(self, node: torch.fx.Node, value: Any) -> Call:
        if isinstance(value, torch.fx.Node) and value in self.names:
            return self.names.value(value)
        seen = inside(_label(value)) if isinstance(value, torch.fx.Node) else value
        raise UserError(f"input of {_label(node)}", seen, f"want a layer's output{self._place(node)}")

    def _size(self, node: torch.fx.Node) -> Size | Shape | None:
        """What ``node`` is if it asks for a size."""
        source, *rest = node.args or (None,)
        if node.target is operator.mul and not isinstance(source, torch.fx.Node):  # 2 * size
            source, rest = rest[0], [source]
        if not isinstance(source, torch.fx.Node):
            return None
        shape = self.sizes.get(source)
        if isinstance(shape, Size) and rest:
            return self._computed(node, shape, rest[0])
        index = next((axis for axis in (*rest, *node.kwargs.values()) if isinstance(axis, int)), None)
        if isinstance(shape, Shape) and node.target is operator.getitem and index is not None:
            return Size(shape.of, index)
        if source in self.names and (node.target == "size" or (node.target is getattr and rest == ["shape"])):
            of = self.names.value(source)
            return Shape(of) if index is None else Size(of, index)
        return None

    def _computed(self, node: torch.fx.Node, size: Size, other: Any) -> Size | None:
        """What the forward makes of a size: a multiple, a part that leaves nothing, or the product with another."""
        more = self.sizes.get(other) if isinstance(other, torch.fx.Node) else other
        if node.target is operator.mul and isinstance(more, Size) and more.plain and size.times == size.by == 1:
            return replace(size, others=(*size.others, more))
        if type(more) is int and more > 0 and size.times == size.by == 1:
            if node.target is operator.mul:
                return replace(size, times=more)
            if node.target is operator.floordiv:
                return replace(size, by=more)
        return None

    def _view(self, node: torch.fx.Node) -> None:
        source, *sizes = (*node.args, *node.kwargs.values())
        if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
            sizes = list(sizes[0])
        known_sizes = [self.sizes.get(size, size) if isinstance(size, torch.fx.Node) else size for size in sizes]
        module = view(self._input(node, source), known_sizes)
        if module is None:
            instead = f"is not certain to keep the batch{self._place(node)}; to flatten, write torch.flatten(x, 1)"
            raise UserError("operator", _label(node), instead)
        word = "flatten" if isinstance(module, nn.Flatten) else "view"
        self._call(node, module, f"{parent(node)}.{word}".lstrip("."), _label(node), [source], writes=False)

    def _place(self, node: torch.fx.Node) -> str:
        """In whose forward a function is called, for messages; with the class of a layer that overrides its own."""
        if node.op == "call_module":
            return ""
        path = parent(node)
        module = self.modules[path]
        of = f", a {class_of(module).__name__}" if self.layers.known(module) else ""
        return f" (in the forward of {path or 'the model'}{of})"


def _lead(module: nn.Module, name: str, inputs: tuple[Call, ...]) -> tuple[str, ...]:
    """The leading axes of what ``module`` makes of ``inputs``."""
    first = inputs[0].lead
    if isinstance(module, Encoder):
        return ("1", *first)
    if isinstance(module, EventEncoder):
        return ("1" if module.sample.T == 1 else f"T of {name}", *first)
    if isinstance(module, MergeTime):
        return ("*".join(first[:2]), *first[2:])
    if isinstance(module, SplitTime):
        return inputs[1].lead
    if isinstance(module, MeanOverTime):
        return first[1:]
    if isinstance(module, BaseNode | Recurrent | Release | SqueezeTime):
        return (f"T of {name}", *first[1:])
    leads = {call.lead for call in inputs}
    longest = max(leads, key=len)
    same = len({lead for lead in leads if len(lead) == len(longest)}) == 1
    return longest if same else (f"T of {name}", *longest[1:])


def _tensors(given: Any) -> tuple[Any, ...]:
    """What a forward answers with: one tensor, or several."""
    if isinstance(given, torch.fx.Node):
        return (given,)
    if isinstance(given, tuple | list) and len(given) > 1 and all(isinstance(one, torch.fx.Node) for one in given):
        return tuple(given)
    raise UserError("model output", type(given).__name__, "want one tensor of logits, or a tuple of several tensors")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def _holds(module: nn.Module) -> bool:
    return any(True for _ in chain(module.parameters(), module.buffers()))


def _arguments(node: torch.fx.Node, function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a call by their names."""
    try:
        return dict(inspect.signature(function).bind(*node.args, **node.kwargs).arguments)
    except TypeError as wrong:
        raise UserError("operator", _label(node), str(wrong)) from wrong


def _given(node: torch.fx.Node, module: nn.Module) -> list[Any]:
    """What a module is called with, by position or by name, without what is its default."""
    if not node.kwargs:
        return list(node.args)
    defaults = inspect.signature(module.forward).parameters
    given = _arguments(node, module.forward)
    return [value for name, value in given.items() if value is not defaults[name].default]


def _label(node: torch.fx.Node) -> str:
    if node.op == "call_module":
        return inside(str(node.target))
    if node.target is getattr:
        return str(node.args[1])
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
