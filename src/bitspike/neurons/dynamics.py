"""What a neuron does, as data: the numbers of its steps, and the check that its class does no more than they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Protocol

from torch import nn

from bitspike.errors import UserError
from bitspike.neurons.staircase import Staircase
from bitspike.quant import MembraneQuantizer, SharedMembraneQuantizer, TanhMembraneQuantizer

__all__ = ["NeuronDynamics", "NotDescribedError", "charge_of", "describe", "membrane_level", "staircase_of"]

CHARGE = ("retention", "gain", "offset")
FREE = ("__init__", "extra_repr", "dynamics", "step_size")
"""Methods that say nothing of what is computed, or are its description."""
CALLS = ("__call__", "_call_impl", "_reset")
"""Behaviour beside the methods of the class; ``_reset`` is what `bitspike.neurons.BaseNode.reset` was called."""


@dataclass(frozen=True)
class NeuronDynamics:
    """One step of a neuron in real numbers, which an integer network is made of::

        u     = retention v + gain x + offset
        level = clip(floor(u/v_threshold + shift), lo, hi)
        level = clip(sent + level, 0, tracer) - sent        where there is a tracer; sent += level
        v     = u - level v_threshold                       where v_reset is None (soft reset)
        v     = v_reset where level != 0, else u            otherwise (hard reset)
        v     = store round(v/store), clipped to its bits   where there is a store

    Before the first step ``v = v_init`` and ``sent = 0``. The neuron sends ``level scale``.

    Attributes:
        v_threshold: potential of one level.
        lo, hi: the alphabet, both included.
        shift: 0 fires by floor, 1/2 to the nearest level.
        scale: value of one level in what is sent.
        retention, gain, offset: of the charge step.
        v_reset: potential after any level but 0; ``None`` is the soft reset.
        v_init: potential before the first step.
        tracer: most that the levels sent so far may add up to, and 0 the least; ``None`` for no such limits.
        store: value of one level of the potential between two steps; ``None`` carries it in floats, or not at all.
        store_bits: bits of that potential.
    """

    v_threshold: float
    lo: int
    hi: int
    scale: float
    shift: float = 0.0
    retention: float = 1.0
    gain: float = 1.0
    offset: float = 0.0
    v_reset: float | None = None
    v_init: float = 0.0
    tracer: int | None = None
    store: float | None = None
    store_bits: int | None = None


class NotDescribedError(UserError):
    """Says that no `NeuronDynamics` describes a part of a neuron; ``seen`` is the name of its class."""

    def __init__(self, part: object, why: str) -> None:
        name = part if isinstance(part, str) else type(part).__name__
        super().__init__("neuron", name, why)

    def __reduce__(self) -> Any:
        return type(self), (self.seen, self.would_do)


class Described(Protocol):
    """Whatever says of itself what it computes."""

    def dynamics(self) -> NeuronDynamics: ...


def describe(node: Described) -> NeuronDynamics:
    """Returns the dynamics of a neuron that does what they say.

    A class that changes what a neuron computes (``forward``, ``step``, ``fire``, ``initial_state``, ``reset``, ...)
    has to say so in a ``dynamics`` of its own, and so has one that changes it once more. A method that was replaced on
    the neuron alone is refused.

    Raises:
        UserError: it computes what its dynamics do not know of, or what no numbers describe.
    """
    classes = type(node).__mro__
    home = _depth(type(node), "dynamics")
    known = _methods(cls for cls in classes[home:] if cls not in nn.Module.__mro__)
    _refuse_overridden(node, (*known, *CALLS), home, "dynamics")
    return node.dynamics()


def charge_of(integrate: nn.Module) -> tuple[float, float, float]:
    """Returns ``retention``, ``gain`` and ``offset`` of a charge step.

    Raises:
        UserError: it has not all of them, or its class overrides ``forward`` and says nothing of them.
    """
    if not all(hasattr(integrate, name) for name in CHARGE):
        raise NotDescribedError(integrate, "this charge step cannot be frozen; want a linear one")
    kind, classes = type(integrate), type(integrate).__mro__
    said = [_depth(kind, name) for name in CHARGE if any(name in vars(cls) for cls in classes)]
    # Where objects alone say it, the class that has the first forward is the one whose objects do.
    first = [depth for depth, cls in enumerate(classes) if "forward" in vars(cls) and cls is not nn.Module][-1:]
    home = min(said or first, default=0)
    _refuse_overridden(integrate, ("forward", "__call__", "_call_impl"), home, "retention, gain or offset")
    try:
        retention, gain, offset = (float(getattr(integrate, name)) for name in CHARGE)
    except (TypeError, ValueError) as wrong:
        wanted = f"want {', '.join(CHARGE)} that are one number each, for all neurons of the layer"
        raise NotDescribedError(integrate, f"this charge step cannot be frozen; {wanted}") from wrong
    return retention, gain, offset


def staircase_of(staircase: Staircase) -> Staircase:
    """Returns the staircase as it is, if its class computes its level and no other.

    Raises:
        UserError: its class overrides ``level``, or it rounds by anything but 0 and 1/2.
    """
    if type(staircase).level is not Staircase.level or "level" in vars(staircase):
        raise NotDescribedError(staircase, "its class overrides level, which cannot be frozen; want a Staircase")
    if staircase.shift not in (0.0, 0.5):
        wanted = f"it fires by floor(u + {staircase.shift:g}), which cannot be frozen; want a shift of 0 or 0.5"
        raise NotDescribedError(staircase, wanted)
    return staircase


def membrane_level(store: nn.Module) -> tuple[float | None, int | None]:
    """Returns the value of one level of a quantized membrane, and its bits; ``None`` of both where it stays in floats.

    Raises:
        UserError: a store of another kind, one whose class overrides ``forward`` and not ``step_size``, or one that no
            training has given a maximum.
    """
    if type(store) is nn.Identity and "forward" not in vars(store):
        return None, None
    if isinstance(store, TanhMembraneQuantizer):
        raise NotDescribedError(store, "tanh of a membrane cannot be frozen; use MembraneQuantizer")
    if not isinstance(store, MembraneQuantizer):
        raise NotDescribedError(store, "a membrane that is stored so cannot be frozen")
    home = _depth(type(store), "step_size")
    known = _methods(cls for cls in type(store).__mro__[home:] if cls not in nn.Module.__mro__)
    _refuse_overridden(store, (*known, "__call__", "_call_impl"), home, "step_size")
    try:
        return store.step_size(), store.bits
    except UserError as no:
        if not isinstance(store, SharedMembraneQuantizer):
            raise
        raise NotDescribedError(store, f"{no.thing}: got {no.seen}; {no.would_do}") from no


def _methods(classes: Iterable[type]) -> list[str]:
    """What the classes compute with, by name."""
    return [
        name
        for cls in classes
        for name, value in vars(cls).items()
        if isinstance(value, FunctionType) and name not in FREE
    ]


def _refuse_overridden(thing: nn.Module | Described, behaviour: Iterable[str], home: int, description: str) -> None:
    """Refuses a behaviour that a class nearer to ``thing`` than its ``home``-th defines, or that it has to itself."""
    for name in behaviour:
        if name in vars(thing) or _depth(type(thing), name) < home:
            who = "it" if name in vars(thing) else "its class"
            wanted = f"{who} overrides {name} but not {description}, from which it is frozen"
            raise NotDescribedError(thing, wanted)


def _depth(kind: type, name: str) -> int:
    """The first of the class and those above it, one by one, that defines ``name``."""
    found = (depth for depth, cls in enumerate(kind.__mro__) if name in vars(cls))
    return next(found, len(kind.__mro__))
