"""What runs the queue while a machine with a GPU is here: each row once, until the time is spent."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"
Lease = Callable[..., list[str]]


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    """Runs the script in a checkout of its own, whose environment has all that it wants; gives the lines it printed."""
    (tmp_path / "benchmarks" / "gpu").mkdir(parents=True)
    shutil.copy(GPU / "lease.sh", tmp_path / "benchmarks" / "gpu")
    python = tmp_path / "build" / "gpu" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)

    def run(rows: list[str], seconds: int = 600, **variables: str) -> list[str]:
        table = "".join(f"| {n} | `{row}` | why |\n" for n, row in enumerate(rows, 1))
        (tmp_path / "benchmarks" / "gpu" / "QUEUE.md").write_text(f"| # | command |\n|---|---|\n{table}")
        command = ["bash", str(tmp_path / "benchmarks" / "gpu" / "lease.sh"), str(seconds)]
        environment = {**os.environ, **variables}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd="/")
        return ended.stdout.splitlines()[1:]

    return run


def test_rows_that_ended_are_passed_over_and_the_others_said_again(lease: Lease, tmp_path: Path) -> None:
    rows = ["echo one >> log", "echo two >> log; exit 75", "echo three >> log; exit 3", "echo 'a|b' >> log"]
    said = lease(rows)
    assert [line.split(" after")[0] for line in said] == ["ended", "cut off", "failed with 3", "ended"]
    assert (tmp_path / "log").read_text().split() == ["one", "two", "three", "a|b"]
    lease(rows)
    assert (tmp_path / "log").read_text().split()[4:] == ["two", "three"]


def test_a_row_knows_what_time_is_left_and_none_begins_without_any(lease: Lease, tmp_path: Path) -> None:
    lease(["echo $PIECE_SECONDS > left"], seconds=300)
    assert 200 < int((tmp_path / "left").read_text()) <= 280
    assert lease(["echo begun > begun"], seconds=60) == []
    assert not (tmp_path / "begun").exists()


def test_what_was_made_is_packed_and_nothing_older(lease: Lease, tmp_path: Path) -> None:
    old = tmp_path / "results" / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    os.utime(old, (1, 1))
    lease(["echo {} > results/new.json"], LEASE_OUT="out")
    with tarfile.open(tmp_path / "out" / "results.tgz") as packed:
        assert sorted(packed.getnames()) == ["results/new.json", "runs/gpu/ended"]


def test_a_machine_without_a_gpu_is_refused_before_any_row(lease: Lease, tmp_path: Path) -> None:
    python = tmp_path / "build" / "gpu" / "bin" / "python"
    python.write_text("#!/bin/sh\ncase $* in *is_available*) exit 1 ;; esac\n")
    with pytest.raises(subprocess.CalledProcessError):
        lease(["echo begun > begun"])
    assert not (tmp_path / "begun").exists()
