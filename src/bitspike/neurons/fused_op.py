"""The op ``bitspike::neurons``: all steps of a described neuron at once, which torch knows the gradient of.

The C library computes it on the processor, Triton on a GPU (`engine_of`). Elements keep the order that they have in
memory, so channels-last currents give channels-last spikes.
"""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.neurons.fused_kinds import KINDS, Tensors

__all__ = ["engine_of", "run"]

FINDS, BOTH_SIGNS = KINDS.index("finds"), KINDS.index("both_signs")
ENGINES = {"cpu": "bitspike.neurons.fused_native", "cuda": "bitspike.neurons.fused_triton"}

TENSORS = "Tensor current, Tensor? rate, Tensor? learned, Tensor? peaks"
ARGUMENTS = f"{TENSORS}, int[] kinds, float[] numbers"
torch.library.define("bitspike::neurons", f"({ARGUMENTS}) -> (Tensor, Tensor)")
torch.library.define("bitspike::neurons_backward", f"(Tensor grad, {ARGUMENTS}) -> (Tensor, Tensor, Tensor)")


def engine_of(x: Tensor) -> ModuleType:
    """What has the ``forward`` and ``backward`` of a current, by where it lies; it is loaded where it is wanted."""
    return importlib.import_module(ENGINES[x.device.type])


def run(current: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors) -> tuple[Tensor, Tensor]:
    """Spikes ``[T, N, ...]`` of a current ``[T or 1, N, ...]``, in its dtype, and the peaks that were found.

    Args:
        current: of any strides; in float32 or bfloat16, on a GPU in float16 too: potentials are float32.
        kinds, numbers: the neuron, as `KINDS` and `NUMBERS`.
        tensors: of it.
    """
    spikes, peaks = torch.ops.bitspike.neurons(current, *tensors, kinds, numbers)
    return spikes, peaks.detach()


@torch.library.impl("bitspike::neurons", ("cpu", "cuda"))
def _forward(
    current: Tensor,
    rate: Tensor | None,
    learned: Tensor | None,
    peaks: Tensor | None,
    kinds: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor]:
    x = _in_order(current)
    spikes, found = _spikes_like(x, kinds[0]), _found(x, kinds)
    engine_of(x).forward(x, kinds, numbers, Tensors(rate, learned, found if kinds[FINDS] else peaks), spikes)
    return spikes, found


@torch.library.impl("bitspike::neurons_backward", ("cpu", "cuda"))
def _backward(
    grad: Tensor,
    current: Tensor,
    rate: Tensor | None,
    learned: Tensor | None,
    peaks: Tensor | None,
    kinds: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor]:
    x = _in_order(current)
    strides = _strides_of_spikes(x)
    ordered = next((one for one in (grad, grad[:1]) if _lies(grad, one, strides)), None)
    if ordered is None:
        ordered = _spikes_like(x, kinds[0]).copy_(grad)
    grad_current = x.new_empty_strided(x.shape, x.stride())
    sums = engine_of(x).backward(x, kinds, numbers, Tensors(rate, learned, peaks), ordered, grad_current)
    grad_rate = x.new_zeros((), dtype=torch.float32) if rate is None else sums[0].float()
    grad_learned = (
        x.new_zeros(0, dtype=torch.float32) if learned is None else _of_alphabets(sums, learned, kinds, x[0].numel())
    )
    return grad_current, grad_rate, grad_learned


def _of_alphabets(sums: Tensor, learned: Tensor, kinds: list[int], elements: int) -> Tensor:
    """The gradients of thresholds, bits and numbers of steps (`bitspike.quant.lsq`) of the sums ``[T, 3]``."""
    threshold, bits, _ = learned.double().unbind(1)
    top = torch.exp2(bits - kinds[BOTH_SIGNS]).sub(1).clamp(min=1)
    by_threshold, beyond, sent = sums.unbind(1)
    of_bits = beyond * threshold / top * math.log(2) * (top + (bits > 1))
    parts = (by_threshold / (elements * top).sqrt(), of_bits, -sent * threshold / kinds[0])
    return torch.stack(parts, 1).float()


@torch.library.register_fake("bitspike::neurons")
def _fake(
    current: Tensor,
    rate: Tensor | None,
    learned: Tensor | None,
    peaks: Tensor | None,
    kinds: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor]:
    x = _in_order(current)
    return _spikes_like(x, kinds[0]), _found(x, kinds)


@torch.library.register_fake("bitspike::neurons_backward")
def _fake_backward(
    grad: Tensor,
    current: Tensor,
    rate: Tensor | None,
    learned: Tensor | None,
    peaks: Tensor | None,
    kinds: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor, Tensor]:
    x = _in_order(current)
    like = x.new_empty(0, dtype=torch.float32) if learned is None else torch.empty_like(learned)
    return x.new_empty_strided(x.shape, x.stride()), x.new_empty((), dtype=torch.float32), like


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    current, rate, learned, peaks, ctx.kinds, ctx.numbers = inputs
    ctx.save_for_backward(current, rate, learned, output[1] if ctx.kinds[FINDS] else peaks)


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    current, rate, learned, peaks = ctx.saved_tensors
    op = torch.ops.bitspike.neurons_backward
    grad_current, grad_rate, grad_learned = op(grad, current, rate, learned, peaks, ctx.kinds, ctx.numbers)
    of_rate, of_learned = None if rate is None else grad_rate, None if learned is None else grad_learned
    return grad_current, of_rate, of_learned, None, None, None


def _refuse(ctx: Any, *grads: Tensor) -> None:
    raise UserError("second derivative", "neurons in float32", "steps run at once have the first alone; want float64")


torch.library.register_autograd("bitspike::neurons", _gradients, setup_context=_save)
torch.library.register_autograd("bitspike::neurons_backward", _refuse)


def _found(x: Tensor, kinds: list[int]) -> Tensor:
    """Room for the peaks that forward finds."""
    return x.new_empty(kinds[0] - 1 if kinds[FINDS] else 0, dtype=torch.float32)


def _in_order(current: Tensor) -> Tensor:
    """The current with no gaps in memory, one step behind the other; itself where it is so."""
    expected = 1
    axes = sorted(range(1, current.ndim), key=current.stride)
    for axis in (*axes, 0):
        if current.shape[axis] != 1 and current.stride(axis) != expected:
            return current.contiguous()
        expected *= current.shape[axis]
    return current


def _spikes_like(x: Tensor, T: int) -> Tensor:
    """Room for ``T`` steps, each with its elements in the order of ``x``."""
    return x.new_empty_strided((T, *x.shape[1:]), _strides_of_spikes(x))


def _strides_of_spikes(x: Tensor) -> tuple[int, ...]:
    return (x[0].numel(), *x.stride()[1:])


def _lies(grad: Tensor, part: Tensor, strides: tuple[int, ...]) -> bool:
    """Whether a part of a gradient is all of it, in memory of these strides: one step, where all are the same."""
    if len(part) != len(grad) and grad.stride(0) != 0:
        return False
    return all(n == 1 or a == b for n, a, b in zip(part.shape, part.stride(), strides, strict=True))
