"""Several runs: as a table, against their cost, over seeds; from the weights of another; with more epochs later."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import bitspike as door
from bitspike import UserError

Command = Callable[..., tuple[int, str, str]]
TINY = [part for edit in ("train_size=128", "validation_size=50", "channels=2,2,2") for part in ("--set", edit)]


@pytest.fixture
def bitspike(command: Command) -> Command:
    return command


def trained(bitspike: Command, *more: str, epochs: int = 1) -> tuple[int, str, str]:
    return bitspike("train", "digits-convnet", *TINY, "--set", f"epochs={epochs}", *more)


def test_seeds_runs_and_their_cost(bitspike: Command, tmp_path: Path) -> None:
    status, out, err = trained(bitspike, "--seeds", "0-1", "--name", "low", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    results = [json.loads((tmp_path / f"runs/low-seed{seed}/result.json").read_text()) for seed in (0, 1)]
    accuracies = [result["test_accuracy"] for result in results]
    assert (row["name"], row["seeds"]) == ("low", [0, 1])
    assert (row["test_accuracy"], row["spread"]) == (fmean(accuracies), stdev(accuracies))
    assert row["ns_ace"] == fmean(result["ns_ace"] for result in results)

    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.json")}
    status, out, _ = trained(bitspike, "--seeds", "0,1,4", "--name", "low", "--resume")
    assert status == 0
    assert "±" in out
    assert all(file.stat().st_mtime_ns == when for file, when in before.items())  # none is trained twice
    status, _, err = trained(bitspike, "--seeds", "4-5", "--name", "low")
    assert (status, "low-seed4" in err, (tmp_path / "runs/low-seed5").exists()) == (2, True, False)
    status, _, err = trained(
        bitspike, "--seeds", "1", "--name", "low", "--resume", epochs=2
    )  # more epochs for that one
    assert status == 0, err
    assert json.loads((tmp_path / "runs/low-seed1/result.json").read_text())["ended_at"] == [1]

    assert trained(bitspike, "--set", "bits=8/4/1", "--name", "wide")[0] == 0
    rows = json.loads(bitspike("runs", "--json")[1])
    assert [row["name"] for row in rows] == ["low-seed0", "low-seed1", "low-seed4", "wide"]
    (tmp_path / "runs/wide/result.json").write_text("{")
    rows = list(csv.DictReader(bitspike("runs", "--csv")[1].splitlines()))
    assert "not JSON" in rows[3]["problem"]
    assert float(rows[0]["test_accuracy"]) == accuracies[0]
    assert bitspike("runs")[0] == 0
    assert bitspike("runs", "nowhere")[0] == 2

    two = ["runs/low-seed0", "runs/low-seed4"]
    status, out, err = bitspike("report", "pareto", *two, "runs/low-seed1", "-o", "pareto.svg", "--json")
    assert status == 0, err
    found = {row["name"]: row for row in json.loads(out)["rows"]}
    assert set(found) == {"low", "low-seed1"}  # of other epochs it is another group
    assert "low" in (tmp_path / "pareto.svg").read_text()
    assert bitspike("report", "pareto", *two)[1].count("±") == 1
    for wrong in (["report", "pareto", two[0], two[0]], ["report", "bits", *two], ["report", "pareto", "runs/wide"]):
        assert bitspike(*wrong)[0] == 2


def test_what_beats_what() -> None:
    from bitspike.api.runs import _beats

    base = {"test_accuracy": 90.0, "size_bytes": 10, "s_ace": 5, "ns_ace": None, "energy_nj": 3.0}
    assert _beats(base, base | {"s_ace": 6})
    assert _beats(base | {"test_accuracy": 91.0}, base)
    assert not _beats(base, base)
    assert not _beats(base | {"test_accuracy": 91.0, "size_bytes": 11}, base)


@pytest.mark.slow
def test_seeds_side_by_side_are_those_of_one_process(bitspike: Command, tmp_path: Path) -> None:
    """Each with a thread of its own, as this process has here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert trained(bitspike, "--seeds", "0-1", "--name", "one")[0] == 0
        assert trained(bitspike, "--seeds", "0-1", "--name", "many", "--jobs", "2")[0] == 0
    finally:
        torch.set_num_threads(threads)
    losses: dict[str, list[Any]] = {}
    for name in ("one-seed0", "one-seed1", "many-seed0", "many-seed1"):
        lines = (tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()
        losses[name] = [json.loads(line).get("loss") for line in lines]
    assert losses["one-seed0"] == losses["many-seed0"] != losses["many-seed1"] == losses["one-seed1"]


@pytest.mark.parametrize("option", ["--jobs=2", "--ray=local"])
def test_one_run_is_no_work_for_several(bitspike: Command, tmp_path: Path, option: str) -> None:
    status, _, err = trained(bitspike, option)
    assert (status, f"{option.partition('=')[0]}: got" in err, "--seeds" in err) == (2, True, True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["", "a", "2-1", "0-", "1,1", "0-2000", "-1"])
def test_seeds_that_are_none(bitspike: Command, tmp_path: Path, text: str) -> None:
    status, _, err = trained(bitspike, f"--seeds={text}", "--name", "x")
    assert (status, "--seeds" in err, (tmp_path / "runs").exists()) == (2, True, False)


def weights(folder: Path) -> dict[str, Any]:
    found = load_file(folder / "checkpoint.safetensors")
    return {name: value for name, value in found.items() if name.startswith("model.")}


def test_a_run_starts_from_the_weights_of_another(bitspike: Command, tmp_path: Path) -> None:
    assert trained(bitspike, "--name", "a")[0] == 0
    frozen = ["--set", "optimizer.lr=1e-30", "--set", "optimizer.weight_decay=0", "--set", "optimizer.warmup_epochs=0"]
    status, _, err = trained(bitspike, "--init", "runs/a", *frozen, "--name", "b")
    assert status == 0, err
    first, second = weights(tmp_path / "runs/a"), weights(tmp_path / "runs/b")
    learned = [name for name in first if name.endswith(("original", "bias")) and "running" not in name]
    assert learned
    assert all(torch.equal(first[name], second[name]) for name in learned)
    assert door.load_run("runs/b").config.init == str(tmp_path / "runs/a")
    assert trained(bitspike, "--init", "runs/a", *frozen, "--name", "b", "--resume")[0] == 0
    status, _, err = trained(bitspike, "--init", "runs/a", "--set", "channels=2,2,4", "--name", "c")
    assert (status, "of another model" in err, (tmp_path / "runs/c").exists()) == (2, True, False)
    status, _, err = trained(bitspike, "--init", "runs/none", "--name", "c")
    assert (status, "--init" in err) == (2, True)


def test_more_epochs_after_the_end(bitspike: Command, tmp_path: Path) -> None:
    assert trained(bitspike, "--name", "a")[0] == 0
    status, _, err = trained(bitspike, "--name", "a", "--resume", "--set", "batch_size=32", epochs=3)
    assert (status, "batch_size" in err) == (2, True)
    status, _, err = trained(bitspike, "--name", "a", "--resume", epochs=3)
    assert status == 0, err
    run = door.load_run("runs/a")
    assert (run.config.epochs, run.config.ended_at, run.result["epochs"]) == (3, (1,), 3)
    lines = [line["epoch"] for line in run.files.metrics() if "epoch" in line]
    assert lines == [1, 2, 3]
    assert trained(bitspike, "--name", "a", "--resume", epochs=3)[0] == 0  # it is that run now
    status, _, err = trained(bitspike, "--name", "a", "--resume", epochs=2)
    assert (status, "epochs" in err) == (2, True)
    run.files.result_file.unlink()
    with pytest.raises(UserError, match="it has not ended"):
        door.train(run.config.model_copy(update={"epochs": 5}), name="a", resume=True)
