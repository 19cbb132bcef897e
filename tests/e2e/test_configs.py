"""A config as text: shown, read from a file, edited; and what a run remembers of where its data lay."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import bitspike as door
from bitspike import UserError
from bitspike.recipes import RECIPES, recipe
from bitspike.training import RunFolder, edits_of

TINY = ("channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> Command:
    """Runs the command in an empty folder, the user's home: exit status, stdout, stderr."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    return command


def tiny(*edits: str) -> list[str]:
    return [part for edit in (*TINY, *edits) for part in ("--set", edit)]


def test_a_config_is_shown_and_nothing_is_run(bitspike: Command, tmp_path: Path) -> None:
    for name in RECIPES:
        status, out, err = bitspike("train", name, "--show")
        assert (status, err, out.splitlines()) == (0, "", edits_of(recipe(name)))
        assert json.loads(bitspike("train", name, "--show", "--json")[1]) == recipe(name).model_dump(mode="json")
    assert "optimizer.lr=0.5\n" in bitspike("train", "fashion-convnet", "--show", "--set", "optimizer.lr=0.5")[1]
    assert list(tmp_path.iterdir()) == []


def test_what_is_shown_as_json_trains_as_the_recipe_does(bitspike: Command, tmp_path: Path) -> None:
    shown = bitspike("train", "digits-convnet", *tiny(), "--show", "--json")[1]
    Path("mine.json").write_text(shown)
    by_recipe = json.loads(bitspike("train", "digits-convnet", *tiny(), "--name", "a", "--json")[1])
    by_file = json.loads(bitspike("train", "--config", "mine.json", "--name", "b", "--json")[1])
    by_run = json.loads(bitspike("train", "--config", "runs/a/config.json", "--name", "c", "--json")[1])
    each = {"folder": 0, "report": 0, "seconds": 0}
    for found in (by_file, by_run):
        assert found | each == by_recipe | each
    assert by_recipe["threads"] == torch.get_num_threads()
    edited = bitspike("train", "--config", "mine.json", "--set", "seed=7", "--show")[1]
    assert "seed=7" in edited.splitlines()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ["recipe", "--config"]),
        (["digits-convnet", "--config", "mine.json"], ["recipe", "digits-convnet", "--config"]),
        (["--config", "nowhere.json"], ["read", "nowhere.json"]),
        (["--config", "."], ["read", "."]),
        (["--config", "text.json"], ["text.json", "not JSON"]),
        (["--config", "list.json"], ["config"]),
        (["--config", "wrong.json"], ["epochs", "0"]),
        (["digits-convnet", "--show", "--set", "epoch=1"], ["did you mean 'epochs'"]),
        (["digits-convnet", "--set", "epochs=1", "seed=2"], ["seed=2", "--set before each"]),
        (["digits-convnet", "--set", "epochs=1 seed=2"], ["epochs", "1 seed=2"]),
        (["digits-convnet", "--set", "epochs=1", "seed=2", "lr=3"], ["--set before each"]),
        (["digits-convnet", "--bits", "2/2/1"], ["--bits", "want --set bits=VALUE"]),
        (["digits-convnet", "--optimizer.lr", "0.1"], ["want --set optimizer.lr=VALUE"]),
        (["digits-convnet", "--nam", "x"], ["--nam", "--name"]),
    ],
)
def test_a_wrong_config_is_one_line(bitspike: Command, arguments: list[str], named: list[str]) -> None:
    Path("text.json").write_text("epochs=3")
    Path("list.json").write_text("[1, 2]")
    Path("wrong.json").write_text(json.dumps({**recipe("digits-convnet").model_dump(mode="json"), "epochs": 0}))
    status, out, err = bitspike("train", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    for word in named:
        assert word in err
    assert not Path("runs").exists()


def fake_mnist(folder: Path) -> None:
    """MNIST's files with the digits of a random generator."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, count in (("train", 60_000), ("t10k", 10_000)):
        images, labels = random.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10
        for name, magic, array in (("images-idx3", 0x803, images), ("labels-idx1", 0x801, labels)):
            header = np.array([magic, *array.shape], ">u4").tobytes()
            (folder / f"{split}-{name}-ubyte").write_bytes(header + array.tobytes())


MNIST = ("train_size=200", "validation_size=100", "epochs=1", "channels=2,2,2", "tensorboard=false")


def test_a_run_remembers_where_its_data_lay(bitspike: Command, tmp_path: Path) -> None:
    fake_mnist(tmp_path / "home" / "sets" / "mnist")
    edits = [part for edit in MNIST for part in ("--set", edit)]
    train = ("train", "mnist-convnet", *edits, "--json", "--name", "one")
    status, out, err = bitspike(*train, "--data-dir=~/sets", "--runs-dir=~/runs")
    assert status == 0, err
    run = tmp_path / "home" / "runs" / "one"
    assert json.loads((run / "data.json").read_text()) == {"data_dir": str(tmp_path / "home" / "sets")}
    assert "data_dir" not in (run / "config.json").read_text() + out
    assert bitspike("evaluate", "--split", "validation", str(run))[0] == 0
    assert bitspike("freeze", str(run), "--output=~/one.bitspike", "--images", "10")[0] == 0
    assert (tmp_path / "home" / "one.bitspike").exists()
    assert door.load_run("~/runs/one").data_dir == tmp_path / "home" / "sets"
    assert bitspike(*train, "--resume", "--runs-dir=~/runs")[0] == 0
    moved = (tmp_path / "home" / "sets").rename(tmp_path / "elsewhere")
    status, _, err = bitspike("evaluate", str(run))
    assert (status, err.count("\n"), "mnist" in err) == (2, 1, True)
    assert bitspike("evaluate", str(run), "--data-dir", str(moved), "--split", "validation")[0] == 0


@pytest.mark.parametrize("content", ["[]", "{}", '{"data_dir": 3}', '{"data_dir": null}', "no JSON"])
def test_a_memory_that_is_damaged_is_one_line(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    folder.data_file.write_text(content)
    with pytest.raises(UserError, match=r"data\.json"):
        folder.data_dir()
    folder.data_file.write_text('{"data_dir": "a\\u0000b"}')
    assert folder.data_dir() is None


def test_a_tilde_is_the_home_from_python_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = door.train("digits-convnet", *TINY, runs_dir="~/runs", name="one")
    assert run.folder == tmp_path / "runs" / "one"
    assert door.evaluate("~/runs/one") == run.evaluate()
    assert door.cost("~/runs/one") == run.cost()
    assert door.freeze("~/runs/one", "~/one.bitspike").file == tmp_path / "one.bitspike"
    assert door.evaluate("~/one.bitspike").total == 360
    assert door.cost("~/one.bitspike", activity="~/runs/one/activity.json").total.spikes == run.cost().total.spikes
    assert door.export("~/one.bitspike", "c", "~/c").files[0].parent == tmp_path / "c"
    assert not Path("~").exists()
    shutil.rmtree(run.folder)
