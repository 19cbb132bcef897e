"""The op ``bitspike::neurons``: all steps of a described neuron by the C library, which torch knows the gradient of.

Elements keep the order that they have in memory, so channels-last currents give channels-last spikes.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitspike import native
from bitspike.errors import UserError

__all__ = ["KINDS", "NUMBERS", "Tensors", "backward", "forward", "run"]

KINDS = (
    *("steps", "held", "repeats", "bf16", "charge", "reset", "surrogate", "detach_reset", "contracts"),
    *("store", "finds", "learns", "rounds", "both_signs"),
)
NUMBERS = (
    *("factor", "v_rest", "threshold", "lo", "hi", "shift", "scale", "per_spike", "v_init", "v_reset"),
    *("nearest_shift", "nearest", "a", "b", "c", "margin", "top", "limit"),
)
"""The fields of ``struct bs_neuron``, in its order."""
FINDS, LEARNS, BOTH_SIGNS = (KINDS.index(name) for name in ("finds", "learns", "both_signs"))

TENSORS = "Tensor current, Tensor? rate, Tensor? learned, Tensor? peaks"
ARGUMENTS = f"{TENSORS}, int[] kinds, float[] numbers"
torch.library.define("bitspike::neurons", f"({ARGUMENTS}) -> (Tensor, Tensor)")
torch.library.define("bitspike::neurons_backward", f"(Tensor grad, {ARGUMENTS}) -> (Tensor, Tensor, Tensor)")


class Tensors(NamedTuple):
    """What of a neuron is a tensor, contiguous and of float32; ``None`` where it has none of it.

    Attributes:
        rate: the factor of the charge, which has a gradient.
        learned: of each step its threshold, bits and the number of steps ``[T, 3]``, which have gradients.
        peaks: the largest potential stored after each step but the last ``[T-1]``, where it is not to be found.
    """

    rate: Tensor | None = None
    learned: Tensor | None = None
    peaks: Tensor | None = None


class _Neuron(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in KINDS),
        *((name, ctypes.c_float) for name in NUMBERS),
        *((name, ctypes.c_int32) for name in ("fire", "learns_rate", "per_threshold")),  # the library's own
    ]


class _Tensors(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in Tensors._fields]


def run(current: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors) -> tuple[Tensor, Tensor]:
    """Spikes ``[T, N, ...]`` of a current ``[T or 1, N, ...]``, and the peaks that were found.

    Args:
        current: float32 or bfloat16, as spikes and gradients then are too; on a CPU, of any strides.
        kinds, numbers: the neuron, as `KINDS` and `NUMBERS`.
        tensors: of it.
    """
    spikes, peaks = torch.ops.bitspike.neurons(current, *tensors, kinds, numbers)
    return spikes, peaks.detach()


@torch.library.impl("bitspike::neurons", "cpu")
def _forward(
    current: Tensor,
    rate: Tensor | None,
    learned: Tensor | None,
    peaks: Tensor | None,
    kinds: list[int],
    numbers: list[float],
) -> tuple[Tensor, Tensor]:
    x = _in_order(current)
    spikes, found = _spikes_like(x, kinds[0]), torch.empty(_found(kinds))
    forward(x, kinds, numbers, Tensors(rate, learned, found if kinds[FINDS] else peaks), spikes)
    return spikes, found


@torch.library.impl("bitspike::neurons_backward", "cpu")
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
    grad_current = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype)
    sums = backward(x, kinds, numbers, Tensors(rate, learned, peaks), ordered, grad_current)
    grad_rate = torch.zeros(()) if rate is None else sums[0].float()
    grad_learned = torch.zeros(0) if learned is None else _of_alphabets(sums, learned, kinds, x[0].numel())
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
    return _spikes_like(x, kinds[0]), x.new_empty(_found(kinds), dtype=torch.float32)


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
    raise UserError("second derivative", "neurons in float32", "the C library has the first alone; want float64")


torch.library.register_autograd("bitspike::neurons", _gradients, setup_context=_save)
torch.library.register_autograd("bitspike::neurons_backward", _refuse)


def _found(kinds: list[int]) -> int:
    """How many peaks forward finds."""
    return kinds[0] - 1 if kinds[FINDS] else 0


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


def forward(x: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors, spikes: Tensor) -> None:
    """Writes the spikes of a current that is in order into ``spikes``, and peaks that are to be found."""
    _call("bs_neurons_forward", x, kinds, numbers, tensors, spikes)


def backward(
    x: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors, grad: Tensor, grad_current: Tensor
) -> Tensor:
    """Writes the current's gradient into ``grad_current``, all three in one order; ``grad`` may be one of all steps.

    Returns:
        Sums in double: the gradient of the rate ``[1]``, or what those of ``learned`` are made of ``[T, 3]``.
    """
    sums = torch.zeros((kinds[0], 3) if kinds[LEARNS] else 1, dtype=torch.float64)
    _call("bs_neurons_backward", x, kinds, numbers, tensors, grad, grad_current, sums, repeats=len(grad) < kinds[0])
    return sums


def _call(
    name: str,
    x: Tensor,
    kinds: list[int],
    numbers: list[float],
    tensors: Tensors,
    *others: Tensor,
    repeats: bool = False,
) -> None:
    """Calls the library with the level and torch's number of threads.

    Raises:
        MemoryError: there is none for its scratch.
    """
    neuron = _Neuron(*kinds, *numbers)
    neuron.held, neuron.repeats, neuron.bf16 = len(x) == 1 < neuron.steps, repeats, x.dtype == torch.bfloat16
    given = _Tensors(*(None if one is None else one.data_ptr() for one in tensors))
    places = [ctypes.c_void_p(one.data_ptr()) for one in (x, *others)]
    threads, count = torch.get_num_threads(), ctypes.c_int64(x[0].numel())
    if _function(name)(int(native.level()), threads, ctypes.byref(neuron), ctypes.byref(given), *places, count):
        raise MemoryError("no memory for the potentials of a block of neurons")


@cache
def _function(name: str) -> Any:
    return getattr(native.library(), name)
