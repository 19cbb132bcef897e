"""`bitspike report` as a stranger types it: a picture of runs, whole or not at all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike import recipes, training
from bitspike.cli import main

pytest.importorskip("matplotlib")

Command = Callable[..., tuple[int, str, str]]
SIGNS = (
    "bits=1/1/2/2", "neuron.kind=quant-lif", "quantizer=ws-dr", 'layers={"features.0.0": {"w": 8}}', "epochs=1",
    "train_size=128", "channels=2,4,4",
)  # fmt: skip
STARTS = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
ENDS = {"png": b"IEND\xaeB`\x82", "svg": b"</svg>\n", "pdf": b"%%EOF\n"}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bitspike", "report", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one epoch: signs, and floats."""
    folders = []
    for name, edits in (("signs", SIGNS), ("floats", (*SIGNS[4:], "bits=16/1/2", "neuron.kind=lif"))):
        folder = training.RunFolder(tmp_path_factory.mktemp("runs") / name)
        training.train(training.override(recipes.recipe("digits-convnet"), list(edits)), folder)
        folders.append(folder.path)
    return folders[0], folders[1]


def refused(outcome: tuple[int, str, str], folder: Path, *named: str) -> None:
    """One line on stderr that names what is asked for, status 2, and nothing written."""
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "PNG"])
def test_a_picture_is_written_whole(report: Command, runs: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    assert report("information", *runs, "-o", f"out.{kind}") == (0, f"wrote out.{kind}\n", "")
    content = (tmp_path / f"out.{kind}").read_bytes()
    assert content.startswith(STARTS[kind.lower()])
    assert content.endswith(ENDS[kind.lower()])
    assert [path.name for path in tmp_path.iterdir()] == [f"out.{kind}"]


def test_an_earlier_picture_is_replaced_and_folders_are_made(
    report: Command, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.svg").write_text("old")
    for name in ("deep/a.svg", "new/b.svg"):
        assert report("information", runs[0], "--output", name)[0] == 0
        assert (tmp_path / name).read_text().startswith("<?xml")


def test_runs_of_one_name_are_told_apart(report: Command, runs: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / "other" / "signs")
    assert report("information", runs[0], "other/signs", "-o", "x.svg")[0] == 0
    drawn = (tmp_path / "x.svg").read_text()
    assert "<!-- signs -->" in drawn
    assert "<!-- other/signs -->" in drawn


def test_the_pictures_are_listed(report: Command) -> None:
    status, out, err = report("--list")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["avalanche", "bits", "information", "boxes"]
    assert "entropy" in out


def test_an_unknown_picture(report: Command, runs: tuple[Path, Path], tmp_path: Path) -> None:
    refused(report("informations", runs[0], "-o", "x.png"), tmp_path, "figure: got 'informations'", "'information'")


@pytest.mark.parametrize("name", ["x", "x.gif", "x.png.txt", ".png"])
def test_a_wrong_ending(report: Command, runs: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    refused(report("information", runs[0], "-o", name), tmp_path, f"--output: got '{name}'", "png, svg, pdf")


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_what_is_no_run(report: Command, tmp_path: Path, where: str) -> None:
    refused(report("information", where, "-o", "x.png"), tmp_path, "config.json")


def test_a_run_that_was_not_finished(report: Command, runs: tuple[Path, Path], tmp_path: Path) -> None:
    unmeasured = runs[0].parent / "unmeasured"
    unmeasured.mkdir(exist_ok=True)
    shutil.copy(runs[0] / "config.json", unmeasured)
    outcome = report("information", runs[0], unmeasured, "-o", "x.png")
    refused(outcome, tmp_path, "run: got 'unmeasured'", "nothing was measured", "activity.json")


def test_no_output_and_no_run(report: Command, runs: tuple[Path, Path], tmp_path: Path) -> None:
    refused(report("information", runs[0]), tmp_path, "--output")
    refused(report("information", "-o", "x.png"), tmp_path, "runs")


def test_a_place_that_cannot_be_written_to(report: Command, runs: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = report("information", runs[0], "-o", runs[0] / "config.json" / "x.png")
    refused(outcome, tmp_path, "--output: got", "x.png", "is no folder")
