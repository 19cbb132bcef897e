"""Rules of what is not linear: neurons, whose sums are written in units of their threshold, and the relu."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from bitspike.intmath import round_half_up
from bitspike.ir import Dynamics, Fire, Node, Relu, Store
from bitspike.ir.ops import MOST_STORE_SHIFT
from bitspike.lowering.fixed_point import EXACT, LEAK_BITS, LEVEL_BITS, WORD, fraction_bits, ratio
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.values import Integers, Kind, Sum, Value
from bitspike.neurons import BaseNode, STBIFNode
from bitspike.quant import MembraneQuantizer, TanhMembraneQuantizer


def _neuron(m: BaseNode, at: Place) -> Node:
    carried = m.membrane_bits if m.T > 1 else None  # one step carries nothing
    s = m.staircase
    return Fire(name=at.name, inputs=at.inputs, T=m.T, lo=s.lo, hi=s.hi, scale=m.scale, membrane_bits=carried)


def _relu(m: nn.ReLU, at: Place) -> Node:
    return Relu(name=at.name, inputs=at.inputs)


def _freeze_relu(freezer: Freezer, node: Relu, value: Value) -> Integers:
    """A sum is written in fixed point, as for a neuron of threshold 1; integers are read as they are."""
    if isinstance(value, Sum):
        fraction = fraction_bits(node, value.largest())
        reach = math.ceil(value.largest() * 2**fraction) + 2 * len(value.parts)  # with the rounding of each part
        value = Integers(freezer.fixed_point(node.name, value, fraction), 2.0**-fraction, reach)
    freezer.emit(node, value.name)
    return replace(value, name=node.name, current=True)


def _freeze_fire(freezer: Freezer, node: Fire, value: Value) -> Integers:
    current = value.terms(freezer.graph.input_edge(node).shape[0])
    neuron: Any = freezer.modules[node.name]
    staircase, integrate = neuron.staircase, neuron.integrate
    if isinstance(neuron, STBIFNode):
        return _settling(freezer, node, neuron, current)
    if not isinstance(neuron, BaseNode) or not hasattr(integrate, "retention"):
        raise node.refuse(type(integrate).__name__, "this charge step cannot be frozen; want a linear one")
    if node.scale is None:
        raise node.refuse(type(neuron).__name__, "cannot be frozen: its levels have no one value for all steps")
    level = _membrane_level(node, neuron) / staircase.v_threshold
    threshold, retention = staircase.v_threshold, integrate.retention
    channels = np.ones_like(current.beta)
    in_thresholds = current.scaled(channels * integrate.gain / threshold, channels * integrate.offset / threshold)
    reset = 0.0 if neuron.v_reset is None else neuron.v_reset / threshold
    added = in_thresholds.largest() + level / 2  # by which rounding to a level may raise what is carried
    largest = added * sum(retention**k for k in range(node.T)) + abs(reset)
    if level:
        largest = min(largest, added + node.top * level + abs(reset))
    fraction = fraction_bits(node, largest)
    shift = next((k for k in range(LEAK_BITS) if (retention * 2**k).is_integer()), LEAK_BITS)
    fixed_reset = int(round_half_up(reset * 2**fraction))
    dynamics = Dynamics(
        fraction_bits=fraction,
        leak_multiplier=int(round_half_up(retention * 2**shift)),
        leak_shift=shift,
        v_reset=None if neuron.v_reset is None else fixed_reset,
        v_init=fixed_reset,
        rounds=staircase.shift == 0.5,
        store=_store(node, level * 2.0**fraction, largest * 2.0**fraction) if level else None,
    )
    freezer.emit(replace(node, dynamics=dynamics), freezer.fixed_point(node.name, in_thresholds, fraction))
    return Integers(node.name, staircase.scale, max(node.hi, -node.lo))


def _settling(freezer: Freezer, node: Fire, neuron: STBIFNode, current: Sum) -> Integers:
    in_thresholds = current.scaled(np.ones_like(current.beta) / neuron.staircase.v_threshold, current.beta * 0)
    parts = 0 if freezer.release is None else freezer.release.parts
    fraction = freezer.fraction(node, math.inf, in_thresholds, sent=parts)
    dynamics = Dynamics(
        fraction_bits=fraction,
        leak_multiplier=1,
        leak_shift=0,
        v_reset=None,
        v_init=int(round_half_up(neuron.v_init / neuron.staircase.v_threshold * 2**fraction)),
        tracer=neuron.S_max,
    )
    freezer.emit(replace(node, dynamics=dynamics), freezer.fixed_point(node.name, in_thresholds, fraction))
    return Integers(node.name, neuron.staircase.scale, neuron.S_max)


def _membrane_level(node: Fire, neuron: BaseNode) -> float:
    """Value of one level of the membrane between two steps; 0 where it is not quantized, or nothing is carried."""
    store = neuron.store
    if neuron.T == 1 or type(store) is nn.Identity:
        return 0.0
    if isinstance(store, TanhMembraneQuantizer):
        raise node.refuse(type(store).__name__, "tanh of a membrane cannot be frozen; use MembraneQuantizer")
    if type(store) is not MembraneQuantizer:
        raise node.refuse(type(store).__name__, "a membrane that is stored so cannot be frozen")
    return store.step_size()


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
    ),
)
RULES.register("relu", Rule(Relu, {nn.ReLU: Maker(_relu, Reads.EITHER)}, _freeze_relu, sends=Kind.CURRENT))
