"""Stages that take turns of images, so that what they hand to each other is still in a near cache when it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bitspike.backends.native.edges import MOST_BATCH, Life

__all__ = ["NEAR", "Turns", "in_turns", "turns_of"]

NEAR = 3 << 19
"""Bytes of edges that a core's second cache holds beside weights."""
THERE_AND_BACK = 3
"""How often an edge that does not stay near is moved: fetched to be written, put away, read."""


class Turns(NamedTuple):
    """The stages up to ``end``, from where others ended, take so many images at once."""

    end: int
    images: int


def turns_of(lives: Sequence[Life], weights: Sequence[int], near: int) -> list[Turns]:
    """The turns in which the fewest bytes of an image come from afar.

    Edges do between stages of other turns; weights do once in each turn, shared by its images.

    Args:
        lives: of all edges.
        weights: bytes of each stage.
        near: bytes of edges at once, but where one image has more.
    """
    stages = range(len(weights))
    alive = [sum(life.bytes(1) for life in lives if life.makes <= i <= life.last) for i in stages]
    images = [min(1 << max((near // max(size, 1)).bit_length() - 1, 0), MOST_BATCH) for size in alive]
    moved = [THERE_AND_BACK * sum(life.bytes(1) for life in lives if life.makes < i <= life.last) for i in stages]
    least: list[tuple[float, list[Turns]]] = [(0, [])]  # of the stages before each
    for end in range(1, len(weights) + 1):
        some, read, ways = MOST_BATCH, 0, []
        for begin in reversed(range(end)):
            some, read = min(some, images[begin]), read + weights[begin]
            ways.append((least[begin][0] + moved[begin] + read / some, begin, some))
        cost, begin, some = min(ways)
        least.append((cost, [*least[begin][1], Turns(end, some)]))
    return least[-1][1]


def in_turns(life: Life, turns: Sequence[Turns]) -> Life:
    """A life among stages that take turns: within one run of them it is as long as a turn, and begins anew in the next.

    Else it is as long as all images of both runs, of which the last may be at the first stage as the first is done.
    """
    begin = 0
    for end, images in turns:
        if life.makes < end:
            if life.last < end:
                return replace(life, images=images)
            break
        begin = end
    return replace(life, makes=begin, last=next((end - 1 for end, _ in turns if end > life.last), life.last))
