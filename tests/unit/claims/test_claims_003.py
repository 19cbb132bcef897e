"""The judges of paper 003's claims, on made-up results of either outcome."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from claims import paper_003, runner
from claims.claim import METRICS, Claim, Run, scores_of
from claims.page import page
from claims.paper_003 import BASELINES, LEVELS, VARIANTS

SEEDS = (-0.1, 0, 0.1)


def around(value: float) -> list[float]:
    return [value + off for off in SEEDS]


def label(edits: tuple[str, ...]) -> str:
    return " ".join(edits)


@pytest.mark.parametrize(
    ("equal", "last", "verdict"),
    [
        ([True, True], [12, 64], "confirmed"),
        ([True, False], [12, 64], "not confirmed"),
        ([True, True], [12, 65], "not confirmed"),
    ],
)
def test_equality_is_of_every_run(equal: list[bool], last: list[int], verdict: str) -> None:
    measured: dict[str, Any] = {"equal": {"a": equal}, "T_eq": {"a": last}, "bound": {"a": [64, 64]}}
    assert paper_003.judge_equality(measured).verdict == verdict


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({"P": 5, "R": 5, "PR": 9}, "confirmed"),
        ({"P": 5, "R": 0, "PR": 9}, "within the spread"),
        ({"P": 5, "R": -3, "PR": 9}, "not confirmed"),
        ({"P": 5, "R": 5, "PR": 5}, "within the spread"),
    ],
)
def test_both_must_lift_and_together_more(gains: dict[str, float], verdict: str) -> None:
    scores = {label(VARIANTS[name]): around(70 + gains.get(name, 0)) for name in VARIANTS}
    assert paper_003.judge_both_lift({f"accuracy_at_{t}": scores for t in (2, 4)}).verdict == verdict


@pytest.mark.parametrize(
    ("early", "late", "last", "verdict"),
    [(-9, 3, 9, "confirmed"), (9, 3, 9, "not confirmed"), (-9, 0, 9, "within the spread"), (-9, 3, 0, "not confirmed")],
)
def test_more_levels_are_later_and_higher(early: float, late: float, last: int, verdict: str) -> None:
    few, many = label(LEVELS[2]), label(LEVELS[16])
    measured: dict[str, Any] = {
        "accuracy_at_2": {few: around(70), many: around(70 + early)},
        "test_accuracy": {few: around(85), many: around(85 + late)},
        "T_eq": {few: [8, 8, 8], many: [8 + last] * 3},
    }
    assert paper_003.judge_levels(measured).verdict == verdict


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"), [(0, 0.1, "confirmed"), (0.1, 0.1, "not confirmed"), (0, 0, "not confirmed")]
)
def test_only_our_feature_maps_become_equal(ours: float, theirs: float, verdict: str) -> None:
    distance = {label(VARIANTS[name]): [ours] for name in ("N", "PR")}
    distance |= {label(edits): [theirs] for edits in BASELINES.values()}
    assert paper_003.judge_feature_maps({"final_distance": distance}).verdict == verdict


@pytest.mark.parametrize(
    ("qann", "direct", "accuracy", "verdict"),
    [
        (2.0, 2.0, 86.0, "confirmed"),
        (0.9, 2.0, 86.0, "not confirmed"),
        (2.0, 0.9, 85.1, "not confirmed"),
        (2.0, 0.9, 84.9, "confirmed"),  # less accurate: told, not judged
    ],
)
def test_a_cheaper_network_counts_if_it_is_as_accurate(
    qann: float, direct: float, accuracy: float, verdict: str
) -> None:
    (claim,) = (claim for claim in paper_003.CLAIMS if claim.name == "003.6-fashion")
    ours, other = (" ".join(edits) for _, edits in claim.settings)
    measured = {
        "test_accuracy": {ours: [86.0] * 3, other: [accuracy] * 3},
        "ns_ace": {ours: [1.0], other: [direct]},
        "qann_ns_ace": {ours: [qann]},
    }
    assert paper_003.judge_cheaper(measured).verdict == verdict


@pytest.mark.parametrize("claim", [c for c in paper_003.CLAIMS if c.judge], ids=lambda claim: claim.name)
def test_every_claim_is_judged_by_what_its_runs_measure(claim: Claim) -> None:
    """No judge looks for a setting that its claim does not run; and the page shows it."""
    assert claim.judge is not None
    about = {
        "bit_budget": 32,
        "train_images": 9,
        "dataset": "d",
        "epochs": 1,
        "test_images": 9,
        "machine": "m",
        "ns_ace": 1.0,
    }
    found = {run.key: {**about, **dict.fromkeys(METRICS, 0.5 + run.seed / 10)} for run in claim.runs}
    measured = {metric: scores_of(claim, found, metric) for metric in METRICS}
    assert len(measured["test_accuracy"]) == len(claim.settings)
    assert claim.judge(measured).verdict in {"confirmed", "not confirmed", "within the spread"}
    assert claim.name in page([paper_003.PAPER], {"small": found})


def test_a_conversion_starts_from_the_network_of_relus_of_its_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is trained once; options go beside the edits."""
    said: list[list[str]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        if "git" in command[0]:
            return subprocess.CompletedProcess(command, 0, "abc", "")
        said.append(command[3:])
        name = command[command.index("--name") + 1]
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text("{}")
        return subprocess.CompletedProcess(command, 0, json.dumps({"folder": name, "test_accuracy": 1.0}), "")

    monkeypatch.setattr(subprocess, "run", run)
    recipe = paper_003.DATA["fashion"]
    runs = [Run(recipe, VARIANTS["N"], 1), Run(recipe, BASELINES["QCFS"], 1)]
    runner.run_all(runs, tmp_path / "results", "small", 1, tmp_path, None)
    assert [words[:2] for words in said] == [["train", f"{recipe}-ann"], ["convert", recipe], ["convert", recipe]]
    assert "--stop-when-settled" in said[1]
    assert "--method=qcfs" in said[2]
    assert not any(word.startswith("--method") for word, before in zip(said[2][1:], said[2]) if before == "--set")  # noqa: B905
    assert all(f"small-{recipe}-ann-seed-1" in words[words.index("--ann") + 1] for words in said[1:])
    lines = (tmp_path / "results" / "small.jsonl").read_text()
    assert f"--ann runs/claims/small-{recipe}-ann-seed-1" in lines
    assert str(tmp_path) not in lines


def others(gains: dict[str, float]) -> dict[str, Any]:
    """SpikeZIP-PR at 80 %, the others so many points below at all steps."""
    at = {label(edits): around(80 - gains.get(name, 5)) for name, edits in paper_003.OTHERS.items()}
    found = {f"accuracy_at_{t}": {label(VARIANTS["PR"]): around(80), **at} for t in paper_003.TABLE_3}
    for t in (2, 4):  # before it has said anything, whatever stands there does not count
        found[f"accuracy_at_{t}"] = {
            **at,
            label(VARIANTS["PR"]): around(80),
            label(paper_003.OTHERS["offset-spike"]): around(99),
        }
    return found


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({}, "confirmed"),
        ({"OPI": 0.01}, "within the spread"),
        ({"SlipReLU": -5}, "not confirmed"),
        ({"offset-spike": -5}, "not confirmed"),
        ({"QCFS": -5}, "not confirmed"),
    ],
)
def test_each_of_the_other_conversions_must_be_beaten(gains: dict[str, float], verdict: str) -> None:
    outcome = paper_003.judge_others(others(gains))
    assert outcome.verdict == verdict
    assert "offset-spike at T = 8" in outcome.why
    assert "offset-spike at T = 4" not in outcome.why
