"""All steps of a described neuron by Triton, on a GPU (ADR-0026)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bitspike.errors import require
from bitspike.neurons.fused_arithmetic import multiplies_by_reciprocals
from bitspike.neurons.fused_kinds import KINDS, NUMBERS, Bump, Charge, Reset, Tensors

__all__ = ["BLOCK", "backward", "forward", "prepared"]

BLOCK = 1024
"""Neurons of a block. Sums over a layer are over blocks, so they depend on this, and on nothing of the device."""
PROGRAMS = 512
"""Programs that go backward, each with scratch for the potentials of a block: all stays in the second cache."""


class Prepared(NamedTuple):
    """A neuron as the kernels take it.

    Attributes:
        constants: kinds, by their names, and how numbers are rounded: what a kernel is compiled for.
        numbers: forward's, and `more`, which backward has beside them.
    """

    constants: dict[str, Any]
    numbers: dict[str, float]
    more: dict[str, float]

    def backward_constants(self, bump: str, detached: bool) -> dict[str, Any]:
        """Backward's: what it finds it is given."""
        own = {name: value for name, value in self.constants.items() if name != "FINDS"}
        two_levels = self.numbers["hi"] - self.numbers["lo"] == 1
        return {**own, "BUMP": bump, "DETACHED": detached, "TWO_LEVELS": two_levels}


def prepared(kinds: dict[str, int], numbers: dict[str, float], held: bool, rounds: str, inverts: bool) -> Prepared:
    """The neuron with all that its steps ask for.

    Args:
        kinds, numbers: by their names in `KINDS` and `NUMBERS`.
        held: whether the current is one step, the same at all.
        rounds: how ``a + factor b`` is (``scale_add`` of the kernels).
        inverts: whether torch multiplies by the reciprocal of a number.
    """
    n, learns, charge = numbers, bool(kinds["learns"]), Charge(kinds["charge"])
    leaks, by_rate = charge in (Charge.leak, Charge.leak_decays), charge in (Charge.rate, Charge.rate_decays)
    factor, factor_divides = _divisor(n["factor"], inverts) if leaks else (n["factor"], False)
    by_threshold, level_divides = (1.0, True) if learns else _divisor(n["threshold"], inverts)
    by_scale, scale_divides = (1.0, True) if learns else _divisor(n["scale"], inverts)
    by_top, top_divides = _divisor(n["top"], inverts) if kinds["store"] else (1.0, True)
    graded = "nearest" if learns and kinds["rounds"] else "graded"
    bump = Bump(kinds["surrogate"])
    once = {Bump.straight_through: n["c"], Bump.pass_through: n["c"], Bump.inside: 1.0}
    forward = (*("v_rest", "threshold", "lo", "hi", "shift", "scale", "per_spike"), "v_init", "v_reset", "margin")
    return Prepared(
        constants={
            "CHARGE": charge.name,
            "FIRE": "binary" if not learns and (n["lo"], n["hi"], n["shift"]) == (0, 1, 0) else graded,
            "RESET": Reset(kinds["reset"]).name,
            "ROUNDS": rounds,
            "FACTOR_DIVIDES": factor_divides,
            "LEVEL_DIVIDES": level_divides,
            "SCALE_DIVIDES": scale_divides,
            "TOP_DIVIDES": top_divides,
            "HELD": held,
            "STORE": bool(kinds["store"]),
            "FINDS": bool(kinds["finds"]),
            "LEARNS": learns,
            "BOTH_SIGNS": kinds["both_signs"],
            "BLOCK": BLOCK,
        },
        numbers={
            "factor": 0.0 if by_rate else factor,
            **{name: n[name] for name in forward},
            **{"by_threshold": by_threshold, "by_scale": by_scale},
            **{"top": n["top"], "by_top": by_top, "limit": n["limit"]},
        },
        more={
            **{name: n[name] for name in ("nearest_shift", "nearest", "a", "b", "c")},
            "after": once.get(bump, n["scale"]),
        },
    )


def forward(x: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors, spikes: Tensor) -> None:
    """`bitspike.neurons.fused_native.forward`, for half of a float32 too."""
    count, steps = x[0].numel(), kinds[0]
    if not count:
        return
    neuron, kernels = _named(x, kinds, numbers), _kernels()
    finds = neuron.constants["FINDS"]
    if finds:
        assert tensors.peaks is not None
        tensors.peaks.zero_()
    carried = x.new_full((count,), neuron.numbers["v_init"], dtype=torch.float32) if finds else x
    rate, learned, peaks = (x if one is None else one for one in tensors)
    found = peaks.view(torch.int32) if finds else x
    tensors_given = (x, spikes, rate, learned, peaks, found, carried)
    with _on(x):
        for first, until in ((t, t + 1) for t in range(steps)) if finds else ((0, steps),):
            kernels.forward_kernel[(_blocks(count),)](
                *tensors_given, first, until, steps, count, **neuron.numbers, **neuron.constants, **_options()
            )


def backward(
    x: Tensor, kinds: list[int], numbers: list[float], tensors: Tensors, grad: Tensor, grad_current: Tensor
) -> Tensor:
    """`bitspike.neurons.fused_native.backward`, for half of a float32 too."""
    count, steps, blocks = x[0].numel(), kinds[0], _blocks(x[0].numel())
    neuron, named = _named(x, kinds, numbers), dict(zip(KINDS, kinds, strict=True))
    learns = neuron.constants["LEARNS"]
    sums = x.new_zeros((blocks, steps, 3) if learns else (blocks, 1), dtype=torch.float64)
    if not count:
        return sums.sum(0)
    programs = min(blocks, PROGRAMS)
    scratch = x.new_empty(programs * steps * BLOCK, dtype=torch.float32)
    if len(grad) < steps:  # one, the same of all
        grad = grad.new_empty_strided((steps, *x.shape[1:]), (count, *x.stride()[1:])).copy_(grad)
    given = (x, grad, grad_current, *(x if one is None else one for one in tensors), scratch, sums)
    bump = Bump(named["surrogate"])
    micro_steps = int(neuron.numbers["hi"]) if bump in (Bump.micro_steps, Bump.micro_steps_summed) else 0
    constants = neuron.backward_constants(bump.name, bool(named["detach_reset"]))
    with _on(x):
        _kernels().backward_kernel[(programs,)](
            *given, steps, count, blocks, micro_steps, **neuron.numbers, **neuron.more, **constants, **_options()
        )
    return sums.sum(0)


def _named(x: Tensor, kinds: list[int], numbers: list[float]) -> Prepared:
    named = dict(zip(KINDS, kinds, strict=True))
    rounds = "twice" if not named["contracts"] else "in double" if _interpreted() else "once"
    inverts = multiplies_by_reciprocals(x.device.type)
    held = len(x) == 1 < kinds[0]
    return prepared(named, dict(zip(NUMBERS, numbers, strict=True)), held, rounds, bool(inverts))


def _divisor(by: float, inverts: bool) -> tuple[float, bool]:
    """What divides by a number: that or, where torch says so or no bit is lost by it, its reciprocal; and which."""
    own = torch.tensor(by, dtype=torch.float32, device="cpu")
    exact = abs(math.frexp(float(own))[0]) == 0.5 and 1e-30 < abs(float(own)) < 1e30
    return (float(1 / own), False) if inverts or exact else (float(own), True)


def _blocks(count: int) -> int:
    return -(-count // BLOCK)


def _kernels() -> Any:
    require("triton", "gpu")
    from bitspike.neurons import fused_triton_kernels

    return fused_triton_kernels


def _interpreted() -> bool:
    """Whether Triton's kernels run as Python, on the processor: it has no product and sum that is rounded once."""
    return not hasattr(_kernels().forward_kernel, "cache_key")


def _options() -> dict[str, bool]:
    """Products and sums stay apart, as torch's steps have them."""
    return {"enable_fp_fusion": False}


def _on(x: Tensor) -> AbstractContextManager[Any]:
    """The device of a tensor as the current one, where kernels are launched."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
