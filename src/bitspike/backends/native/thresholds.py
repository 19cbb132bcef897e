"""Levels by thresholds: where a level depends on one sum, and grows or falls with it.

What lies between the sum and the level, whatever it is, is a few comparisons then: the same integers, found by
bisection over what the ops say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.ir import Affine, Fire, FrozenGraph, Node, Program, Range

__all__ = ["MOST_THRESHOLDS", "Beside", "Steps", "grows"]

MOST_THRESHOLDS = 15
"""Beyond them comparisons take longer than what they stand for."""
LEAST_FOR_LINE = 4
"""Fewer comparisons take no longer than a line."""
END = 2**31 - 1
Line = tuple[NDArray[np.float32], NDArray[np.float32]]


class Beside(NamedTuple):
    """What is added to a sum, ``slope levels + offset`` of each channel, of the levels of another edge."""

    name: str
    slope: NDArray[np.int64]
    offset: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """How the levels of neurons are found from a sum.

    Attributes:
        read: the edge of the sums. names: of the ops that are done without, and last of the neurons.
        lo: the lowest level.
        turned: of each channel -1 where levels fall with the sum, else 0.
        thresholds: ``[level][channel]``: the least ``sum ^ turned`` that has the level.
        beside: an edge of two levels that is added on the way: a spike that goes past the layer. It moves the only
            threshold, so the sum is taken with ``slope beside + offset`` added to it, ``[channel]``; else ``None``.
        line: slope and offset ``[channel]`` of ``lo + clip(trunc(slope sum + offset), 0, levels)`` in float32, where
            that is the same level for every sum that there may be, and takes less time; else ``None``.
    """

    read: str
    names: tuple[str, ...]
    lo: int
    turned: NDArray[np.int32]
    thresholds: NDArray[np.int32]
    beside: Beside | None = None
    line: Line | None = None

    @classmethod
    def of(cls, net: FrozenGraph, chain: Sequence[Node], read: str, beside: str | None = None) -> Steps | None:
        """Of what a sum goes through: affines, an addition, and last neurons of one step.

        ``None`` where the levels are too many, or are not seen to grow or fall with the sum.

        Args:
            net: the network.
            chain: the ops in order, those that the edge beside goes through too.
            read, beside: the edge of the sums, and the other that is added.
        """
        fire = chain[-1]
        assert isinstance(fire, Fire)
        found, most = net.ranges[read], END - 1 if beside is None else END // 4
        if fire.hi - fire.lo > MOST_THRESHOLDS or found.reach >= most or not grows(fire.program):
            return None
        if beside is not None and (fire.hi - fire.lo != 1 or net.ranges[beside].hi - net.ranges[beside].lo != 1):
            return None
        channels, at, slopes = net.graph.edges[fire.name].shape[0], read, np.ones(1, dtype=np.int64)
        for node in chain:
            if at in node.inputs:
                at = node.name
                if isinstance(node, Affine):
                    slopes = slopes * np.sign(net.tensors[f"{node.name}.multiplier"])
        turned = np.broadcast_to(np.where(slopes < 0, -1, 0), channels).astype(np.int64)
        wanted = np.arange(fire.lo + 1, fire.hi + 1)[:, None]

        def least(given: Mapping[str, int]) -> NDArray[np.int64]:
            """The thresholds, while other edges have these levels."""
            below = np.broadcast_to(np.where(turned == 0, found.lo, ~found.hi) - 1, (len(wanted), channels))
            above = np.broadcast_to(np.where(turned == 0, found.hi, ~found.lo) + 1, (len(wanted), channels))
            while (apart := above - below > 1).any():  # the level is reached at `above`, as far as there are sums there
                middle = (above + below) >> 1
                reached = _levels(net, chain, {read: middle ^ turned}, given) >= wanted
                above, below = np.where(apart & reached, middle, above), np.where(apart & ~reached, middle, below)
            return above

        names = tuple(node.name for node in chain)
        if beside is None:
            above = least({})
            line = _line(above, turned, found) if len(above) >= LEAST_FOR_LINE else None
            return cls(read, names, fire.lo, turned.astype(np.int32), above.astype(np.int32), line=line)
        lo = net.ranges[beside].lo
        above = least({beside: lo})
        slope = np.where(turned == 0, 1, -1) * (above - least({beside: lo + 1}))[0]
        added = Beside(beside, slope, -lo * slope)
        return cls(read, names, fire.lo, turned.astype(np.int32), above.astype(np.int32), added)


def _line(thresholds: NDArray[np.int64], turned: NDArray[np.int64], found: Range) -> Line | None:
    """The line of `Steps`; ``None`` where in some channel none is found that has all thresholds.

    Floats round, but what they make of a sum never falls where the sum grows (or never grows): it has the right level
    everywhere if it has it on both sides of every threshold.
    """
    lo, hi = np.where(turned == 0, found.lo, ~found.hi), np.where(turned == 0, found.hi, ~found.lo)
    ranks = np.arange(1, len(thresholds) + 1)[:, None] * np.ones(len(turned))
    inside = (thresholds > lo) & (thresholds <= hi)
    # Of two thresholds t_i and t_k, the line is at least i at t_i and below k at t_k - 1.
    apart = thresholds[:, None] - thresholds[None] + 1
    both = inside[:, None] & inside[None]
    with np.errstate(divide="ignore", invalid="ignore"):  # where there is nothing inside, infinities meet
        slopes = (ranks[:, None] - ranks[None]) / apart
        least = np.where(both & (apart > 0), slopes, 0).max((0, 1))
        most = np.where(both & (apart < 0), slopes, np.inf).min((0, 1))
        slope = np.where(np.isfinite(most), (least + most) / 2, least + 1).astype(np.float32).astype(np.float64)
        slope[~inside.any(0)] = 0
        low = np.where(inside, ranks - slope * thresholds, -np.inf).max(0)
        high = np.where(inside, ranks - slope * (thresholds - 1), np.inf).min(0)
        level = (thresholds <= lo).sum(0) + 0.5  # of a channel that has but one
        offset = np.where(inside.any(0), (low + high) / 2, level)
    line = np.where(turned == 0, slope, -slope), np.where(turned == 0, offset, offset - slope)
    single = line[0].astype(np.float32), line[1].astype(np.float32)
    for at in (thresholds, thresholds - 1, lo[None], hi[None]):
        reached = np.clip(at, lo, hi)
        wanted = (reached[:, None] >= thresholds).sum(1)
        if not np.array_equal(_on(single, reached ^ turned, len(thresholds)), wanted):
            return None
    return single


def _on(line: Line, sums: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """What C makes of sums ``[N, C]``."""
    made = sums.astype(np.float32) * line[0] + line[1]
    there = abs(made) < END  # what no integer of 32 bits holds becomes anything
    return np.where(there, np.clip(np.where(there, made, 0).astype(np.int64), 0, count), -1)


def _levels(
    net: FrozenGraph, chain: Sequence[Node], sums: Mapping[str, NDArray[np.int64]], given: Mapping[str, int]
) -> NDArray[np.int64]:
    """What the ops make of sums ``[N, C]``, and of other edges that are the same everywhere."""
    values = {name: x[None] for name, x in sums.items()}
    shape = next(iter(values.values())).shape
    values |= {name: np.full(shape, level) for name, level in given.items()}
    for node in chain:
        tensors = net.graph.tensors_of(node, net.tensors)
        values[node.name] = node.step(tensors, net.ranges[node.name], *(values[name] for name in node.inputs))
    return values[chain[-1].name][0]


def grows(program: Program) -> bool:
    """Whether the level of a first step never falls where the current grows, seen from its instructions alone."""
    grown = {"x"}
    constant = set(program.start)
    for made in program.needed(program.level):
        moving = [part for part in made.operands if part in grown]
        still = all(isinstance(part, int) or part in constant for part in made.operands)
        known = all(isinstance(part, int) or part in constant | grown for part in made.operands)
        first, *rest = made.operands
        if still:
            constant.add(made.result)
        elif known and (made.primitive == "add" or (moving == [first] and _keeps(made.primitive, rest[0]))):
            grown.add(made.result)
    return program.level in grown | constant


def _keeps(primitive: str, by: object) -> bool:
    """Whether a primitive of a value that grows, and of constants, grows too."""
    return primitive in ("sub", "shift", "clip") or (primitive == "mul" and isinstance(by, int) and by >= 0)
