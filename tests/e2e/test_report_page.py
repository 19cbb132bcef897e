"""`bitspike report -o FILE.html` as a stranger types it, and the page that a training ends with."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bitspike

Command = Callable[..., tuple[int, str, str]]
TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1")
LARGEST = 1_000_000
"""Bytes of a page of five runs."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs ``a`` and ``b`` that differ in the seed alone, and ``a.bitspike``."""
    home = tmp_path_factory.mktemp("home")
    runs = [
        bitspike.train("digits-convnet", *TINY, f"seed={at}", name=name, runs_dir=home) for at, name in enumerate("ab")
    ]
    bitspike.freeze(runs[0], home / "a.bitspike")
    return home


def content(file: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', file.read_text(), re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def refused(outcome: tuple[int, str, str], folder: Path, *named: str) -> None:
    """One line on stderr that names what is asked for, status 2, and nothing written."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err
    assert list(folder.iterdir()) == []


def test_a_page_has_runs_and_frozen_files(command: Command, home: Path, tmp_path: Path) -> None:
    assert command("report", home / "a", home / "b", home / "a.bitspike", "-o", "r.html") == (0, "wrote r.html\n", "")
    told = content(tmp_path / "r.html")
    results = [bitspike.load_run(home / name).result for name in "ab"]
    assert [run["name"] for run in told["runs"]] == ["a", "b"]
    assert [run["test_accuracy"] for run in told["runs"]] == [result["test_accuracy"] for result in results]
    (group,) = told["groups"]
    assert group["runs"] == ["a", "b"]
    assert group["value"] == pytest.approx(sum(result["test_accuracy"] for result in results) / 2)
    (graph,) = told["graphs"]
    assert graph["name"] == "a.bitspike"


def test_the_graph_has_the_proven_ranges(home: Path) -> None:
    from bitspike import ir

    net = ir.load(home / "a.bitspike")
    (graph,) = content(bitspike.report(home / "a.bitspike", home / "net.html"))["graphs"]
    assert [(node["op"], node["name"]) for node in graph["nodes"]] == [(node.op, node.name) for node in net.graph.nodes]
    for node in graph["nodes"]:
        lo, hi = net.ranges[node["name"]]
        assert (node["range"]["lo"], node["range"]["hi"]) == (str(lo), str(hi))
        assert 2 ** (node["range"]["bits"] - 1) <= max(hi - lo, 1) < 2 ** node["range"]["bits"]
        assert [graph["nodes"][at]["name"] for at in node["reads"]] == list(net.graph[node["name"]].inputs)


def test_curves_and_layers_are_those_of_the_files(home: Path) -> None:
    run = bitspike.load_run(home / "a")
    (told,) = content(bitspike.report(run))["runs"]
    assert (home / "a" / "report.html").is_file()
    lines = list(run.files.metrics())
    assert told["curve"]["loss"] == [round(line["loss"], 5) for line in lines if "loss" in line]
    assert [line["validation_accuracy"] for line in told["curve"]["epochs"]] == [run.result["validation_accuracy"]]
    report = run.cost(energy="lemaire")
    assert [(layer["name"], layer["w"], layer["sops"]) for layer in told["layers"]] == [
        (layer.name, layer.w, layer.sops) for layer in report.layers
    ]
    assert report.energy is not None
    assert report.energy.snn is not None
    assert told["energy"]["snn"]["total"] == report.energy.snn.total.total


def test_five_runs_are_less_than_a_megabyte(home: Path, tmp_path: Path) -> None:
    runs = []
    for at in range(5):
        shutil.copytree(home / "a", tmp_path / f"run{at}")
        samples = tmp_path / f"run{at}" / "samples.json"
        told = json.loads(samples.read_text())
        samples.write_text(json.dumps(told | {"wrong": [_noisy(one) for one in range(16)]}))
        runs.append(tmp_path / f"run{at}")
    assert bitspike.report(runs, tmp_path / "five.html").stat().st_size < LARGEST


def _noisy(index: int) -> dict[str, Any]:
    """A picture of the largest size, which no compression makes smaller."""
    import numpy as np

    from bitspike.training.samples import packed

    pixels = np.random.default_rng(index).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    return {"index": index, "label": 0, "said": 1, "pixels": packed(pixels)}


def test_a_run_of_an_earlier_version_is_looked_at_now(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "a", tmp_path / "old")
    (tmp_path / "old/samples.json").unlink()
    (run,) = content(bitspike.report(tmp_path / "old", tmp_path / "old.html"))["runs"]
    assert run["samples"]["weights"] == json.loads((home / "a/samples.json").read_text())["weights"]
    assert "confusion" not in run["samples"]
    assert "earlier version" in run["missing"]["confusion"]
    assert not (tmp_path / "old/samples.json").exists()


def test_what_is_damaged_is_one_line_or_one_section(command: Command, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "a", tmp_path / "bad")
    (tmp_path / "bad/samples.json").write_text("{}")
    assert command("report", "bad", "-o", "bad.html")[0] == 0
    assert "samples.json" in content(tmp_path / "bad.html")["runs"][0]["missing"]["samples"]
    cost = json.loads((tmp_path / "bad/cost.json").read_text())
    for broken in ({"layers": [1]}, {"energy": {"snn": 3}}, {"layers": [{"w": float("nan")}]}):
        (tmp_path / "bad/cost.json").write_text(json.dumps(cost | broken))
        status, out, err = command("report", "bad", "-o", "worse.html")
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert "cost.json" in err
        assert not (tmp_path / "worse.html").exists()


def test_bad_input_is_one_line(command: Command, home: Path, tmp_path: Path) -> None:
    a = home / "a"
    refused(command("report", a, "-o", "there/r.html"), tmp_path, "--output", "no folder there")
    refused(command("report", a, a, "-o", "r.html"), tmp_path, "given twice", str(a))
    refused(command("report", home / "a.bitspike", home / "a.bitspike", "-o", "r.html"), tmp_path, "given twice")
    refused(command("report", "nowhere", "-o", "r.html"), tmp_path, "nowhere", "config.json")
    refused(command("report", "bits", a, "-o", "r.html"), tmp_path, "bits", "config.json")
    refused(command("report", a, "--images", "3", "-o", "r.html"), tmp_path, "--images", "page")
    refused(command("report", a, "--csv", "-o", "r.html"), tmp_path, "--csv", "page")
    refused(command("report", "pareto"), tmp_path, "runs", "-o FILE.html")
    with pytest.raises(bitspike.UserError, match=r"\.html"):
        bitspike.report(a, tmp_path / "r.png")
    with pytest.raises(bitspike.UserError, match="no run whose folder"):
        bitspike.report(home / "a.bitspike")
    with pytest.raises(bitspike.UserError, match="run folders"):
        bitspike.report([])


def test_runs_that_cannot_be_held_against_each_other_are_refused(command: Command, home: Path, tmp_path: Path) -> None:
    stopped, other = home / "stopped", home / "other"
    for folder in (stopped, other):
        shutil.copytree(home / "a", folder, dirs_exist_ok=True)
    (stopped / "result.json").unlink()
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"dataset": "mnist"}))
    refused(command("report", home / "a", stopped, "-o", "r.html"), tmp_path, "not ended", "stopped")
    refused(command("report", home / "a", other, "-o", "r.html"), tmp_path, "data sets", "digits, mnist")


def test_training_ends_with_its_page(command: Command, tmp_path: Path) -> None:
    words = [word for edit in TINY for word in ("--set", edit)]
    status, out, _ = command("train", "digits-convnet", *words, "--name", "one")
    assert status == 0
    assert out.splitlines()[-2:] == ["report: runs/one/report.html", "run folder: runs/one"]
    assert [run["name"] for run in content(tmp_path / "runs/one/report.html")["runs"]] == ["one"]
    status, out, _ = command("train", "digits-convnet", *words, "--name", "two", "--json")
    assert json.loads(out)["report"] == "runs/two/report.html"


def test_a_page_that_fails_takes_no_training_away(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such\npage")

    monkeypatch.setattr("bitspike.api.page.report", broken)
    words = [word for edit in TINY for word in ("--set", edit)]
    status, out, err = command("train", "digits-convnet", *words, "--name", "one")
    assert status == 0
    assert "report:" not in out
    assert "bitspike: report.html was left out: no such page" in err.splitlines()
    assert (tmp_path / "runs/one/result.json").is_file()
