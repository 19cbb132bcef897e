"""All steps of a composed neuron in one call of the C library, forward and backward (ADR-0018).

`steps` is the one place where that is chosen: for float32 on a CPU, where the library is, and where every part of the
neuron is of a class that the library knows, and is just that. Whatever else, torch runs step by step; spikes are equal
to the last bit. The library reads a description of the parts, as data (``csrc/neurons.h``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules

from bitspike import native
from bitspike.neurons.fused_op import KINDS, NUMBERS, run
from bitspike.neurons.integrate import (
    DetachedIntegrate,
    Integrate,
    LeakyIntegrate,
    ParametricLeakyIntegrate,
    RetainIntegrate,
)
from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import (
    ATan,
    MicroStepSigmoid,
    PassThrough,
    Rectangle,
    Sigmoid,
    StraightThrough,
    Surrogate,
    Triangle,
)

__all__ = ["Composed", "described", "steps"]


class Charge(IntEnum):
    """How ``u`` is made of ``v`` and ``x``, as ``csrc/neurons.h`` numbers it."""

    add = 0
    keep = 1
    keep_detached = 2
    leak = 3
    leak_decays = 4
    rate = 5
    rate_decays = 6


class Reset(IntEnum):
    """What is left of ``u``, as ``csrc/neurons.h`` numbers it."""

    soft = 0
    hard = 1
    hard_graded = 2


class Bump(IntEnum):
    """The gradient of the fire step, as ``csrc/neurons.h`` numbers it."""

    atan = 0
    sigmoid = 1
    triangle = 2
    rectangle = 3
    straight_through = 4
    pass_through = 5
    micro_steps = 6
    micro_steps_summed = 7


class Composed(Protocol):
    """The parts of a `bitspike.neurons.SpikingNode` whose methods are its own."""

    integrate: nn.Module
    store: nn.Module
    surrogate_function: Surrogate
    v_reset: float | None
    detach_reset: bool

    @property
    def T(self) -> int: ...  # noqa: N802
    @property
    def staircase(self) -> Staircase: ...
    @property
    def v_init(self) -> float: ...


Numbers = dict[str, float]
CHARGES: dict[type[nn.Module], Callable[[Any], tuple[Charge, Numbers]]] = {
    Integrate: lambda part: (Charge.add, {"factor": part.gain}),
    RetainIntegrate: lambda part: (Charge.keep, {"factor": part.retention}),
    DetachedIntegrate: lambda part: (Charge.keep_detached, {"factor": part.retention}),
    LeakyIntegrate: lambda part: (
        Charge.leak_decays if part.decay_input else Charge.leak,
        {"factor": part.tau, "v_rest": part.v_rest},
    ),
    ParametricLeakyIntegrate: lambda part: (
        Charge.rate_decays if part.decay_input else Charge.rate,
        {"v_rest": part.v_rest},
    ),
}
"""What each charge step is to the library."""

SURROGATES: dict[type[Surrogate], tuple[tuple[str, ...], Callable[[Any, Staircase], tuple[Bump, Numbers]]]] = {
    ATan: (("alpha",), lambda s, _: (Bump.atan, {"a": 2 / s.alpha, "b": s.alpha * math.pi**2 / 2})),
    Sigmoid: (("alpha",), lambda s, _: (Bump.sigmoid, {"a": s.alpha})),
    Triangle: (("gamma",), lambda s, _: (Bump.triangle, {"a": s.gamma, "b": 1 / s.gamma**2})),
    Rectangle: (("width",), lambda s, _: (Bump.rectangle, {"a": s.width / 2, "b": 1 / s.width})),
    StraightThrough: (
        (),
        lambda _, stairs: (
            Bump.straight_through,
            {
                "a": stairs.lo * stairs.v_threshold,
                "b": stairs.hi * stairs.v_threshold,
                "c": stairs.scale / stairs.v_threshold,
            },
        ),
    ),
    PassThrough: ((), lambda _, stairs: (Bump.pass_through, {"c": stairs.scale / stairs.v_threshold})),
    MicroStepSigmoid: (
        ("alpha", "detach_reset"),
        lambda s, stairs: (
            Bump.micro_steps_summed if s.detach_reset else Bump.micro_steps,
            {"a": s.alpha, "c": 1 / stairs.v_threshold},
        ),
    ),
}
"""What each surrogate is to the library, behind the names of all that it has."""


def steps(node: Composed, current: Tensor) -> Tensor | None:
    """Spikes ``[T, N, ...]`` of a current ``[T or 1, N, ...]``; ``None`` where torch has to run the steps."""
    if not _takes(current):
        return None
    data = described(node)
    if data is None:
        return None
    rate = node.integrate.w.sigmoid() if isinstance(node.integrate, ParametricLeakyIntegrate) else None
    if rate is not None and not (rate.dtype == torch.float32 and rate.device.type == "cpu"):
        return None
    kinds, numbers = data
    return run(current, rate, kinds, numbers)


def _takes(current: Tensor) -> bool:
    """Whether the library computes with such a tensor, here: an export would write a call that nobody else knows."""
    if type(current) not in (Tensor, nn.Parameter) or current.layout != torch.strided:
        return False
    if current.dtype != torch.float32 or current.device.type != "cpu" or current.ndim < 1:
        return False
    return not (torch.compiler.is_exporting() or torch.jit.is_tracing())


def described(node: Composed) -> tuple[list[int], list[float]] | None:
    """The neuron as `KINDS` and `NUMBERS`; ``None`` where a part is none that the library knows."""
    stairs, gradient = node.staircase, node.surrogate_function
    charge, bump = CHARGES.get(type(node.integrate)), SURROGATES.get(type(gradient))
    if charge is None or bump is None or type(node.store) is not nn.Identity or type(stairs) is not Staircase:
        return None
    if not (_untouched(node.integrate) and _untouched(node.store)) or modules._has_any_global_hook():
        return None
    fields, of_gradient = bump
    if set(vars(gradient)) != set(fields) or "level" in vars(stairs):
        return None
    contracts = _contracts()
    if contracts is None:
        return None
    (charge_kind, charge_numbers), (bump_kind, bump_numbers) = charge(node.integrate), of_gradient(gradient, stairs)
    graded = Reset.hard if (stairs.lo, stairs.hi) == (0, 1) else Reset.hard_graded
    kinds = {
        "steps": node.T,
        "charge": charge_kind,
        "reset": Reset.soft if node.v_reset is None else graded,
        "surrogate": bump_kind,
        "detach_reset": node.detach_reset,
        "contracts": contracts,
    }
    numbers = {
        "threshold": stairs.v_threshold,
        "lo": stairs.lo,
        "hi": stairs.hi,
        "shift": stairs.shift,
        "scale": stairs.scale,
        "per_spike": stairs.v_threshold / stairs.scale,
        "v_init": node.v_init,
        "v_reset": node.v_reset or 0.0,
        "nearest_shift": stairs.shift + 0.5,
        "nearest": (stairs.hi - stairs.shift) * stairs.v_threshold,
        **charge_numbers,
        **bump_numbers,
    }
    return [int(kinds.get(name, 0)) for name in KINDS], [float(numbers.get(name, 0.0)) for name in NUMBERS]


def _untouched(part: nn.Module) -> bool:
    """Whether a call of ``part`` runs the ``forward`` of its class and nothing beside it."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    return "forward" not in vars(part) and not any(hooks)


def _contracts() -> bool | None:
    """Whether torch rounds ``a + factor b`` once on this processor; ``None`` where the library cannot do as torch does.

    That is where there is none, or where torch rounds once for some elements alone.
    """
    return None if native.library() is None else _rounds_once()


# As torch.compiler.assume_constant_result says it, which loads the compiler to do so.
_contracts._dynamo_marked_constant = True  # type: ignore[attr-defined]


@cache
def _rounds_once() -> bool | None:
    a = torch.linspace(-1, 1, 4099, dtype=torch.float32)
    b, factor = a.flip(0) / 3, torch.tensor(1 / 3, dtype=torch.float32)
    said = torch.add(a, b, alpha=1 / 3)
    once = (a.double() + factor.double() * b.double()).float()
    if torch.equal(said, once):
        return True
    return False if torch.equal(said, a + b * factor) else None
