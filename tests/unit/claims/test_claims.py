"""The claims runner: what it judges, what it skips, what it survives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.recipes import RECIPES
from bitspike.training import override
from claims import paper_000, paper_002
from claims.__main__ import PAPERS, ROOT
from claims.claim import (
    BELOW_0,
    METRICS,
    SCALES,
    Claim,
    Measured,
    Outcome,
    Paper,
    Run,
    at_most,
    beats,
    best,
    opposite,
    ratio_at_most,
    scores_of,
    worst,
)
from claims.page import page
from claims.runner import read_results, run_all

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1")


def around(mean: float, step: float = 0.1) -> list[float]:
    """Three seeds."""
    return [mean - step, mean, mean + step]


def scores(**means: float) -> dict[str, list[float]]:
    """Three seeds around each mean; ``b1_4_1=90`` is ``bits=1/4/1``."""
    return {f"bits={k[1:].replace('_', '/')}": around(mean) for k, mean in means.items()}


def accuracy(of: dict[str, list[float]]) -> Measured:
    return {"test_accuracy": of}


def test_a_clear_order_is_confirmed_and_a_planted_reversal_is_not() -> None:
    ordered = scores(b1_4_1=90, b1_2_2=89, b1_1_4=88, b2_2_1=91, b2_1_2=90)
    assert paper_000.judge_spike_bits_beat_steps(accuracy(ordered)).verdict == "confirmed"
    assert (
        paper_000.judge_spike_bits_beat_steps(accuracy({**ordered, **scores(b1_1_4=89.5)})).verdict == "not confirmed"
    )
    assert (
        paper_000.judge_spike_bits_beat_steps(accuracy({**ordered, **scores(b1_1_4=88.99)})).verdict
        == "within the spread"
    )


def test_one_bit_weights_are_judged_by_loss_and_by_saturation() -> None:
    good = scores(b1_2_1=89, b2_2_1=90, b4_2_1=90.5, b8_2_1=90.6, b16_2_1=90.6)
    assert paper_000.judge_one_bit_weights(accuracy(good)).verdict == "confirmed"
    assert paper_000.judge_one_bit_weights(accuracy({**good, **scores(b1_2_1=80)})).verdict == "not confirmed"
    assert paper_000.judge_one_bit_weights(accuracy({**good, **scores(b4_2_1=89.2)})).verdict == "not confirmed"


FULL = "bits=16/1/2 layers={} methods.spike-regulation.weight=0"
WITHOUT = "quantizer=binary methods.spike-regulation.weight=0"


def qsnn(full: float = 93, u2: float = 92, u4: float = 92.1, u8: float = 92.2) -> Measured:
    """Accuracies with WS-DR, by membrane bits, and in full precision."""
    return accuracy({FULL: around(full), **scores(b1_1_2_2=u2, b1_1_2_4=u4, b1_1_2_8=u8)})


@pytest.mark.parametrize(
    ("judge", "measured", "verdict"),
    [
        (paper_002.judge_near_full_precision, qsnn(), "confirmed"),
        (paper_002.judge_near_full_precision, qsnn(u2=89.99), "within the spread"),
        (paper_002.judge_near_full_precision, qsnn(u2=90.01), "within the spread"),
        (paper_002.judge_near_full_precision, qsnn(u2=89.8), "not confirmed"),
        (paper_002.judge_near_full_precision, qsnn(u2=95), "confirmed"),  # better than floats
        (paper_002.judge_narrow_membranes, qsnn(), "confirmed"),
        (paper_002.judge_narrow_membranes, qsnn(u8=93.01), "within the spread"),
        (paper_002.judge_narrow_membranes, qsnn(u8=93.2), "not confirmed"),
        (paper_002.judge_narrow_membranes, qsnn(u8=90), "confirmed"),
    ],
)
def test_a_loss_is_judged_by_its_points(judge: Callable[[Measured], Outcome], measured: Measured, verdict: str) -> None:
    assert judge(measured).verdict == verdict
    assert "standard error" in judge(measured).why


def test_a_limit_is_judged_with_twice_the_standard_error() -> None:
    """Three seeds, 0.1 apart: the error of their mean is 0.1 / sqrt(3), of a difference sqrt(2) times that."""
    error = 0.1 * (2 / 3) ** 0.5
    for above, verdict in ((-2.01, "confirmed"), (-1.99, "within the spread"), (1.99, "within the spread"),
                           (2.01, "not confirmed")):  # fmt: skip
        assert at_most(around(11 + above * error), around(10), 1) == verdict
    assert at_most([10.0] * 3, [10.0] * 3, 0) == "confirmed"
    assert at_most([10.0] * 3, [10.0] * 3, BELOW_0) == "not confirmed"


def test_the_limit_of_a_ratio_is_judged_so_too() -> None:
    assert ratio_at_most([11.0] * 3, [10.0] * 3, 1.1) == "confirmed"
    assert ratio_at_most([11.01] * 3, [10.0] * 3, 1.1) == "not confirmed"
    error = 0.5 * 2**0.5 * 0.01 / 3**0.5  # both are 1 % apart from seed to seed
    for above, verdict in ((-2.1, "confirmed"), (1.9, "within the spread"), (2.1, "not confirmed")):
        assert ratio_at_most(around(50, 0.5), around(100, 1), 0.5 - above * error) == verdict


def test_a_rule_of_parts_is_as_good_as_its_worst() -> None:
    assert worst("confirmed", "within the spread") == "within the spread"
    assert worst("confirmed", "within the spread", "not confirmed") == "not confirmed"
    assert best("not confirmed", opposite("not confirmed")) == "confirmed"
    assert opposite("within the spread") == "within the spread"


def test_the_page_tells_every_rule() -> None:
    text = page(PAPERS, {})
    for claim in (claim for paper in PAPERS for claim in paper.claims if claim.judge):
        assert f"Rule: {' '.join((claim.judge.__doc__ or '').split())}\n" in text
        assert claim.judge.__doc__


def regulated(gain: float = 1.8, weights: float = 0.01, spikes: float = 0.1, step: float = 0.1) -> Measured:
    """With WS-DR and without: what it adds to accuracy (points) and entropies (bits)."""
    both = [f"bits=1/1/2/{u}" for u in (2, 4, 8)]

    def metric(base: float, more: float, step: float) -> dict[str, list[float]]:
        with_ = {label: around(base + more, step) for label in both}
        return with_ | {f"{label} {WITHOUT}": around(base, step) for label in both}

    return {
        "test_accuracy": metric(90, gain, step),
        "weight_entropy": metric(0.98, weights, 0.001),
        "spike_entropy": metric(0.7, spikes, 0.001),
    }


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (regulated(), "confirmed"),
        (regulated(gain=0.1), "within the spread"),
        (regulated(gain=-0.1), "within the spread"),
        (regulated(gain=1.8, step=2), "within the spread"),
        (regulated(gain=-1.8), "not confirmed"),
        (regulated(weights=-0.01), "not confirmed"),
        (regulated(spikes=-0.1), "not confirmed"),
        (regulated(weights=0.0005), "not confirmed"),  # not clear
        (regulated(gain=0.1, spikes=0), "not confirmed"),
    ],
)
def test_regulation_is_judged_by_accuracy_and_both_entropies(measured: Measured, verdict: str) -> None:
    outcome = paper_002.judge_regulation_lifts(measured)
    assert outcome.verdict == verdict
    for part in ("1w-2u: ", "4u: ", "8u: ", "weight entropy ", "spike entropy "):
        assert part in outcome.why


@pytest.mark.parametrize("claim", paper_002.CLAIMS, ids=lambda claim: claim.name)
def test_every_claim_of_paper_002_is_judged_by_what_its_runs_measure(claim: Claim) -> None:
    """No judge looks for a setting that its claim does not run."""
    assert claim.judge is not None
    found = {run.key: dict.fromkeys(METRICS, 0.5 + run.seed / 10) for run in claim.runs}
    measured = {metric: scores_of(claim, found, metric) for metric in METRICS}
    assert len(measured["test_accuracy"]) == len(claim.settings)
    assert claim.judge(measured).verdict in {"confirmed", "not confirmed", "within the spread"}


def test_scores_are_those_of_one_metric_and_leave_out_what_lacks_it() -> None:
    runs = [("recipe", ("bits=1/2/1",)), ("recipe", ("bits=2/2/1",))]
    claim = Claim("x", "s", "w", tuple(runs), paper_000.judge_one_bit_weights)
    found = {
        run.key: {"test_accuracy": 90.0 + run.seed, "weight_entropy": 0.5 if "1/2/1" in run.edits[0] else None}
        for run in claim.runs
    }
    assert scores_of(claim, found, "test_accuracy") == {"bits=1/2/1": [90, 91, 92], "bits=2/2/1": [90, 91, 92]}
    assert scores_of(claim, found, "weight_entropy") == {"bits=1/2/1": [0.5, 0.5, 0.5]}
    assert scores_of(claim, found, "spike_entropy") == {}
    assert scores_of(claim, {}, "test_accuracy") == {}


def test_a_difference_is_clear_beyond_twice_its_standard_error() -> None:
    difference, clear, text = beats([90.0, 90.2, 90.4], [89.0, 89.2, 89.4])
    assert (round(difference, 6), clear) == (1.0, True)
    assert text == "+1.00 points (standard error 0.16)"
    assert not beats([90.0, 90.2, 90.4], [89.9, 90.1, 90.3])[1]


def test_every_run_is_a_recipe_that_its_edits_fit() -> None:
    for claims in (paper.claims for paper in PAPERS):
        for claim in claims:
            assert [bool(claim.runs), bool(claim.untested), claim.own is not None].count(True) == 1
            for run in claim.runs:
                for scale in SCALES:
                    override(RECIPES[run.recipe](), run.all_edits(scale))


def test_runs_are_done_once_and_survive_a_cut_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [Run("digits-convnet", (*TINY, "bits=1/2/1"), seed) for seed in (0, 1)]
    run_all(runs[:1], tmp_path / "results", "full", 1, tmp_path / "runs", None)
    file = tmp_path / "results/full.jsonl"
    first = file.read_text()
    result = json.loads(first)
    assert (result["run"], result["test_images"]) == (runs[0].key, 360)
    assert result["command"].startswith("bitspike train digits-convnet")
    assert str(tmp_path / "results") not in first
    file.write_text(first + '{"run": "digits-conv')  # a crash in the middle of a line
    run_all(runs, tmp_path / "results", "full", 2, tmp_path / "runs", None)
    assert set(read_results(tmp_path / "results", "full")) == {run.key for run in runs}
    assert file.read_text().startswith(first)


def test_a_run_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size: got 9999") as refused:
        run_all([Run("digits-convnet", ("batch_size=9999",), 0)], tmp_path, "full", 1, tmp_path / "runs", None)
    assert "\n" not in str(refused.value)
    assert read_results(tmp_path, "full") == {}


def test_the_page_says_confirmed_missing_and_not_tested() -> None:
    (claim,) = (c for c in paper_000.CLAIMS if c.name == "000.1")
    found = {
        run.key: {
            "test_accuracy": 90.0 + run.seed / 10,
            "bit_budget": 4,
            "s_ace": 2e6,
            "ns_ace": 1e6,
            "train_images": 20000,
            "test_images": 10000,
            "dataset": "fashion-mnist",
            "epochs": 4,
            "machine": "2-core",
            "weight_entropy": 0.98765,
            "spike_entropy": None,
        }
        for run in claim.runs
    }
    longer = {key: result | {"test_accuracy": 90.0 - 5 * ("bits=1/4/1" in key)} for key, result in found.items()}
    alike = page((Paper("Paper", (claim,), ()),), {"small": found, "real": found})
    assert "Claims run at more than one scale: 1. Their verdicts differ in 0." in alike
    apart = page((Paper("Paper", (claim,), ()),), {"small": found, "real": longer, "full": {}})
    assert f"| {claim.name} {claim.statement} | within the spread | not confirmed |" in apart
    assert "Their verdicts differ in 1." in apart
    whole = page((paper_000.PAPER,), {"small": found})
    assert "**Within the spread**" in whole
    assert "| fashion-convnet bits=1/4/1 | 4 | 90.10 ± 0.10 | 3 | 2.00 | 1.00 |" in whole
    columns = Paper("Paper", paper_000.CLAIMS, ("weight_entropy", "spike_entropy"))
    assert "| 90.10 ± 0.10 | 3 | 0.9877 | – |" in page((columns,), {"small": found})
    assert "**Not tested**" not in whole
    del found[claim.runs[0].key]
    assert "**Runs missing**" in page((Paper("Paper", (claim,), ()),), {"small": found})
    untested = Paper("Paper", (Claim("x", "s", "w", untested="y"),), ())
    assert "**Runs missing**" not in page((untested,), {"small": found})
    assert "**Not run yet**" in page((Paper("Paper", (claim,), ()),), {"small": {}})


def test_what_was_recorded_before_settings_moved_is_read_in_their_keys_of_today(tmp_path: Path) -> None:
    recorded = {"run": "a adaptive.learns= loss.spike_lambda=0 layers={} reroute=false --method=qcfs seed=1"}
    (tmp_path / "full.jsonl").write_text(json.dumps(recorded) + "\n")
    today = (
        "a methods.learned-bits.learns= methods.spike-regulation.weight=0 layers={}"
        " methods.paths-ensemble.reroute=false --method=qcfs seed=1"
    )
    assert read_results(tmp_path, "full") == {today: recorded}


def test_every_recorded_run_is_one_of_a_claim_or_of_the_network_it_starts_from() -> None:
    recorded = read_results(ROOT / "results" / "claims", "small")
    claimed = {run.key for paper in PAPERS for claim in paper.claims for run in claim.runs}
    assert recorded.keys() <= claimed
    assert len(recorded) > 200


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [((70, 70, 70), "confirmed"), ((70, 80, 70), "within the spread"), ((70, 70, 90), "not confirmed")],
)
def test_a_membrane_of_a_shared_scale_must_be_beaten_at_every_width(theirs: tuple[float, ...], verdict: str) -> None:
    scores = {}
    for u, accuracy in zip(paper_002.WIDTHS, theirs, strict=True):
        scores[" ".join(paper_002._with(u))] = [79.9, 80.0, 80.1]
        scores[" ".join(paper_002._shared(u))] = [accuracy - 0.1, accuracy, accuracy + 0.1]
    assert paper_002.judge_over_shared_scale({"test_accuracy": scores}).verdict == verdict


@pytest.mark.parametrize("file", sorted((ROOT / "results" / "claims").glob("*.jsonl")), ids=lambda file: file.name)
def test_no_line_has_a_place_of_a_machine(file: Path) -> None:
    for line in file.read_text().splitlines():
        assert not [key for key, value in json.loads(line).items() if str(value).startswith("/")]
