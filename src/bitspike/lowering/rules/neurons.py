"""Rules of what is not linear: neurons, whose sums are written in units of their threshold, and the relu."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from bitspike import ir
from bitspike.intmath import round_half_up
from bitspike.ir import AnyDynamics, Dynamics, Fire, Node, Relu, Store
from bitspike.ir.limits import MOST_STORE_SHIFT
from bitspike.lowering.fixed_point import EXACT, LEAK_BITS, LEVEL_BITS, WORD, ratio
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.values import Integers, Kind, Sum, Whole
from bitspike.neurons import (
    BaseNode,
    LeakyDynamics,
    NeuronDynamics,
    NotDescribedError,
    TiedIntegrate,
    check_described,
    describe,
)

TIE = 2.0**-12
"""Part of a threshold that is nearer to a tie than other sums of spikes come."""


def _neuron(m: BaseNode, at: Place) -> Node:
    carried = m.membrane_bits if m.T > 1 else None  # one step carries nothing
    s = m.staircase
    return Fire(name=at.name, inputs=at.inputs, T=m.T, lo=s.lo, hi=s.hi, scale=m.scale, membrane_bits=carried)


def _relu(m: nn.ReLU, at: Place) -> Node:
    return Relu(name=at.name, inputs=at.inputs)


def _freeze_relu(freezer: Freezer, node: Relu, value: Whole) -> Integers:
    """A sum is written in fixed point, as for a neuron of threshold 1; integers are read as they are."""
    if isinstance(value, Sum):
        fraction = freezer.point(node, value.largest())
        reach = math.ceil(value.largest() * 2**fraction) + 2 * len(value.parts)  # with the rounding of each part
        value = Integers(freezer.fixed_point(node.name, value, fraction), 2.0**-fraction, reach)
    freezer.emit(node, value.name)
    return replace(value, name=node.name, current=True)


class Frozen(NamedTuple):
    """What freezing makes of a layer of neurons.

    Attributes:
        current: what they read, in units of their threshold.
        fraction_bits: bits of it after the point.
        dynamics: their integers.
        reach: bound of the magnitude of a level, or, of neurons that settle, of what their levels add up to.
    """

    current: Sum
    fraction_bits: int
    dynamics: AnyDynamics
    reach: int


@singledispatch
def frozen(description: Any, node: Fire, current: Sum, freezer: Freezer) -> Frozen:
    """The integers of neurons that describe themselves so; a description of another class registers its own rule.

    Args:
        description: what the neuron's ``dynamics()`` gives.
        node: the op that the integers are for.
        current: what the neurons read, in real numbers.
        freezer: of the network.

    Raises:
        UserError: no rule is for such a description, or its numbers do not fit.
    """
    raise node.refuse(type(description).__name__, "no rule of bitspike.lowering.frozen is for such dynamics")


@frozen.register
def _(d: NeuronDynamics, node: Fire, current: Sum, freezer: Freezer) -> Frozen:
    threshold = d.v_threshold
    level = (d.store or 0.0) / threshold
    channels = np.ones_like(current.beta)
    in_thresholds = current.scaled(channels * d.gain / threshold, channels * d.offset / threshold)
    reset, start = (d.v_reset or 0.0) / threshold, d.v_init / threshold
    added = in_thresholds.largest() + level / 2  # by which rounding to a level may raise what is carried
    largest = added * sum(d.retention**k for k in range(node.T)) + max(abs(reset), abs(start))
    if level:
        largest = min(largest, added + node.top * level + max(abs(reset), abs(start)))
    if d.tracer is None:
        fraction = freezer.point(node, largest)
    elif freezer.release is None:
        raise node.refuse("an input that goes on", "settles where it ends: want a bitspike.layers.Release of an image")
    else:  # what images add up to over all steps is what counts
        fraction = freezer.fraction(node, math.inf, in_thresholds, sent=freezer.release.parts)
    slack = _slack(in_thresholds, fraction, node.T) if _ties(freezer.modules[node.name]) and not level else 0
    multiplier, shift = leak(d.retention)
    dynamics = Dynamics(
        fraction_bits=fraction,
        leak_multiplier=multiplier,
        leak_shift=shift,
        v_reset=None if d.v_reset is None else int(round_half_up(reset * 2**fraction)) + slack,
        v_init=int(round_half_up(start * 2**fraction)) + slack,
        rounds=d.shift == 0.5,
        tracer=d.tracer,
        store=_store(node, level * 2.0**fraction, largest * 2.0**fraction) if level else None,
    )
    return Frozen(in_thresholds, fraction, dynamics, max(node.hi, -node.lo) if d.tracer is None else d.tracer)


@frozen.register
def _(d: LeakyDynamics, node: Fire, current: Sum, freezer: Freezer) -> Frozen:
    if freezer.release is not None:
        raise node.refuse("snnTorch's leaky neuron", "cannot settle on an image that is released; want held images")
    in_thresholds = current.scaled(np.full_like(current.beta, 1 / d.v_threshold), np.zeros_like(current.beta))
    largest = (in_thresholds.largest() + 1) * sum(d.retention**k for k in range(node.T)) + 1
    fraction = freezer.point(node, largest)
    multiplier, shift = leak(d.retention)
    dynamics = ir.LeakyDynamics(fraction_bits=fraction, leak_multiplier=multiplier, leak_shift=shift, reset=d.reset)
    return Frozen(in_thresholds, fraction, dynamics, 1)


def leak(retention: float) -> tuple[int, int]:
    """What a step keeps of a potential, as a multiplier over a power of two: the shift."""
    shift = next((k for k in range(LEAK_BITS) if (retention * 2**k).is_integer()), LEAK_BITS)
    return int(round_half_up(retention * 2**shift)), shift


def _ties(neuron: Any) -> bool:
    """Whether a sum of spikes that is a whole number of levels has to fire just that, however it is rounded."""
    return isinstance(neuron.integrate, TiedIntegrate)


def _slack(current: Sum, fraction: int, T: int) -> int:
    """Units by which a potential may start too high, so that no rounding in ``T`` steps takes it below a tie.

    Of terms that are whole units, none. None either where units are so coarse that it would lift what is no tie.
    """
    rounded = [
        alpha for _, alpha, _ in current.parts if (alpha * 2.0**fraction != np.floor(alpha * 2.0**fraction)).any()
    ]
    slack = 2 * len(rounded) * T  # one for the multiplier and one for the product
    return slack if slack <= TIE * 2**fraction else 0


def _freeze_fire(freezer: Freezer, node: Fire, value: Whole) -> Integers:
    neuron: Any = freezer.modules[node.name]
    try:
        description = describe(neuron)
        if isinstance(description, NeuronDynamics):
            check_described(neuron, description, freezer.graph.input_edge(node).shape)
    except NotDescribedError as no:
        raise node.refuse(no.seen, no.would_do) from no
    if node.scale is None:
        raise node.refuse(type(neuron).__name__, "cannot be frozen: its levels have no one value for all steps")
    made = frozen(description, node, value.terms(freezer.graph.input_edge(node).shape[0]), freezer)
    read = freezer.fixed_point(node.name, made.current, made.fraction_bits)
    freezer.emit(replace(node, dynamics=made.dynamics), read)
    return Integers(node.name, node.scale, made.reach)


def _store(node: Fire, level: float, reach: float) -> Store:
    """Integers of a membrane whose levels are ``level`` units apart; no potential is beyond ``reach`` units.

    The value of a code is off by less than one unit: the error of ``step`` adds up to a quarter, rounding to a half.
    """
    multiplier, shift = ratio(1 / level, min(WORD, EXACT - math.ceil(math.log2(reach))), MOST_STORE_SHIFT)
    step, step_shift = ratio(level, LEVEL_BITS, node.top.bit_length() + 1)
    return Store(multiplier=max(multiplier, 1), shift=shift, step=step, step_shift=step_shift)


_IMAGES_FIRST = "give images to a bitspike.layers.Encoder first"
RULES.register(
    "fire",
    Rule(
        Fire,
        {BaseNode: Maker(_neuron, Reads.STEPS, _IMAGES_FIRST, "neuron")},
        _freeze_fire,
        sends=Kind.SPIKES,
        any_order=True,
    ),
)
RULES.register(
    "relu", Rule(Relu, {nn.ReLU: Maker(_relu, Reads.EITHER)}, _freeze_relu, sends=Kind.CURRENT, any_order=True)
)
