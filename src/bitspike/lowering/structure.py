"""An ``nn.Module`` to the structural graph: the front end reads calls, the ops infer shapes. Weights are not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from torch import nn

from bitspike.errors import UserError
from bitspike.frontend import (
    Call,
    Calls,
    Images,
    MeanOverTime,
    MergeTime,
    SplitTime,
    View,
    class_of,
    instead,
    needed,
    network,
    read,
    unused,
)
from bitspike.ir import Add, Delay, Edge, Graph, Node, Over, Readout
from bitspike.layers import Answer, Recurrent
from bitspike.lowering.rules import Maker, Place, Reads, makers, rule_of
from bitspike.sample import AnySample, Sample, as_sample

__all__ = ["OVER", "in_modules", "lower", "structure"]

AXES = {1: Reads.MERGED.value, 2: Reads.STEPS.value}
"""What a tensor has before the shape of its edge, by how many axes it is."""
OVER: Mapping[Answer, Over] = MappingProxyType({"mean": "sum", "last": "last", "each": "each"})
"""What a readout is called of real numbers, and of integers, which are added up for a mean."""
TIME = {MergeTime: Reads.STEPS, SplitTime: Reads.MERGED}
"""What only moves the time axis: the shapes of the graph are of one step."""


def lower(model: nn.Module, sample: AnySample, name: str = "network", readout: Answer = "mean") -> Graph:
    """The structural graph of ``model``: shapes, steps, ranges and bits of every layer.

    Ops are named after the modules they come from. Works on the meta device too.

    Args:
        model: codes ``[N, *sample.array_shape]``, of images the pixels ``[N, C, H, W]``, to logits ``[T, N, K]`` (or
            ``[N, K]``, for a network without neurons); or to a tuple of tensors, ``[T, N, ...]`` each, a readout of
            each of which ends the graph, in that order.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        name: of the graph.
        readout: what the answer is of the logits of all steps: their ``mean``, those of the ``last``, or of ``each``.

    Raises:
        UserError: an operator that has no op (named with its path in the model), or shapes that do not fit.
    """
    return structure(model, sample, name, readout)[0]


def structure(
    model: nn.Module, sample: AnySample, name: str = "network", readout: Answer = "mean"
) -> tuple[Graph, dict[str, nn.Module]]:
    """`lower`, and by the name of each op the module that it comes from."""
    calls, builder = _built(model, sample)
    builder.end(calls.answers, readout)
    return Graph(name, tuple(builder.nodes)), builder.modules


def in_modules(model: nn.Module, sample: AnySample) -> tuple[nn.Module, dict[str, nn.Module]]:
    """The network with a module for each function of its forward, and what each op comes from, by the op's name."""
    calls, builder = _built(model, sample)
    return network(calls, calls.answers, training=False), builder.modules


def _built(model: nn.Module, sample: AnySample) -> tuple[Calls, _Builder]:
    there = makers()
    calls = needed(read(model, whole=tuple(there)))
    builder = _Builder(
        {path for path, _ in model.named_modules()} | {call.path for call in calls}, there, as_sample(sample)
    )
    for call in calls:
        builder.visit(call)
    return calls, builder


class _Builder:
    """Makes an op of each call, in order.

    Attributes:
        makers: how modules become ops, by their class.
        paths: names that an op without a call of its own may not have.
        nodes, edges: of the graph, so far.
        modules: by the name of the op, what it comes from.
    """

    def __init__(self, paths: set[str], makers: Mapping[type[nn.Module], Maker], sample: Sample) -> None:
        self.paths, self.makers = paths, makers
        self.sample = sample
        self.images = Edge(shape=sample.shape, T=sample.T, lo=sample.lo, hi=sample.hi)
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.modules: dict[str, nn.Module] = {}
        self.ops: dict[Call, str] = {}

    def visit(self, call: Call) -> None:
        if isinstance(call.module, Images):
            return  # an op where they are read without an encoder
        if type(call.module) in TIME:
            _check_time(call, TIME[type(call.module)])
            self.ops[call] = self._op(call.inputs[0])
            return
        if isinstance(call.module, Recurrent):
            self._loop(call, call.module)
            return
        maker = self._maker(call)
        if maker.reads is Reads.IMAGES:
            if not isinstance(call.inputs[0].module, Images):
                raise UserError(f"input of {call.written}", call.inputs[0].written, "want the images themselves")
            place = Place(call.path, (), (self.images,), 1)
        else:
            for before in call.inputs:
                _check_not_the_end(call, before)
            inputs = tuple(self._op(before) for before in call.inputs)
            _check_time(call, maker.reads, maker.kind, maker.instead)
            axes = [len(before.lead) for before in call.inputs]
            if isinstance(call.module, View):
                self._settle(call.module, call)
            alike = min(axes) == max(axes)
            place = Place(call.path, inputs, tuple(self.edges[name] for name in inputs), max(axes), alike)
        self.ops[call] = self._add(maker.make(call.module, place), call.module)

    def _settle(self, view: View, call: Call) -> None:
        """Makes numbers of the sizes that the forward asked for, and checks what it took for granted."""
        steps = self.edges[self.ops[call.inputs[0]]].T
        for other in view.steps:
            if self.ops.get(other) is None or steps != self.edges[self.ops[other]].T:
                wanted = f"want the {steps} steps of what it reads{call.place}"
                raise UserError(f"{call.written} {call.path}", f"the steps of {other.path}", wanted)
        view.shape = view.found(lambda of: self._shape(call, of))

    def _shape(self, view: Call, of: Call) -> tuple[int, ...]:
        """What ``of`` made behind its leading axes, of which ``view`` asks a size."""
        if of in self.ops:
            return self.edges[self.ops[of]].shape
        if isinstance(of.module, Images):
            return self.sample.array_shape
        wanted = f"nothing else of it reaches the answer; want a size of what does{view.place}"
        raise UserError(f"{view.written} {view.path}", f"a size of {of.path}", wanted)

    def _loop(self, call: Call, layer: Recurrent) -> None:
        """Neurons that read themselves: a delay of what they send, the feedback, and the sum with what comes in."""
        _check_time(call, Reads.STEPS, "recurrent layer", "put it outside of an OverTime")
        _check_not_the_end(call, call.inputs[0])
        source, node = self._op(call.inputs[0]), layer.node
        maker = self._maker(replace(call, module=node))
        sent = maker.make(node, Place(call.path, (source,), (self.edges[source],), 2))
        edge = sent.infer(self.edges[source])
        delay = Delay(name=self._free(f"{call.path}.before"), inputs=(), of=call.path, edge=edge)
        before = self._add(delay, layer)
        inside = needed(read(layer.feedback, whole=tuple(self.makers)))
        now: dict[Call, Call] = {}
        for part in inside:
            path = f"{call.path}.feedback.{part.path}".removesuffix(".")
            now[part] = replace(part, path=path, inputs=tuple(now[one] for one in part.inputs))
            if isinstance(part.module, Images):
                self.ops[now[part]] = before
            else:
                self.visit(now[part])
            self.ops[part] = self.ops[now[part]]  # of which views inside ask sizes
        both = (source, self._op(now[inside.answer]))
        total = self._add(Add(name=self._free(f"{call.path}.add"), inputs=both), node)
        self.ops[call] = self._add(replace(sent, inputs=(total,)), node)

    def _free(self, name: str) -> str:
        return unused(name, self.edges, self.paths)

    def end(self, answers: tuple[Call, ...], readout: Answer) -> None:
        """The readouts behind the network's answers, in their order, unless they are there."""
        if readout not in OVER:
            raise UserError("readout", readout, f"want {', '.join(OVER)}")
        if len(set(answers)) < len(answers):
            raise UserError("model output", "one tensor twice", "want each tensor of the answer once")
        there = {node.name: node for node in self.nodes if rule_of(node).ends}
        self.nodes = [node for node in self.nodes if node.name not in there]
        for index, answer in enumerate(answers):
            op = self._op(answer)
            if op in there:
                if readout != "mean":
                    wanted = f"{answer.written} answers with the mean over time; leave that out"
                    raise UserError("readout", readout, wanted)
                self.nodes.append(there[op])
            else:
                self._end(op, answer, readout, f"readout{index}" if len(answers) > 1 else "readout")

    def _end(self, op: str, answer: Call, readout: Answer, name: str) -> None:
        if readout == "each" and (self.edges[op].T == 1 or self.images.T not in (1, self.edges[op].T)):
            seen = f"logits of {self.edges[op].T} steps behind an input of {self.images.T}"
            raise UserError("readout each", seen, "want an answer at each step of the input; neurons send their mean")
        self._add(Readout(name=self._free(name), inputs=(op,), over=OVER[readout]), answer.module)

    def _op(self, call: Call) -> str:
        """The op of an earlier call, or of images that no encoder has read, unquantized."""
        if call not in self.ops:
            place = Place(unused("input", self.edges, self.paths), (), (self.images,), 1)
            self.ops[call] = self._add(self._maker(call).make(call.module, place), call.module)
        return self.ops[call]

    def _maker(self, call: Call) -> Maker:
        for kind in type(call.module).__mro__:
            if kind in self.makers:
                return self.makers[kind]
        name = class_of(call.module).__name__
        raise UserError("layer", call.path or "the model", f"{name} has no op in the graph{instead(name)}")

    def _add(self, node: Node, module: nn.Module) -> str:
        self.edges[node.name] = node.infer(*(self.edges[i] for i in node.inputs))
        self.nodes.append(node)
        self.modules[node.name] = module
        return node.name


def _check_not_the_end(call: Call, before: Call) -> None:
    """Says where something reads the mean over time, which is the network's answer and nothing else."""
    if isinstance(before.module, MeanOverTime):
        wanted = f"want the mean over time at the very end{call.place}"
        raise UserError(f"input of {call.written}", before.written, wanted)


def _check_time(call: Call, wanted: Reads, kind: str = "layer", instead: str = "") -> None:
    """Says where the time axis is forgotten, or not merged: the mistake that a first model makes."""
    has = AXES[len(call.inputs[0].lead)]
    if wanted is Reads.EITHER or has == wanted.value:
        return
    if call.place:
        raise UserError(f"input of {call.written}", has, f"want {wanted.value}{call.place}")
    raise UserError(f"{kind} {call.path}", has, f"wants {wanted.value}: {instead}")
