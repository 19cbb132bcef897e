"""Paper 004's claims: each rule, met and missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from claims import paper_004
from claims.claim import Measured
from claims.paper_004 import EVERY, LEVELS, STEPS

Edits = tuple[str, ...]


def same(every: Iterable[Edits], value: float) -> dict[Edits, float]:
    return dict.fromkeys(every, value)


def measured(accuracy: Mapping[Edits, float], cost: Mapping[Edits, float], metric: str) -> Measured:
    """Three seeds around each mean accuracy, and a cost that is alike in all."""
    return {
        "test_accuracy": {" ".join(edits): [mean - 0.1, mean, mean + 0.1] for edits, mean in accuracy.items()},
        metric: {" ".join(edits): [value] * 3 for edits, value in cost.items()},
    }


@pytest.mark.parametrize(
    ("off", "spikes", "verdict"),
    [(0.0, 0.9, "confirmed"), (2.0, 0.9, "not confirmed"), (-2.0, 0.9, "not confirmed"), (0.0, 1.1, "not confirmed"),
     (0.9, 0.9, "within the spread")],
)  # fmt: skip
def test_one_number_of_levels_that_is_apart_is_enough(off: float, spikes: float, verdict: str) -> None:
    accuracy = same(STEPS.values(), 90.0) | same(LEVELS.values(), 90.0)
    cost = same(STEPS.values(), 1.0) | same(LEVELS.values(), 0.5)
    found = measured({**accuracy, LEVELS[7]: 90.0 + off}, {**cost, LEVELS[7]: spikes}, "spikes")
    assert paper_004.judge_every_number_of_levels(found).verdict == verdict


@pytest.mark.parametrize(
    ("lost", "events", "verdict"),
    [(0.0, 0.9, "confirmed"), (-5.0, 0.9, "confirmed"), (2.0, 0.9, "not confirmed"), (0.0, 1.1, "not confirmed")],
)
def test_one_number_at_which_barriers_fail_is_enough(lost: float, events: float, verdict: str) -> None:
    sew, sparse = [paper_004._sew(N) for N in EVERY[:8]], [LEVELS[N] for N in EVERY[:8]]
    accuracy = same(sew, 90.0) | same(sparse, 90.0)
    cost = same(sew, 1.0) | same(sparse, 0.5)
    found = measured({**accuracy, LEVELS[3]: 90.0 - lost}, {**cost, LEVELS[3]: events}, "events")
    assert paper_004.judge_barriers_at_every_number(found).verdict == verdict


def test_one_level_is_one_step_of_it() -> None:
    assert STEPS[1] == LEVELS[1]
