"""`bitspike allocate` as a stranger types it: a budget in, a network that keeps it out, every mistake one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitspike.cli import main

pytest.importorskip("scipy")

RECIPE = "adaptive-resnet8-thin-fashion"
TINY = (
    "dataset=digits", "augment=", "tensorboard=false", "channels=2,2,4", "train_size=64", "validation_size=50",
    "batch_size=32", "epochs=1", "bits=2/2/1", "neuron.spare_bits=0", "neuron.spare_steps=0", "quantizer.spare_bits=0",
)  # fmt: skip
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def allocate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)

    def run(*arguments: str, recipe: str = RECIPE, name: str = "allocate") -> tuple[int, str, str]:
        edits = [part for edit in TINY if recipe == RECIPE for part in ("--set", edit)]
        monkeypatch.setattr(sys, "argv", ["bitspike", name, recipe, *(edits if name == "allocate" else ()), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize(
    ("arguments", "recipe", "named"),
    [
        ([], RECIPE, ["budget: got 'none'", "--max-size 40k"]),
        (["--max-size", "10"], RECIPE, ["--max-size: got '10'", "the smallest possible is"]),
        (["--max-s-ace", "1k"], RECIPE, ["--max-s-ace: got '1,000'", "the smallest possible is"]),
        (["--max-bit-budget", "0.1"], RECIPE, ["--max-bit-budget: got '0.1'", "the smallest possible is"]),
        (["--max-size", "abc"], RECIPE, ["--max-size: got 'abc'", "40k"]),
        (["--max-size", "-5k"], RECIPE, ["--max-size"]),
        (["--max-size", "0"], RECIPE, ["--max-size: got '0'"]),
        (["--max-size", "5K"], RECIPE, ["--max-size: got '5K'", "1.5M"]),
        (["--max-energy", "1 nJ"], RECIPE, ["--max-energy: got '1 nJ'"]),
        (["--max-size", "5k", "--jobs", "2"], RECIPE, ["--jobs: got 2", "--trials"]),
        (["--max-size", "5k", "--ray", "local"], RECIPE, ["--ray: got 'local'", "--trials"]),
        (["--max-flash", "5k", "--ray", "local"], "digits-convnet", ["--ray: got 'local'", "learned bits"]),
        (["--max-size", "5k", "--trials", "0"], RECIPE, ["--trials"]),
        (["--max-size", "5k", "--fine-tune-epochs", "0"], RECIPE, ["--fine-tune-epochs"]),
        (["--max-energy", "5k", "--trials", "2"], RECIPE, ["--max-energy", "sweep"]),
        (["--max-size", "5k", "--set", "epoch=3"], RECIPE, ["epoch", "did you mean 'epochs'"]),
        (["--max-size", "5k"], "adaptive-resnet8", ["recipe", "did you mean"]),
        (["--max-size", "5k"], "digits-convnet", ["recipe: got 'digits-convnet'", "want an adaptive one"]),
        (["--max-size", "5k", "--set", "dataset=fashion-mnist"], RECIPE, ["fashion-mnist"]),
    ],
)
def test_a_mistake_is_one_line(
    allocate: Command, tmp_path: Path, arguments: list[str], recipe: str, named: list[str]
) -> None:
    status, out, err = allocate(*arguments, recipe=recipe)
    assert (status, out) == (2, ""), (out, err)
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err
    assert not list(tmp_path.rglob("config.json"))


def test_a_network_within_its_budget_is_delivered(allocate: Command, tmp_path: Path) -> None:
    asked = ("--max-size", "0.28k", "--max-s-ace", "1G", "--name", "one")
    status, out, err = allocate(*asked, "--json")
    assert status == 0, err
    found = json.loads(out)
    phases = ("search: ", "allocate: every width of layer 1 of ", "allocate: every width of layer 2 of ", "fine-tune, ")
    assert sorted(phases, key=err.index) == list(phases)
    assert found["costs"]["size"] <= 280
    assert found["folder"] == "runs/one"
    assert found["budget"] == {"max_size": 280, "max_s_ace": 1e9, "max_bit_budget": None, "max_energy": None}
    status, out, _ = allocate("--json", recipe="runs/one", name="cost")
    assert status == 0
    assert json.loads(out)["total"]["size_bytes"] == found["costs"]["size"] == found["result"]["size_bytes"]
    status, out, _ = allocate("--json", recipe="runs/one", name="evaluate")
    assert (status, json.loads(out)["accuracy"]) == (0, found["result"]["test_accuracy"])
    status, out, _ = allocate(*asked)
    assert status == 0
    assert "280" in out
    assert out.strip().endswith("run folder: runs/one")
    status, out, err = allocate("--max-size", "0.3k", "--name", "one")
    assert (status, out) == (2, "")
    assert "it was started with" in err.splitlines()[-1]


def by_trial(rows: list[dict[str, Any]], err: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: err.index(row["folder"]))


def test_a_sweep_leaves_a_table_and_a_picture_and_goes_on(allocate: Command, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pytest.importorskip("matplotlib")
    asked = ("--max-size", "0.32k", "--name", "many")
    status, out, err = allocate(*asked, "--trials", "2", "--json")
    assert status == 0, err
    rows = json.loads(out)
    assert len(rows) == 2
    assert all(f"trial {n}, {row['folder']}: " in err for n, row in zip((1, 2), by_trial(rows, err), strict=True))
    assert json.loads((tmp_path / "runs/many/sweep.json").read_text()) == rows
    for row in rows:
        result = json.loads((tmp_path / "runs/many" / row["folder"] / "result.json").read_text())
        assert row["costs"]["size"] == result["size_bytes"] <= row["budget"]["size"]
        assert row["test_accuracy"] == result["test_accuracy"]
    picture = (tmp_path / "runs/many/pareto.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")
    status, out, _ = allocate(*asked, "--trials", "2")
    assert status == 0
    assert "Pareto table" in out
    assert out.strip().endswith("sweep: runs/many")
