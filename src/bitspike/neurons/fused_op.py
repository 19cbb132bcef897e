"""The op ``bitspike::neurons``: all steps of a described neuron by the C library, which torch knows the gradient of.

Elements keep the order that they have in memory, so channels-last currents give channels-last spikes.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bitspike import native

__all__ = ["KINDS", "NUMBERS", "backward", "forward", "run"]

KINDS = ("steps", "held", "charge", "reset", "surrogate", "detach_reset", "contracts")
NUMBERS = (
    *("factor", "v_rest", "threshold", "lo", "hi", "shift", "scale", "per_spike", "v_init", "v_reset"),
    *("nearest_shift", "nearest", "a", "b", "c"),
)
"""The fields of ``struct bs_neuron``, in its order."""
HELD = KINDS.index("held")

ARGUMENTS = "Tensor current, Tensor? rate, int[] kinds, float[] numbers"
torch.library.define("bitspike::neurons", f"({ARGUMENTS}) -> Tensor")
torch.library.define("bitspike::neurons_backward", f"(Tensor grad, {ARGUMENTS}) -> (Tensor, Tensor)")


class _Neuron(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in KINDS),
        *((name, ctypes.c_float) for name in NUMBERS),
        *((name, ctypes.c_int32) for name in ("fire", "learns_rate", "per_threshold")),  # the library's own
    ]


def run(current: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float]) -> Tensor:
    """Spikes ``[T, N, ...]`` of a float32 current ``[T or 1, N, ...]``.

    Args:
        current: on a CPU, of any strides.
        rate: the factor of the charge, where it is a tensor, which has a gradient.
        kinds, numbers: the neuron, as `KINDS` and `NUMBERS`.
    """
    spikes: Tensor = torch.ops.bitspike.neurons(current, rate, kinds, numbers)
    return spikes


@torch.library.impl("bitspike::neurons", "cpu")
def _forward(current: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float]) -> Tensor:
    x = _in_order(current)
    spikes = _spikes_like(x, kinds[0])
    forward(x, rate, kinds, numbers, spikes)
    return spikes


@torch.library.impl("bitspike::neurons_backward", "cpu")
def _backward(
    grad: Tensor, current: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float]
) -> tuple[Tensor, Tensor]:
    x = _in_order(current)
    like = _spikes_like(x, kinds[0])
    ordered = grad if grad.stride() == like.stride() else like.copy_(grad)
    grad_current = torch.empty_strided(x.shape, x.stride())
    grad_rate = backward(x, rate, kinds, numbers, ordered, grad_current)
    return grad_current, torch.tensor(grad_rate, dtype=torch.float32)


@torch.library.register_fake("bitspike::neurons")
def _fake(current: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float]) -> Tensor:
    return _spikes_like(_in_order(current), kinds[0])


@torch.library.register_fake("bitspike::neurons_backward")
def _fake_backward(
    grad: Tensor, current: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float]
) -> tuple[Tensor, Tensor]:
    x = _in_order(current)
    return x.new_empty_strided(x.shape, x.stride()), x.new_empty(())


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    current, rate, ctx.kinds, ctx.numbers = inputs
    ctx.save_for_backward(current, rate)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
    current, rate = ctx.saved_tensors
    grad_current, grad_rate = torch.ops.bitspike.neurons_backward(grad, current, rate, ctx.kinds, ctx.numbers)
    return grad_current, None if rate is None else grad_rate, None, None


torch.library.register_autograd("bitspike::neurons", _gradients, setup_context=_save)


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
    return x.new_empty_strided((T, *x.shape[1:]), (x[0].numel(), *x.stride()[1:]))


def forward(x: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float], spikes: Tensor) -> None:
    """Writes the spikes of a current that is in order into ``spikes``."""
    _call("bs_neurons_forward", x, rate, kinds, numbers, spikes)


def backward(
    x: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float], grad: Tensor, grad_current: Tensor
) -> float:
    """Writes the current's gradient into ``grad_current``, all three in the same order, and returns the rate's."""
    grad_rate = ctypes.c_double()
    _call("bs_neurons_backward", x, rate, kinds, numbers, grad, grad_current, ctypes.byref(grad_rate))
    return grad_rate.value


def _call(
    name: str, x: Tensor, rate: Tensor | None, kinds: list[int], numbers: list[float], *others: Tensor | Any
) -> None:
    """Calls the library with the level and torch's number of threads.

    Raises:
        MemoryError: there is none for its scratch.
    """
    neuron = _Neuron(*kinds, *numbers)
    neuron.held = len(x) == 1 < neuron.steps
    given = [ctypes.c_void_p(other.data_ptr()) if isinstance(other, Tensor) else other for other in others]
    learned = ctypes.c_void_p(None if rate is None else rate.data_ptr())
    threads, count = torch.get_num_threads(), ctypes.c_int64(x[0].numel())
    current = ctypes.c_void_p(x.data_ptr())
    if _function(name)(int(native.level()), threads, ctypes.byref(neuron), learned, current, *given, count):
        raise MemoryError("no memory for the potentials of a block of neurons")


@cache
def _function(name: str) -> Any:
    return getattr(native.library(), name)
