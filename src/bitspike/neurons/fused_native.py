"""All steps of a described neuron by the C library, for float32 and bfloat16 on the processor."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bitspike import native
from bitspike.neurons.fused_kinds import KINDS, NUMBERS, Tensors

__all__ = ["backward", "forward"]


class _Neuron(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in KINDS),
        *((name, ctypes.c_float) for name in NUMBERS),
        *((name, ctypes.c_int32) for name in ("fire", "learns_rate", "per_threshold")),  # the library's own
    ]


class _Tensors(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in Tensors._fields]


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
    learns = kinds[KINDS.index("learns")]
    sums = torch.zeros((kinds[0], 3) if learns else 1, dtype=torch.float64)
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
