"""The commands that wait for a GPU: each asks the command for something that is there, and ends as it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from bitspike import conversion, recipes, training
from bitspike.cli.app import app
from bitspike.training.setup import make_model
from bitspike.training.tasks import task_of

GPU = Path(__file__).parents[2] / "benchmarks" / "gpu"
QUEUE = (GPU / "QUEUE.md").read_text()
PIECE = ["spikezip-resnet20-cifar10", "neuron.paths=", "seed=3", "--stop-when-settled"]
NAME = "spikezip-resnet20-cifar10-neuron-paths--seed-3---stop-when-settled"


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """Runs a script in an empty folder with a `bitspike` that writes down what it was asked, and ends as it is told."""
    stand_in = tmp_path / "bin" / "bitspike"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/bash\nprintf "%s\\n" "$@" > asked\nprintf %s "$PRINTED"\nexit "$STATUS"\n')
    stand_in.chmod(0o755)

    def run(script: str, *arguments: str, status: int = 0, printed: str = "{}") -> tuple[int, list[str], str]:
        environment = {**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
        environment |= {"STATUS": str(status), "PRINTED": printed}
        ended = subprocess.run(
            ["bash", str(GPU / script), *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        return ended.returncode, (tmp_path / "asked").read_text().splitlines(), ended.stderr

    return run


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What the command makes of its arguments."""
    command, *rest = arguments
    group: Any = typer.main.get_command(app)
    found: dict[str, Any] = group.commands[command].make_context(command, rest).params
    return found


@cache
def check_convertible(source: str, edits: tuple[str, ...]) -> None:
    config = training.override(recipes.recipe(source), list(edits))
    graph = conversion.check_convertible(make_model(config), task_of(config).sample)
    assert conversion.steps_of(graph, None) == conversion.settling_bound(graph)


def test_every_row_asks_for_what_is_there(said: Any) -> None:
    names, rows = set(), re.findall(r"^\| \d+ \| `(benchmarks/gpu/.+?)` \|", QUEUE, re.MULTILINE)
    assert len(rows) == QUEUE.count("`benchmarks/gpu/")
    for script, *arguments in map(shlex.split, rows):
        _, asked, _ = said(Path(script).name, *arguments)
        options = parsed(asked)
        assert options["name"] not in names, options["name"]
        names.add(options["name"])
        config = training.override(recipes.recipe(options.get("source") or options["recipe"]), options["edits"])
        if asked[0] == "train":
            continue
        assert f"{options['source']}-ann" in recipes.RECIPES
        assert options["method"] in conversion.METHODS
        assert options["ann"] == Path(f"runs/gpu/{options['source']}-ann-seed{config.seed}")
        assert options["stop_when_settled"] == (options["method"] == "spikezip")
        check_convertible(options["source"], tuple(edit for edit in options["edits"] if not edit.startswith("seed=")))


def test_the_first_rows_settle_whether_and_how_fast_the_kernels_run() -> None:
    rows = [shlex.split(row) for row in re.findall(r"^\| \d+ \| `(.+?)` \|", QUEUE, re.MULTILINE)]
    assert [row[0] for row in rows[:4]] == ["python", "python", "python", "benchmarks/gpu/piece.sh"]
    assert rows[0][1:3] == ["-m", "pytest"]
    for row in rows[:3]:
        assert all((GPU.parents[1] / word).exists() for word in row if word.endswith(".py"))
    assert rows[3][1] == "cifar10-resnet18"


def test_a_conversion_leaves_its_result(said: Any, tmp_path: Path) -> None:
    status, asked, _ = said("convert.sh", *PIECE, printed='{"equal": true}')
    assert status == 0
    assert parsed(asked)["resume"] is False
    assert (tmp_path / "results" / "gpu" / f"{NAME}.json").read_text() == '{"equal": true}'


def test_a_piece_that_was_cut_off_goes_on_when_it_is_said_again(said: Any, tmp_path: Path) -> None:
    status, _, err = said("convert.sh", *PIECE, status=137, printed="")
    assert (status, "say it again" in err) == (75, True)
    assert not (tmp_path / "results").exists()
    folder = tmp_path / "runs" / "gpu" / NAME
    folder.mkdir()
    (folder / "config.json").touch()
    assert parsed(said("convert.sh", *PIECE)[1])["resume"] is True


def test_a_conversion_that_fails_leaves_nothing(said: Any, tmp_path: Path) -> None:
    assert said("convert.sh", *PIECE, status=2, printed="")[0]
    assert not (tmp_path / "results").exists()
