"""All steps of a composed neuron in one call, forward and backward: of the C library (ADR-0018) or Triton (ADR-0026).

`steps` is the one place where that is chosen: on a CPU where the library is, on a GPU where Triton is, for float32 and
for what autocast made of it, which is computed in float32 all the same; and where every part of the neuron is of a
class that they know, and is just that. Whatever else, torch runs step by step; spikes are equal to the last bit. Both
read a description of the parts, as data (``csrc/neurons.h``).
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as modules

from bitspike import native
from bitspike.errors import UserError
from bitspike.neurons.fused_arithmetic import known, rounds_once
from bitspike.neurons.fused_kinds import KINDS, NUMBERS, Bump, Charge, Described, Reset, Tensors
from bitspike.neurons.fused_op import run
from bitspike.neurons.integrate import (
    DetachedIntegrate,
    Integrate,
    LeakyIntegrate,
    ParametricLeakyIntegrate,
    RetainIntegrate,
    TiedIntegrate,
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
from bitspike.quant import MembraneQuantizer

__all__ = [
    "Composed",
    "Fires",
    "described",
    "in_autocast",
    "of_staircase",
    "refuse_forward_mode",
    "steps",
    "untouched",
]


Numbers = dict[str, float]


class Fires(NamedTuple):
    """How a neuron fires and what is learned through it: parts of `KINDS` and `NUMBERS`.

    Attributes:
        learned: of each step the threshold, bits and number of steps ``[T, 3]``, where they are learned.
    """

    kinds: Mapping[str, int]
    numbers: Mapping[str, float]
    learned: Tensor | None = None


class Composed(Protocol):
    """The parts of a `bitspike.neurons.node.ComposedNode` whose methods are its own."""

    integrate: nn.Module
    store: nn.Module
    v_reset: float | None
    detach_reset: bool

    @property
    def T(self) -> int: ...  # noqa: N802
    @property
    def staircase(self) -> Staircase: ...
    @property
    def v_init(self) -> float: ...
    def described_fire(self) -> Fires | None: ...


CHARGES: dict[type[nn.Module], Callable[[Any], tuple[Charge, Numbers]]] = {
    Integrate: lambda part: (Charge.add, {"factor": part.gain}),
    TiedIntegrate: lambda part: (Charge.add_tied, {"factor": part.gain, "margin": part.margin(torch.float32)}),
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
"""What each charge step is to those that run all steps."""

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
"""What each surrogate is to those that run all steps, behind the names of all that it has."""


PROCESSOR = torch.device("cpu")
METHODS = {"forward", "margin", "_to_tie", "track", "frozen_peak", "_prepare", "start", "fit"}
"""Of parts, which somebody may replace on an object."""


def steps(node: Composed, current: Tensor) -> Tensor | None:
    """Spikes ``[T, N, ...]`` of a current ``[T or 1, N, ...]``; ``None`` where torch has to run the steps."""
    if not _takes(current):
        return None
    data = described(node, current.device)
    if data is None:
        return None
    finds = bool(data.kinds[KINDS.index("finds")])
    if finds and not current.numel():  # there is no largest potential
        return None
    spikes, peaks = run(current, *data)
    if finds:
        for peak in peaks.unbind():
            node.store.track(peak)  # type: ignore[operator]
    return spikes


def refuse_forward_mode(name: str, *tensors: Tensor | None) -> None:
    """Refuses currents and parameters with a tangent, for a neuron of that name.

    Raises:
        UserError: spikes have the gradients of surrogates, which go backward alone.
    """
    if forward_ad._current_level < 0:
        return
    if any(one is not None and forward_ad.unpack_dual(one).tangent is not None for one in tensors):
        raise UserError(
            "forward-mode derivative", name, "its surrogate gradient goes backward alone; want reverse mode"
        )


def in_autocast(current: Tensor) -> bool:
    """Whether torch made a shorter float of a current that is one by itself in float32."""
    return current.dtype in (torch.bfloat16, torch.float16) and torch.is_autocast_enabled(current.device.type)


def _takes(current: Tensor) -> bool:
    """Whether such a tensor is computed with, here: an export would write a call that nobody else knows."""
    if type(current) not in (Tensor, nn.Parameter) or current.layout != torch.strided or current.ndim < 1:
        return False
    halves = (torch.bfloat16,) if current.device.type == "cpu" else (torch.bfloat16, torch.float16)
    if current.dtype != torch.float32 and not (current.dtype in halves and in_autocast(current)):
        return False
    return not (torch.compiler.is_exporting() or torch.jit.is_tracing())


def described(node: Composed, device: torch.device = PROCESSOR) -> Described | None:
    """The neuron as the op takes it; ``None`` where nothing on the device knows one of its parts."""
    charge, contracts = CHARGES.get(type(node.integrate)), _contracts(device.type)
    if charge is None or contracts is None or modules._has_any_global_hook():
        return None
    if not (untouched(node.integrate) and untouched(node.store)):
        return None
    fires, stored = node.described_fire(), _stored(node, device)
    if fires is None or stored is None or not _same_ties(node):
        return None
    charge_kind, charge_numbers = charge(node.integrate)
    store_kinds, store_numbers, peaks = stored
    rate = node.integrate.w.sigmoid() if isinstance(node.integrate, ParametricLeakyIntegrate) else None
    tensors = Tensors(rate, fires.learned, peaks)
    if not all(one is None or (one.dtype == torch.float32 and one.device == device) for one in tensors):
        return None
    kinds = {
        "steps": node.T,
        "charge": charge_kind,
        "reset": Reset.soft if node.v_reset is None else _hard(node.staircase),
        "detach_reset": node.detach_reset,
        "contracts": contracts,
        **store_kinds,
        **fires.kinds,
    }
    numbers = {
        "v_init": node.v_init,
        "v_reset": node.v_reset or 0.0,
        **charge_numbers,
        **store_numbers,
        **fires.numbers,
    }
    whole = [int(kinds.get(name, 0)) for name in KINDS]
    return Described(whole, [float(numbers.get(name, 0.0)) for name in NUMBERS], tensors)


def of_staircase(stairs: Staircase, gradient: Surrogate) -> Fires | None:
    """How neurons fire that have one staircase and a surrogate; ``None`` where one of them is not known."""
    bump = SURROGATES.get(type(gradient))
    if bump is None or type(stairs) is not Staircase or "level" in vars(stairs):
        return None
    fields, of_gradient = bump
    if set(vars(gradient)) != set(fields):
        return None
    kind, numbers = of_gradient(gradient, stairs)
    own = {
        "threshold": stairs.v_threshold,
        "lo": stairs.lo,
        "hi": stairs.hi,
        "shift": stairs.shift,
        "scale": stairs.scale,
        "per_spike": stairs.v_threshold / stairs.scale,
        "nearest_shift": stairs.shift + 0.5,
        "nearest": (stairs.hi - stairs.shift) * stairs.v_threshold,
    }
    return Fires({"surrogate": kind}, {**own, **numbers})


def _stored(node: Composed, device: torch.device) -> tuple[Mapping[str, int], Numbers, Tensor | None] | None:
    """What becomes of a potential between two steps: kinds, numbers, and peaks where they are known already."""
    store = node.store
    if type(store) is nn.Identity:
        return {}, {}, None
    if type(store) is not MembraneQuantizer:
        return None
    if node.T == 1:  # nothing is carried
        return {}, {}, None
    if store.peak.dtype != torch.float32 or store.peak.device != device:
        return None
    kinds, numbers = {"store": True, "finds": store.training}, {"top": store.top, "limit": store.limit}
    return kinds, numbers, None if store.training else store.frozen_peak().expand(node.T - 1).contiguous()


def _hard(stairs: Staircase) -> Reset:
    return Reset.hard if (stairs.lo, stairs.hi) == (0, 1) else Reset.hard_graded


def _same_ties(node: Composed) -> bool:
    """Whether a charge that looks for ties looks for those of the levels that the neuron fires."""
    return not isinstance(node.integrate, TiedIntegrate) or node.integrate.staircase == node.staircase


def untouched(part: nn.Module) -> bool:
    """Whether a call of ``part`` runs the ``forward`` of its class and nothing beside it."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    return not vars(part).keys() & METHODS and not any(hooks)


def _contracts(device: str) -> bool | None:
    """Whether torch rounds ``a + factor b`` once on such a device; ``None`` where nothing there does as torch does.

    That is where there is no library, or no Triton, or where torch rounds in ways that neither has.
    """
    there = native.library() is not None if device == "cpu" else device == "cuda" and _has_triton()
    return rounds_once(device) if there and known(device) else None


# As torch.compiler.assume_constant_result says it, which loads the compiler to do so.
_contracts._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
