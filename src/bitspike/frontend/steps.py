"""A user's network in floats that takes one step at a time: its calls, one step of each, and what they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.errors import UserError
from bitspike.frontend.calls import Call, Calls, needed
from bitspike.frontend.overridden import class_of
from bitspike.frontend.read import read
from bitspike.frontend.routes import Chunk, Concat, Slice, Split
from bitspike.frontend.trace import evaluating
from bitspike.frontend.vocabulary import (
    KNOWN,
    Images,
    MatMul,
    MeanOverTime,
    MergeTime,
    Permute,
    SplitTime,
    Sum,
    Times,
    Transpose,
    View,
)
from bitspike.layers import (
    Accumulate,
    Difference,
    Encoder,
    EventEncoder,
    PathBatchNorm1d,
    PathBatchNorm2d,
    Recurrent,
    Release,
    ReleasedAffine,
    SpikingMaxPool2d,
    merge_time,
)
from bitspike.neurons import BaseNode, State
from bitspike.registry import Registry

__all__ = ["ADVANCED", "ONCE", "ModelStepper"]

Advance = Callable[[Any, int, Any, Tensor], tuple[Tensor, Any]]
"""Of a module, the step counted from 0, what it carried (None at first) and ``[1, N, ...]``: its step, and what it
carries on. What reads merged time is given ``[N, ...]``."""


def _neurons(m: BaseNode | Recurrent, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    if m.T == 1 or state is None:  # neurons of one step are new at each
        start: State | Tensor = m.initial_state(x[0])
        state = (start,) if isinstance(start, Tensor) else start
    spikes, carried = m.step(x[0], state, t if m.T > 1 else 0)
    return spikes[None], carried


def _release(m: Release, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    return x * (float(t < m.steps) / m.parts), None


def _released_affine(m: ReleasedAffine, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    per_channel = (-1,) if m.last else (-1, *(1 for _ in x.shape[2:]))
    y = x * m.gain.view(per_channel)
    return (y + (m.offset / m.parts).view(per_channel) if t < m.steps else y), None


def _spiking_max_pool(m: SpikingMaxPool2d, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    sent, was = (0, 0) if state is None else state
    so_far = sent + x.to(torch.float64)
    largest = F.max_pool2d(merge_time(so_far), m.kernel_size, m.stride, m.padding)[None]
    return (largest - was).to(x.dtype), (so_far, largest)


def _accumulate(m: Accumulate, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    so_far = x.to(torch.float64) + (0 if state is None else state)
    return so_far, so_far


def _difference(m: Difference, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    more = x if state is None else x - state
    return more.to(torch.get_default_dtype()), x


def _train(m: EventEncoder, t: int, state: Any, codes: Tensor) -> tuple[Tensor, Any]:
    one = state or EventEncoder(replace(m.sample, T=1), m.scale)
    return one(codes), one


def _mean(m: MeanOverTime, t: int, state: Any, x: Tensor) -> tuple[Tensor, Any]:
    """The mean of the steps so far."""
    total = x[0] if state is None else state + x[0]
    return total / (t + 1), total


ADVANCED = Registry[Advance]("layer that carries something")
"""Layers that carry something from step to step, or know which step it is, by the name of their class."""
_OWN: dict[type[nn.Module], Any] = {
    BaseNode: _neurons,
    Recurrent: _neurons,
    Accumulate: _accumulate,
    Difference: _difference,
    Release: _release,
    ReleasedAffine: _released_affine,
    SpikingMaxPool2d: _spiking_max_pool,
    EventEncoder: _train,
    MeanOverTime: _mean,
}
for _kind, _advance in _OWN.items():
    ADVANCED.register(_kind.__name__, _advance)

ONCE = Registry[type[nn.Module]]("layer of each step by itself")
"""Layers that make of each step what they make of all at once; so do those of torch that the vocabulary knows."""
for _once in (Images, Encoder, PathBatchNorm1d, PathBatchNorm2d, MergeTime, SplitTime, Sum, View):
    ONCE.register(_once.__name__, _once)
for _word in (Chunk, Concat, MatMul, Permute, Slice, Split, Times, Transpose):
    ONCE.register(_word.__name__, _word)


class ModelStepper:
    """Runs a network in floats step by step, in evaluation mode: what its forward gives for all steps at once.

    Sums over merged time are then over fewer numbers at once, so where a sum is no exact number it may be rounded
    otherwise, as with any other size of a batch.

    Args:
        model: any that the front end reads.

    Attributes:
        T: steps of the network. t: how many have been taken since the reset.

    Raises:
        UserError: a layer that answers after all steps alone, or is not known step by step, by its path.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.calls = needed(read(model))
        for call in self.calls:
            _check_sizes(call, self.calls)
        self.how = {call: _how(call) for call in self.calls}
        self.T = self._steps()
        self.reset()

    def reset(self) -> None:
        """The next step is the first again."""
        self.t = self._count = 0
        self._state: dict[Call, Any] = {}

    @torch.no_grad()
    def step(self, codes: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The next step.

        Args:
            codes: of the input at that step, ``[N, *shape]``; an image is given at every step.

        Returns:
            The logits of this step, ``[N, K]``; of a network that ends in `mean_over_time` the mean of those so far. A
            tuple where the network answers with several tensors.

        Raises:
            UserError: all steps were taken, the codes are no tensor or not of as many inputs as before, or what a layer
                refuses.
        """
        if self.t == self.T:
            raise UserError("step", self.t, f"the network has {self.T} steps; reset it before the next sequence")
        if not isinstance(codes, Tensor):
            given = type(codes)
            raise UserError("codes", f"{given.__module__}.{given.__name__}", "want a torch.Tensor for floats")
        if self.t and codes.shape[:1] != (self._count,):  # a state of one would be that of all
            raise UserError("codes", tuple(codes.shape), f"want {self._count} inputs, as at the steps before")
        made: dict[Call, Tensor] = {}
        state: dict[Call, Any] = {}
        with evaluating(self.model):
            for call in self.calls:
                read = [made[before] for before in call.inputs]
                if isinstance(call.module, Images):
                    made[call] = codes
                elif isinstance(call.module, View):
                    made[call] = read[0].reshape(*read[0].shape[: call.module.kept], *_sizes(call.module, made))
                elif (advance := self.how[call]) is None:
                    made[call] = call.module(*read)
                else:
                    made[call], state[call] = advance(call.module, self.t, self._state.get(call), read[0])
        self._state, self._count, self.t = state, len(codes), self.t + 1
        answers = tuple(made[call][0] if len(call.lead) == 2 else made[call] for call in self.calls.answers)
        return answers if len(answers) > 1 else answers[0]

    def _steps(self) -> int:
        """Steps of the network, which are those of all that has more than one."""
        found = {call.path: _own_steps(call.module) for call in self.calls}
        T = max([1, *found.values()])
        for path, steps in found.items():
            if steps not in (1, T):
                raise UserError("layer", path, f"{steps} steps; step by step all take the same, which is {T}")
        return T


def _own_steps(module: nn.Module) -> int:
    if isinstance(module, EventEncoder):
        return module.sample.T
    return module.T if isinstance(module, BaseNode | Recurrent | Release) else 1


def _sizes(view: View, made: Mapping[Call, Tensor]) -> tuple[int, ...]:
    """The shape of a view, whose sizes are those of this step's tensors."""
    return view.found(lambda of: made[of].shape[len(of.lead) :])


def _check_sizes(call: Call, calls: Calls) -> None:
    """That the sizes which a view asks for are of tensors that each step has."""
    for size in call.module.shape if isinstance(call.module, View) else ():
        for one in () if isinstance(size, int) else (size, *size.others):
            if one.of not in calls.calls or isinstance(one.of.module, Images):
                wanted = f"want a size that is a number, or of a layer that reaches the answer{call.place}"
                raise UserError(f"{call.written} {call.path}", f"a size of {one.of.path}", wanted)


def _how(call: Call) -> Advance | None:
    """How a call advances by a step; None where it is called with that step alone."""
    for kind in type(call.module).__mro__:
        if kind.__name__ in ADVANCED:
            return ADVANCED[kind.__name__]
        if kind.__name__ in ONCE or (kind.__name__ in KNOWN and kind.__module__.startswith("torch.nn.modules")):
            return None
    name = class_of(call.module).__name__
    raise UserError("layer", call.path, f"{name} does not run step by step: it waits for the last, or is not known")
