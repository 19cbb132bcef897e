"""Runs on a Ray cluster of this machine are those of one process, also where a worker is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray
pytest.importorskip("ray", reason="needs bitspike[ray]")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def bitspike(*words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bitspike", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=600)


def test_a_sweep_with_a_killed_worker_is_that_of_one_process(tmp_path: Path) -> None:
    """No trial is lost and none is run twice; `results/scale/ray.json` is the same with 20 trials."""
    command = [sys.executable, str(BENCHMARKS / "ray_trials.py"), "--trials", "6", "--to", str(tmp_path / "ray.json")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert finished.returncode == 0, finished.stderr
    found = json.loads((tmp_path / "ray.json").read_text())
    assert found["same_points"]
    assert found["same_pareto"]
    assert found["finished"] == found["folders"] == 6
    assert found["begun_twice"] == [found["killed"]["trial"]]
    assert found["killed"]["went_on_in_its_folder"]
    assert found["killed"]["every_step_recorded_once"]
    assert found["distinct_accuracies"] > 1, "points that are all alike are equal whatever happens"


def losses(runs: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (runs / name / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_seeds_on_a_cluster_are_those_of_one_process(tmp_path: Path) -> None:
    seeds = ("train", "digits-convnet", "--seeds", "0-1", "--set", "epochs=1", "--runs-dir", str(tmp_path), "--json")
    alone = bitspike(*seeds, "--name", "alone")
    assert alone.returncode == 0, alone.stderr
    many = bitspike(*seeds, "--name", "many", "--ray", "local", "--jobs", "2")
    assert many.returncode == 0, many.stderr
    rows = [json.loads(run.stdout)[0] for run in (alone, many)]
    assert rows[0]["test_accuracy"] == rows[1]["test_accuracy"]
    for seed in (0, 1):
        assert losses(tmp_path, f"many-seed{seed}") == losses(tmp_path, f"alone-seed{seed}")
    assert losses(tmp_path, "many-seed0") != losses(tmp_path, "many-seed1")


def test_no_cluster_at_an_address_is_one_line(tmp_path: Path) -> None:
    words = ("train", "digits-convnet", "--seeds", "0-1", "--runs-dir", str(tmp_path / "runs"))
    said = bitspike(*words, "--ray", "127.0.0.1:1")
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert said.stderr.startswith("bitspike: --ray: got '127.0.0.1:1'")
    assert said.stderr.count("\n") == 1


def test_a_client_outside_of_the_cluster_is_one_line(tmp_path: Path) -> None:
    words = ("train", "digits-convnet", "--seeds", "0-1", "--runs-dir", str(tmp_path / "runs"))
    said = bitspike(*words, "--ray", "ray://head:10001")
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert "want local, auto or host:port" in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_machine_with_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bitspike import UserError
    from bitspike.workers import cluster, workers

    monkeypatch.setattr(cluster, "_versions", lambda: "bitspike 99, torch 99")  # ours, in this process alone
    with pytest.raises(UserError, match="want the versions of this machine there: bitspike 99"):
        workers(1, "local", tmp_path).__enter__()
    assert list(tmp_path.iterdir()) == []
