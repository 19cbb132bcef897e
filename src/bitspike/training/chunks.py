"""Long trains in parts: a chunk of steps after the other, so that memory does not grow with the train.

The neurons' state is carried from chunk to chunk, so every spike is that of the whole train. Of a chunk only the state
at its start is kept, and the backward pass runs it once more (`torch.utils.checkpoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import EventEncoder
from bitspike.training.sections import Section

__all__ = ["ChunksConfig", "InChunks"]

BY_STEP = frozenset(
    (
        *("input", "conv", "linear", "matmul", "fire", "delay", "add", "affine"),
        *("relu", "sum_pool", "max_pool", "reshape", "permute", "readout"),
    )
)
"""Ops whose steps know nothing of each other, but for the state of neurons and loops."""

States = list[tuple[Tensor, ...]]
"""What each module with a state carries, in their order; empty before the first step."""


class ChunksConfig(Section):
    """How a train is run in parts.

    Attributes:
        steps: of a chunk.
        gradients: ``whole`` are those of the whole train; ``cut`` do not go back from chunk to chunk (truncated
            back-propagation through time).
    """

    steps: int = Field(100, ge=1)
    gradients: Literal["whole", "cut"] = "whole"


class InChunks(nn.Module):
    """``model`` run chunk by chunk: codes ``[N, T, ...]`` to the same logits per step ``[T, N, K]``.

    Args:
        model: with an `EventEncoder`, behind which nothing but neurons and loops knows of more than one step.
        graph: its structural graph.
        config: of the chunks.

    Raises:
        UserError: a model that is another one in chunks; names what mixes steps.
    """

    def __init__(self, model: nn.Module, graph: Graph, config: ChunksConfig) -> None:
        super().__init__()
        encoders = [module for module in model.modules() if isinstance(module, EventEncoder)]
        if len(encoders) != 1 or encoders[0].sample.T == 1:
            seen = "no train" if encoders else f"{len(encoders)} of layers.EventEncoder"
            raise UserError("chunks", seen, "they are for networks that read a train by one; want chunks=null")
        for node in graph.nodes:
            if node.op not in BY_STEP or getattr(node, "steps", None) is not None:
                raise UserError("chunks", node.name, f"{node.op} is no op of a step alone; want chunks=null")
        for path, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                wanted = "its statistics are those of the whole train; want a network without, or chunks=null"
                raise UserError("chunks", f"batch norm {path}", wanted)
        self.model, self.config = model, config
        self._encoder, self._stateful = encoders, list(_stateful(model))  # lists: no modules a second time

    def forward(self, codes: Tensor) -> Tensor:
        (encoder,), size = self._encoder, self.config.steps
        levels = encoder(codes)
        carried: list[Tensor] = []
        sizes: list[int] = []
        answers = []
        for start in range(0, len(levels), size):
            run = partial(self._chunk, start, codes, sizes)
            answer, *carried = checkpoint(run, levels[start : start + size], *carried, use_reentrant=False)
            if self.config.gradients == "cut":
                carried = [state.detach() for state in carried]
            answers.append(answer)
        return torch.cat(answers)

    def _chunk(
        self, start: int, codes: Tensor, sizes: list[int], levels: Tensor, *carried: Tensor
    ) -> tuple[Tensor, ...]:
        """Logits of the steps from ``start`` on, and all state behind them.

        Args:
            start: the first of them.
            codes: of the whole train; the encoder has read them.
            sizes: how many tensors each state has, which the first chunk says.
            levels: of these steps.
            carried: the state before them.
        """
        states: States = []
        if start:
            rest = iter(carried)
            states = [tuple(next(rest) for _ in range(size)) for size in sizes]
        with self._going_on(start, levels, states):
            answer: Tensor = self.model(codes)
        sizes[:] = map(len, states)
        return answer, *(part for state in states for part in state)

    @contextmanager
    def _going_on(self, start: int, levels: Tensor, states: States) -> Iterator[None]:
        """In it the encoder says ``levels``, and every module with a state goes on from its own, which it renews."""
        states += [() for _ in range(len(self._stateful) - len(states))]
        instead: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [(self._encoder[0], lambda _: levels)]
        for place, module in enumerate(self._stateful):
            instead.append((module, partial(_steps, module, start, states, place)))
        try:
            for module, forward in instead:
                module.forward = forward
            yield
        finally:
            for module, _ in instead:
                vars(module).pop("forward", None)


def _steps(module: Any, start: int, states: States, place: int, current: Tensor) -> Tensor:
    """The steps of a chunk: `BaseNode.forward` from another state, and in autocast in float32 as that is."""
    if current.dtype in (torch.bfloat16, torch.float16) and torch.is_autocast_enabled(current.device.type):
        return _steps(module, start, states, place, current.float()).to(current.dtype)
    state = states[place] or module.initial_state(current[0])
    state = (state,) if isinstance(state, Tensor) else state  # a subclass may give the potential alone
    spikes = []
    for t, x in enumerate(current.unbind(), start):
        spike, state = module.step(x, state, t)
        spikes.append(spike)
    states[place] = state
    return torch.stack(spikes)


def _stateful(module: nn.Module) -> Iterator[nn.Module]:
    """What carries a state from step to step by ``initial_state`` and ``step``: neurons, and loops with theirs."""
    if callable(getattr(module, "step", None)) and callable(getattr(module, "initial_state", None)):
        yield module
    else:
        for child in module.children():
            yield from _stateful(child)
