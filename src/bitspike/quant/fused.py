"""Levels of a learned step in one call of the C library each way, where `bitspike.quant.lsq` would take many in torch.

`levels` is the one place where that is chosen: for float32 on a CPU (and bfloat16 that autocast made of it), where the
library is. Levels and the gradient of what is quantized equal torch's to the last bit; those of steps and bits are
sums, here in double. Backward keeps what is quantized and the steps, no more.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bitspike import native

__all__ = ["Alphabet", "Rounding", "levels", "takes"]


class Rounding(IntEnum):
    """How a code is made of ``x/step``, as ``csrc/lsq.h`` numbers it."""

    nearest = 0
    below = 1
    sign = 2


class Alphabet(NamedTuple):
    """The codes ``lo..hi`` of a part of a tensor, which lies in memory as ``groups`` of ``size`` with a step each."""

    lo: float
    hi: float
    groups: int
    size: int


class _How(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("rounding", "bf16")),
        *((name, ctypes.c_float) for name in ("lo", "hi")),
        *((name, ctypes.c_int64) for name in ("groups", "size")),
    ]


def takes(x: Tensor, steps: Tensor) -> bool:
    """Whether the library computes with such tensors, here and now: elements without gaps, steps side by side."""
    if type(x) not in (Tensor, nn.Parameter) or type(steps) not in (Tensor, nn.Parameter):
        return False
    if x.device.type != "cpu" or steps.device.type != "cpu" or steps.dtype != torch.float32 or not x.numel():
        return False
    if x.dtype != torch.float32 and not (x.dtype == torch.bfloat16 and torch.is_autocast_enabled("cpu")):
        return False
    if torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return False
    if torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0:
        return False
    return x.layout == torch.strided and _dense(x) and native.library() is not None


def levels(
    x: Tensor, steps: Tensor, alphabets: Sequence[Alphabet], rounding: Rounding, bits: Tensor | int, scaled: bool
) -> Tensor:
    """``step * code(x/step)`` of the parts of ``x``, one after another in memory, with the gradients of LSQ.

    Args:
        x: that the library `takes`.
        steps: of all groups of all parts.
        alphabets: of the parts.
        rounding: of all.
        bits: of the alphabet, for its gradient, where it is learned and all is one part.
        scaled: whether the gradient of a step has LSQ's scale.
    """
    made: Tensor = _Levels.apply(x, steps, bits, alphabets, rounding, scaled)
    return made


class _Levels(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        steps: Tensor,
        bits: Tensor | int,
        alphabets: Sequence[Alphabet],
        rounding: Rounding,
        scaled: bool,
    ) -> Tensor:
        x, steps = x.detach(), steps.detach().contiguous()
        ctx.save_for_backward(x, steps)
        ctx.bits, ctx.alphabets, ctx.rounding, ctx.scaled = int(bits), alphabets, rounding, scaled
        made = torch.empty_like(x)
        for how, at, first in _parts(x, alphabets, rounding):
            _call("bs_lsq_forward", how, steps, first, (x, made), at)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, steps = ctx.saved_tensors
        (grad,) = grads
        if grad.stride() != x.stride() or grad.dtype != x.dtype:
            grad = torch.empty_like(x).copy_(grad)
        to_x, sums = torch.empty_like(x), torch.zeros(steps.numel(), 2, dtype=torch.float64)
        for how, at, first in _parts(x, ctx.alphabets, ctx.rounding):
            _call("bs_lsq_backward", how, steps, first, (x, grad, to_x), at, sums)
        by_step, beyond = sums.unbind(1)
        if ctx.scaled:
            by_step = by_step / _scales(ctx.alphabets)
        to_bits = None
        if ctx.needs_input_grad[2]:
            top, b = ctx.alphabets[0].hi, ctx.bits
            to_bits = ((beyond * steps.flatten()).sum() / top * math.log(2) * (top + (b > 1))).to(steps.dtype)
        return to_x, by_step.to(steps.dtype).view(steps.shape), to_bits, None, None, None


def _scales(alphabets: Sequence[Alphabet]) -> Tensor | float:
    """``sqrt(N Q)`` of each group."""
    if len(alphabets) == 1:
        return math.sqrt(alphabets[0].size * alphabets[0].hi)
    return torch.tensor(
        [math.sqrt(max(one.size, 1) * one.hi) for one in alphabets for _ in range(one.groups)], dtype=torch.float64
    )


def _parts(x: Tensor, alphabets: Sequence[Alphabet], rounding: Rounding) -> list[tuple[_How, int, int]]:
    """Of each part how it is computed, its first element and its first group."""
    found, at, first = [], 0, 0
    for lo, hi, groups, size in alphabets:
        if groups * size:
            found.append((_How(rounding, x.dtype == torch.bfloat16, lo, hi, groups, size), at, first))
        at, first = at + groups * size, first + groups
    return found


def _call(
    name: str, how: _How, steps: Tensor, first: int, tensors: Sequence[Tensor], at: int, sums: Tensor | None = None
) -> None:
    """Calls the library for the part that begins at element ``at`` and group ``first``.

    Raises:
        MemoryError: there is none for its sums.
    """
    places = [one.data_ptr() + at * one.element_size() for one in tensors]
    if sums is not None:
        places.append(sums.data_ptr() + 16 * first)
    given = [ctypes.c_void_p(place) for place in (steps.data_ptr() + 4 * first, *places)]
    if _function(name)(int(native.level()), torch.get_num_threads(), ctypes.byref(how), *given):
        raise MemoryError("no memory for the sums of a quantizer's blocks")


@cache
def _function(name: str) -> Any:
    return getattr(native.library(), name)


def _dense(x: Tensor) -> bool:
    """Whether there are no gaps between elements in memory, nor elements that lie on one another."""
    expected = 1
    for axis in sorted(range(x.ndim), key=x.stride):
        if x.shape[axis] != 1:
            if x.stride(axis) != expected:
                return False
            expected *= x.shape[axis]
    return True
