"""What a neuron does in a step, in integers: on numbers, and on the ranges that hold all of them.

This is the equation of `Dynamics` and `Store`, twice: `fire` and `carry` compute it, `membrane_range` proves what it
can make. Both follow one and the same order of leak, current, level, tracer, reset and store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitspike.intmath import half, saturate, shift_right, shift_right_round
from bitspike.ir.ops.node import Int
from bitspike.ir.ranges import INT64, Range

if TYPE_CHECKING:
    from bitspike.ir.ops.neurons import Dynamics, Fire, Store

__all__ = ["carry", "fire", "membrane_range"]


def fire(node: Fire, current: Int) -> tuple[Int, Int]:
    """A layer of neurons, step by step, from a fresh state.

    Args:
        node: a frozen one.
        current: ``[T, N, *shape]``, or one step that is held.

    Returns:
        The levels sent, and the potentials ``u`` that they were sent at: ``[T, N, *shape]`` both.
    """
    d = node.dynamics
    assert d is not None  # a FrozenGraph has them
    up = half(d.fraction_bits) if d.rounds else 0
    v = np.full(current.shape[1:], d.v_init, dtype=np.int64)
    sent = np.zeros_like(v)
    levels, potentials = (np.empty((node.T, *v.shape), dtype=np.int64) for _ in range(2))
    for t in range(node.T):
        u = potentials[t] = shift_right(v * d.leak_multiplier, d.leak_shift) + current[t if len(current) > 1 else 0]
        levels[t] = saturate(shift_right(u + up, d.fraction_bits), node.lo, node.hi)
        if d.tracer is not None:
            levels[t] = saturate(sent + levels[t], 0, d.tracer) - sent
            sent += levels[t]
        v = carry(node, u, levels[t])
    return levels, potentials


def carry(node: Fire, u: Int, level: Int) -> Int:
    """The potential ``v`` that goes into the next step: reset, and stored where the membrane is quantized."""
    d = node.dynamics
    assert d is not None  # a FrozenGraph has them
    v: Int = u - (level << d.fraction_bits) if d.v_reset is None else np.where(level != 0, d.v_reset, u)
    if d.store is None:
        return v
    code = saturate(shift_right_round(v * d.store.multiplier, d.store.shift), -node.top, node.top)
    return shift_right_round(code * d.store.step, d.store.step_shift)


def membrane_range(node: Fire, current: Range, total: Range | None = None) -> Range:
    """Every value that ``u`` or ``v`` takes within the neuron's ``T`` steps, for any currents within ``current``.

    ``total`` bounds what the currents of the first steps, however many, add up to.
    """
    if node.dynamics is None:
        raise node.refuse(None, "want the integers of a frozen neuron (dynamics)")
    d, v = node.dynamics, Range(node.dynamics.v_init, node.dynamics.v_init)
    seen = v
    for _ in range(node.T):
        if v.reach * d.leak_multiplier >= INT64:
            raise node.refuse(tuple(v), "the leak could overflow 64 bits")
        u = Range(*(end * d.leak_multiplier >> d.leak_shift for end in v)) + current
        if u.reach >= INT64:
            raise node.refuse(tuple(u), "the membrane could overflow 64 bits")
        before, v = v, _after_reset(u, d, node.lo, node.hi)
        seen = seen.including(*u, *v)
        if d.store is not None:
            if v.reach * d.store.multiplier + half(d.store.shift) >= INT64:
                raise node.refuse(tuple(v), "the store could overflow 64 bits")
            v = Range(*(_stored(end, d.store, node.top) for end in v))
            seen = seen.including(*v)
        if v == before:  # so are all steps from here on
            break
    perfect = d.leak_multiplier == 1 << d.leak_shift and d.v_reset is None and d.store is None
    if total is None or d.tracer is None or not perfect:
        return seen
    kept = Range(d.v_init + total.lo - (d.tracer << d.fraction_bits), d.v_init + total.hi)
    return seen.within(kept.including(d.v_init))


def _stored(v: int, store: Store, top: int) -> int:
    """`Store` of one potential. It is monotone: the ends of a range become the ends of the stored one."""
    code = min(max(v * store.multiplier + half(store.shift) >> store.shift, -top), top)
    return code * store.step + half(store.step_shift) >> store.step_shift


def _after_reset(u: Range, d: Dynamics, lo: int, hi: int) -> Range:
    """Extremes of the carried potential: they lie at the ends of ``u`` or on either side of a threshold.

    Between two thresholds everything repeats, so of those within ``u`` the first and the last are enough, with the two
    that enclose level 0, where a hard reset changes its mind.
    """
    up = half(d.fraction_bits) if d.rounds else 0
    first, last = (min(max(value + up >> d.fraction_bits, lo), hi) for value in u)
    ends = set(u)
    for level in (first + 1, last, 0, 1):
        threshold = (level << d.fraction_bits) - up
        ends |= {value for value in (threshold - 1, threshold) if u.lo <= value <= u.hi}
    levels = [(value, min(max(value + up >> d.fraction_bits, lo), hi)) for value in ends]
    if d.tracer is not None:
        levels += [(value, 0) for value in u]  # it may hold back any part of a level
    if d.v_reset is None:
        carried = [value - (level << d.fraction_bits) for value, level in levels]
    else:
        carried = [d.v_reset if level else value for value, level in levels]
    return Range(min(carried), max(carried))
