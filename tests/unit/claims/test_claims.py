"""The claims runner: what it judges, what it skips, what it survives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.recipes import RECIPES
from bitspike.training import override
from claims import paper_000
from claims.__main__ import PAPERS
from claims.claim import SCALES, Claim, Run, beats
from claims.page import page
from claims.runner import read_results, run_all

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1")


def scores(**means: float) -> dict[str, list[float]]:
    """Three seeds around each mean, 0.1 apart; ``b1_4_1=90`` is ``bits=1/4/1``."""
    return {f"bits={k[1:].replace('_', '/')}": [m - 0.1, m, m + 0.1] for k, m in means.items()}


def test_a_clear_order_is_confirmed_and_a_planted_reversal_is_not() -> None:
    ordered = scores(b1_4_1=90, b1_2_2=89, b1_1_4=88, b2_2_1=91, b2_1_2=90)
    assert paper_000.judge_spike_bits_beat_steps(ordered).verdict == "confirmed"
    assert paper_000.judge_spike_bits_beat_steps({**ordered, **scores(b1_1_4=89.5)}).verdict == "not confirmed"
    assert paper_000.judge_spike_bits_beat_steps({**ordered, **scores(b1_1_4=88.99)}).verdict == "within the spread"


def test_one_bit_weights_are_judged_by_loss_and_by_saturation() -> None:
    good = scores(b1_2_1=89, b2_2_1=90, b4_2_1=90.5, b8_2_1=90.6, b16_2_1=90.6)
    assert paper_000.judge_one_bit_weights(good).verdict == "confirmed"
    assert paper_000.judge_one_bit_weights({**good, **scores(b1_2_1=80)}).verdict == "not confirmed"
    assert paper_000.judge_one_bit_weights({**good, **scores(b4_2_1=89.2)}).verdict == "not confirmed"


def test_a_difference_is_clear_beyond_twice_its_standard_error() -> None:
    difference, clear, text = beats([90.0, 90.2, 90.4], [89.0, 89.2, 89.4])
    assert (round(difference, 6), clear) == (1.0, True)
    assert text == "+1.00 points (standard error 0.16)"
    assert not beats([90.0, 90.2, 90.4], [89.9, 90.1, 90.3])[1]


def test_every_run_is_a_recipe_that_its_edits_fit() -> None:
    for claims in PAPERS.values():
        for claim in claims:
            assert bool(claim.runs) != bool(claim.untested)
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
        }
        for run in claim.runs
    }
    whole = page({"Paper": paper_000.CLAIMS}, {"small": found})
    assert "**Within the spread**" in whole
    assert "| fashion-convnet bits=1/4/1 | 4 | 90.10 ± 0.10 | 3 | 2.00 | 1.00 |" in whole
    assert "**Not tested**: needs event data sets." in whole
    del found[claim.runs[0].key]
    assert "**Runs missing**" in page({"Paper": (claim,)}, {"small": found})
    assert "**Runs missing**" not in page({"Paper": (Claim("x", "s", "w", untested="y"),)}, {"small": found})
