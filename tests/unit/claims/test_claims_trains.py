"""Claims on trains: every run fits its data, and the rules tell a fall from a gain."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitspike.recipes import recipe
from bitspike.training import override
from bitspike.training.trains import checked_dataset
from claims import trains
from claims.claim import Claim, Measured

CLAIMS = (
    *trains.steps_for_bits(),
    *trains.few_steps_on_events(),
    trains.low_bits_on_events(),
    *trains.event_data_in_one_step(),
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
@pytest.mark.parametrize("scale", ["small", "full"])
def test_every_run_fits_the_time_of_its_data(claim: Claim, scale: str) -> None:
    for run in claim.runs:
        checked_dataset(override(recipe(run.recipe), run.all_edits(scale)))


@pytest.mark.parametrize("data", trains.RECIPES)
def test_trades_keep_spike_bits_times_steps(data: str) -> None:
    for settings in (trains.uniform, trains.learned):
        for s, _ in trains.PAIRS:
            config = override(recipe(trains.RECIPES[data]), settings(data, s))
            assert config.bits.s * config.bits.t == pytest.approx(trains.MOST_STEPS[data], rel=0.005)
            assert config.bits.t == checked_dataset(config).sample.T


def measured(settings: Callable[[str, int], tuple[str, ...]], accuracies: tuple[float, ...]) -> Measured:
    rows = {
        " ".join(settings("ecg", s)): [mean - 0.1, mean, mean + 0.1]
        for (s, _), mean in zip(trains.PAIRS, accuracies, strict=True)
    }
    return {"test_accuracy": rows}


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((90, 85, 80, 75), "confirmed"),
        ((75, 80, 85, 90), "not confirmed"),
        ((90, 85, 88, 75), "not confirmed"),  # falls in all, but a trade gains
        ((90, 90, 90, 90), "within the spread"),
    ],
)
def test_steps_are_worth_more_where_every_trade_of_them_costs(accuracies: tuple[float, ...], verdict: str) -> None:
    outcome = trains.judge_steps_are_worth_more("ecg", measured(trains.uniform, accuracies))
    assert outcome.verdict == verdict
    assert "2 bits, 650 steps over 1 bits, 1301 steps" in outcome.why


@pytest.mark.parametrize(("few", "verdict"), [(89.5, "confirmed"), (85, "not confirmed"), (89, "within the spread")])
def test_few_steps_are_enough_where_they_cost_a_point(few: float, verdict: str) -> None:
    assert trains.judge_few_steps("ecg", measured(trains.learned, (90, 90, few, 70))).verdict == verdict
