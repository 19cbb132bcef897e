"""One step of a model that was traced over all of its steps: loops are rolled up again, and checked to be alike."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
from torch import nn

from bitspike.errors import UserError
from bitspike.frameworks.framework import Framework
from bitspike.frontend.trace import inside

__all__ = ["Rolled", "roll"]

ADD = (operator.add, operator.iadd, torch.add, "add", "add_")
SCALED = (operator.truediv, operator.itruediv, operator.mul, torch.div, torch.mul, "div", "mul")
REDUCED = ("mean", "sum", torch.mean, torch.sum)
ZEROS = (torch.zeros, torch.zeros_like, "new_zeros")
ALIKE = (nn.Linear, nn.ReLU, nn.Identity, nn.Dropout)
"""Layers of torch that make of ``[T, N, ...]`` what they make of each step."""


@dataclass(frozen=True)
class Rolled:
    """One step of a network, ``[N, ...]`` to ``[N, K]``, as a graph over the modules of the model.

    Attributes:
        graph: its module calls have the paths of the model.
        T: how many steps the model has; ``None`` where it leaves that to who calls it.
        train: whether each step reads one of its own of the input; ``None`` where the caller decides.
    """

    graph: torch.fx.Graph
    T: int | None
    train: bool | None


def roll(graph: torch.fx.Graph, root: nn.Module, framework: Framework) -> Rolled:
    """The one step that all steps of ``graph`` are.

    Raises:
        UserError: the steps are not alike, one reads another than itself or a potential, or the answer is not made
            of the last layer at each step.
    """
    roller = _Roller(graph, root, framework)
    return roller.over_axis() if roller.many else roller.over_loop()


class _Roller:
    def __init__(self, graph: torch.fx.Graph, root: nn.Module, framework: Framework) -> None:
        self.graph, self.root, self.framework = graph, root, framework
        self.modules = {inside(path): module for path, module in root.named_modules()}
        self.calls: dict[str, list[torch.fx.Node]] = {}
        for node in graph.nodes:
            if node.op == "call_module" and framework.name(self._module(node)) in framework.neurons:
                self.calls.setdefault(inside(str(node.target)), []).append(node)
        if not self.calls:
            raise UserError("model", "no neurons", f"want some of {', '.join(framework.neurons)} ({framework.package})")
        modes = {framework.many_steps(self.modules[path]) for path in self.calls}
        if len(modes) > 1:
            raise UserError("step mode", "some neurons take all steps at once and others one", "want all alike")
        (self.many,) = modes
        self.input = next(node for node in graph.nodes if node.op == "placeholder")
        self.train: bool | None = None
        self.steps = {node: (path, k) for path, made in self.calls.items() for k, node in enumerate(made)}
        self._known: dict[tuple[torch.fx.Node, int], int] = {}
        self._ids: dict[Any, int] = {}

    # Steps in a loop of the forward, or one step and the loop outside of it.

    def over_loop(self) -> Rolled:
        counts = {path: len(made) for path, made in self.calls.items()}
        T = max(counts.values())
        for path, count in counts.items():
            if count != T:
                raise UserError("neuron", path, f"called {count} times, and others {T} times; want all at every step")
        self.T = T
        for path, made in self.calls.items():
            for k, node in enumerate(made):
                self._check_state(path, k, node)
                if self.same(self._current(node), k) != self.same(self._current(made[0]), 0):
                    raise UserError("step", k, f"{path} reads there something else than at the first step")
        (given,) = (node for node in self.graph.nodes if node.op == "output")
        answers = self._answers(given.args[0])
        if len(answers) != T or len({self.same(node, t) for t, node in enumerate(answers)}) > 1:
            raise UserError("answer", f"{len(answers)} steps", f"want what the last layer sends at each of the {T}")
        self.train = self.train or (False if T > 1 else None)
        return Rolled(self._one_step(answers[0]), T if T > 1 else None, self.train)

    def same(self, value: Any, t: int) -> int:
        """A number that is the same of what steps compute alike: ``value``, as it is read at step ``t``."""
        if not isinstance(value, torch.fx.Node):
            return self._id(("value", repr(value)))
        if (value, t) not in self._known:
            self._known[value, t] = self._id(self._said(value, t))
        return self._known[value, t]

    def _id(self, key: Any) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def _said(self, node: torch.fx.Node, t: int) -> Any:
        if sent := self._sent(node):
            path, k = sent
            if k != t:
                wanted = "neurons that read an earlier step are not taken in; want bitspike.layers.Recurrent"
                raise UserError("neuron", path, f"what it sends at step {k} is read at step {t}: {wanted}")
            return ("spikes", path)
        if node is self.input:
            return ("input",)
        if self._is_step_of_input(node):
            if node.args[1] != t:
                raise UserError("input", f"[{node.args[1]}] at step {t}", "want the step's own: x[t]")
            self.train = True
            return ("input",)
        if node.op == "get_attr":
            raise UserError("tensor", inside(str(node.target)), "a tensor of the model's own is not taken in")
        sources = tuple(self._args(node.args, t)), tuple((k, *self._args([v], t)) for k, v in node.kwargs.items())
        return (node.op, str(node.target), *sources)

    def _args(self, values: Sequence[Any], t: int) -> Iterator[Any]:
        for value in values:
            yield tuple(self._args(value, t)) if isinstance(value, tuple | list) else self.same(value, t)

    def _sent(self, node: torch.fx.Node) -> tuple[str, int] | None:
        """Which neurons at which step send ``node``, if it is spikes."""
        if node in self.steps:
            return None if self._tupled(node) else self.steps[node]
        call: Any = node.args[0] if node.args else None
        if node.target is operator.getitem and call in self.steps and self._tupled(call):
            if node.args[1] != 0:
                wanted = "a potential is no answer of neurons; want their spikes"
                raise UserError("neuron", self.steps[call][0], f"its potential is read: {wanted}")
            return self.steps[call]
        return None

    def _tupled(self, node: torch.fx.Node) -> bool:
        return self.framework.tupled(self._module(node))

    def _is_step_of_input(self, node: torch.fx.Node) -> bool:
        return node.target is operator.getitem and node.args[0] is self.input and isinstance(node.args[1], int)

    def _current(self, node: torch.fx.Node) -> Any:
        return node.args[0] if node.args else next(iter(node.kwargs.values()))

    def _check_state(self, path: str, k: int, node: torch.fx.Node) -> None:
        """That a state which the forward passes is that of the step before, and nothing at first."""
        before = self.calls[path][k - 1] if k else None
        states = [*node.args[1:], *(value for name, value in node.kwargs.items() if name != "input_")]
        for index, state in enumerate(states, start=1):
            if before is None and (state is None or self._is_zero(state)):
                continue
            read = isinstance(state, torch.fx.Node) and state.target is operator.getitem and state.args
            if before is None or not read or tuple(read) != (before, index):
                wanted = "want the state of the step before, and zeros before the first"
                raise UserError("neuron", path, f"it is given another state at step {k}: {wanted}")

    def _is_zero(self, state: Any) -> bool:
        if isinstance(state, torch.fx.Node) and state.op == "get_attr":
            found: Any = self.root
            for name in str(state.target).split("."):
                found = getattr(found, name)
            return isinstance(found, torch.Tensor) and not bool(found.any())
        return isinstance(state, torch.fx.Node) and state.target in ZEROS

    def _answers(self, given: Any) -> list[torch.fx.Node]:
        """What the network answers at each step, from what its forward returns: the first, if that are several."""
        if isinstance(given, tuple | list):
            several = [one for one in given if isinstance(one, torch.fx.Node)]
            if len(several) == self.T > 1 and len(several) == len(given) and self._each(several):
                return several
            if not given:
                raise UserError("answer", "nothing", "want what the last layer sends")
            return self._answers(given[0])
        if not isinstance(given, torch.fx.Node):
            raise UserError("answer", type(given).__name__, "want what the last layer sends")
        if _stacked(given):
            return list(given.args[0])  # type: ignore[arg-type]
        if _is_over_stack(given):
            return self._answers(given.args[0])
        if given.target in SCALED and isinstance(given.args[1], int | float):
            inner: Any = given.args[0]
            if _is_over_stack(inner) or (self.T > 1 and len([*self._terms(inner)]) == self.T):
                return self._answers(inner)
        if self.T > 1:
            return [*self._terms(given)]
        return [given]

    def _terms(self, node: torch.fx.Node) -> Iterator[torch.fx.Node]:
        """The terms of a sum that a loop made."""
        starts = any(not isinstance(part, torch.fx.Node) and part == 0 for part in node.args)  # total = 0
        if node.target in ADD and (starts or not self._within_a_step(node)):
            for part in node.args:
                if isinstance(part, torch.fx.Node):
                    yield from self._terms(part)
        else:
            yield node

    def _within_a_step(self, node: torch.fx.Node) -> bool:
        return any(self._each([node], t) for t in range(self.T))

    def _each(self, nodes: Sequence[torch.fx.Node], first: int = 0) -> bool:
        """Whether each is of its step, from the step ``first`` on."""
        try:
            return all(self.same(node, t) is not None for t, node in enumerate(nodes, first))
        except UserError:
            return False

    def _one_step(self, answer: torch.fx.Node) -> torch.fx.Graph:
        """The graph of the first step."""
        made = torch.fx.Graph()
        values: dict[torch.fx.Node, torch.fx.Node] = {}

        def copy(node: torch.fx.Node) -> torch.fx.Node:
            if node not in values:
                values[node] = self._copied(made, node, copy)
            return values[node]

        values[self.input] = made.placeholder("images")
        made.output(copy(answer))
        return made

    def _copied(
        self, made: torch.fx.Graph, node: torch.fx.Node, copy: Callable[[torch.fx.Node], torch.fx.Node]
    ) -> torch.fx.Node:
        if self._is_step_of_input(node):
            return copy(self.input)
        if sent := self._sent(node):
            current = copy(self._current(self.calls[sent[0]][sent[1]]))
            return made.call_module(sent[0], (current,))
        args = torch.fx.map_arg(node.args, copy)
        kwargs = torch.fx.map_arg(node.kwargs, copy)
        if node.op == "call_module":
            return made.call_module(inside(str(node.target)), args, kwargs)
        return made.create_node(node.op, node.target, args, kwargs)

    # All steps on the first axis.

    def over_axis(self) -> Rolled:
        """The same of a model whose layers take ``[T, N, ...]``."""
        for path, made in self.calls.items():
            if len(made) > 1:
                raise UserError("neuron", path, f"called {len(made)} times with all steps; want one call of each")
        repeated = {node: count for node in self.graph.nodes if (count := self._repeats(node))}
        if len(set(repeated.values())) > 1:
            raise UserError("steps", sorted(set(repeated.values())), "want one number of them")
        timed = set(repeated) or {self.input}
        one = torch.fx.Graph()
        values: dict[torch.fx.Node, torch.fx.Node] = {self.input: one.placeholder("images")}

        def value(node: torch.fx.Node) -> torch.fx.Node:
            if node not in values:
                raise UserError("answer", str(node.target), "want the sum or mean over time at the very end")
            return values[node]

        for node in self.graph.nodes:
            if node in repeated:
                values[node] = value(node.args[0].args[0])
            elif node.op == "output":
                answer = node.args[0][0] if isinstance(node.args[0], tuple | list) else node.args[0]
                while isinstance(answer, torch.fx.Node) and answer not in timed:
                    if not (answer.target in REDUCED and _over_steps(answer)):
                        wanted = "want what the last layer sends, or the mean or sum of that over time"
                        raise UserError("answer", str(answer.target), wanted)
                    answer = answer.args[0]
                one.output(value(answer))
            elif node.op != "placeholder" and not self._left_out(node, timed):
                self._check_axis(node, timed)
                copied = self._copied_axis(one, node, value, timed)
                values[node] = copied
                if any(before in timed for before in node.all_input_nodes):
                    timed.add(node)
        count = next(iter(repeated.values()), None)
        return Rolled(one, count, count is None)

    def _repeats(self, node: torch.fx.Node) -> int | None:
        """How often ``x.unsqueeze(0).repeat(T, 1, ...)`` gives ``x``."""
        source: Any = node.args[0] if node.args else None
        if node.target not in ("repeat", "expand") or not isinstance(source, torch.fx.Node):
            return None
        fresh = source.target in ("unsqueeze", torch.unsqueeze) and tuple(source.args[1:]) == (0,)
        sizes: Any = node.args[1] if len(node.args) == 2 and isinstance(node.args[1], tuple | list) else node.args[1:]
        whole = sizes and isinstance(sizes[0], int) and all(size in (1, -1) for size in sizes[1:])
        if not (fresh and whole and (node.target == "expand" or -1 not in sizes)):
            return None
        return int(sizes[0])

    def _left_out(self, node: torch.fx.Node, timed: set[torch.fx.Node]) -> bool:
        """Whether it only makes the time axis, or does away with it."""
        if node.target in ("unsqueeze", torch.unsqueeze):
            return all(self._repeats(reader) for reader in node.users)
        return node.target in REDUCED and node.args[0] in timed and _over_steps(node)

    def _check_axis(self, node: torch.fx.Node, timed: set[torch.fx.Node]) -> None:
        over_time = any(before in timed for before in node.all_input_nodes)
        if node.op == "call_module":
            module, path = self._module(node), inside(str(node.target))
            if node.meta["merged"]:
                if node in self.steps or self.framework.many_steps(module) or not over_time:
                    wanted = "where steps are merged into the batch, want layers of one step and no neurons"
                    raise UserError("layer", path, wanted)
            elif self.framework.has(module):
                if self.framework.many_steps(module) != over_time:
                    seen, wanted = ("[T, N, ...]", "m") if over_time else ("[N, ...]", "s")
                    raise UserError(f"layer {path}", seen, f"want step_mode={wanted!r} of it there")
            elif over_time and not isinstance(module, ALIKE):
                wanted = f"want {type(module).__name__} of {self.framework.package} with step_mode='m'"
                raise UserError(f"layer {path}", "[T, N, ...]", wanted)
        elif over_time and not (node.target in ADD or _flattens(node) or node.meta["merged"]):
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
            raise UserError("operator", str(name), "on all steps [T, N, ...] it is not taken in; want a layer")

    def _copied_axis(
        self,
        made: torch.fx.Graph,
        node: torch.fx.Node,
        value: Callable[[torch.fx.Node], torch.fx.Node],
        timed: set[torch.fx.Node],
    ) -> torch.fx.Node:
        args = torch.fx.map_arg(node.args, value)
        if _flattens(node) and node.args[0] in timed:
            return made.call_function(torch.flatten, (args[0], 1))
        kwargs = torch.fx.map_arg(node.kwargs, value)
        if node.op == "call_module":
            return made.call_module(inside(str(node.target)), args, kwargs)
        return made.create_node(node.op, node.target, args, kwargs)

    def _module(self, node: torch.fx.Node) -> nn.Module:
        return self.modules[inside(str(node.target))]


def _stacked(node: torch.fx.Node) -> bool:
    """Whether it puts steps one behind the other on a first axis."""
    return node.target is torch.stack and bool(node.kwargs.get("dim", (*node.args, 0)[1]) == 0)


def _is_over_stack(node: torch.fx.Node) -> bool:
    """Whether it is the mean or sum over time of a stack of steps."""
    return node.target in REDUCED and _over_steps(node) and _stacked(node.args[0])  # type: ignore[arg-type]


def _over_steps(node: torch.fx.Node) -> bool:
    """Whether a mean or sum is over the first axis alone, which goes."""
    given = [*node.args[1:], *(value for name, value in node.kwargs.items() if name in ("dim", "axis"))]
    return given in ([0], [(0,)], [[0]]) and not (node.kwargs.keys() - {"dim", "axis"})


def _flattens(node: torch.fx.Node) -> bool:
    """Whether it flattens what is behind ``[T, N]``."""
    return node.target in ("flatten", torch.flatten) and [*node.args[1:], *node.kwargs.values()] == [2]
