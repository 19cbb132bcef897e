"""What may not be read, and a folder where a file belongs: one line and status 2, from every verb that reads it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unprivileged import unprivileged

import bitspike
from bitspike.cli import main
from bitspike.files import is_there

pytest.importorskip("sklearn", reason="needs scikit-learn's digits")

Command = Callable[..., tuple[int, str, str]]
SMALL = ("channels=4,4,4", "epochs=1", "train_size=100", "validation_size=50")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command as a user for whom permissions hold: ``(status, stdout, stderr)``."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bitspike", *arguments])
        capsys.readouterr()
        with unprivileged():
            try:
                main()
            except SystemExit as end:
                said = capsys.readouterr()
                return int(end.code or 0), said.out, said.err
        raise AssertionError("main exits")

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    bitspike.train("digits-convnet", "bits=2/2/1", *SMALL, name="run", runs_dir=folder)
    bitspike.train("spikezip-convnet-digits-ann", *SMALL, name="ann", runs_dir=folder)
    bitspike.freeze(folder / "run", folder / "net.bitspike")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Iterator[Path]:
    here = tmp_path / "here"
    shutil.copytree(trained, here)
    yield here
    for path in (here, *here.glob("*"), *here.glob("*/*")):
        path.chmod(0o755)


def refused(outcome: tuple[int, str, str], path: Path) -> None:
    status, out, err = outcome
    assert (status, out) == (2, ""), err
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1
    assert str(path) in err


READS = {
    "config.json": [
        ("cost", "{run}"),
        ("evaluate", "{run}"),
        ("freeze", "{run}", "-o", "out.bitspike"),
        ("report", "bits", "{run}", "-o", "out.png"),
        ("train", "digits-convnet", "--resume", "--runs-dir", "{folder}", "--name", "run"),
        ("convert", "{run}"),
        ("convert", "spikezip-convnet-digits", "--set", "channels=4,4,4", "--ann", "{run}"),
    ],
    "checkpoint.safetensors": [
        ("evaluate", "{run}"),
        ("freeze", "{run}", "-o", "out.bitspike"),
        ("train", "digits-convnet", "--set", "bits=2/2/1", *(word for edit in SMALL for word in ("--set", edit)),
         "--resume", "--runs-dir", "{folder}", "--name", "run"),
    ],
    "activity.json": [("cost", "{run}"), ("report", "bits", "{run}", "-o", "out.png")],
    "metrics.jsonl": [
        ("train", "digits-convnet", "--set", "bits=2/2/1", *(word for edit in SMALL for word in ("--set", edit)),
         "--resume", "--runs-dir", "{folder}", "--name", "run"),
    ],
}  # fmt: skip
CASES = [(file, verb) for file, verbs in READS.items() for verb in verbs]


def _said(verb: tuple[str, ...], folder: Path) -> list[str]:
    return [word.format(run=folder / "run", folder=folder) for word in verb]


@pytest.mark.parametrize(("file", "verb"), CASES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_file_of_a_run_that_may_not_be_read(command: Command, folder: Path, file: str, verb: tuple[str, ...]) -> None:
    (folder / "run" / file).chmod(0)
    refused(command(*_said(verb, folder)), folder / "run" / file)


@pytest.mark.parametrize(("file", "verb"), CASES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_folder_where_a_file_of_a_run_belongs(
    command: Command, folder: Path, file: str, verb: tuple[str, ...]
) -> None:
    (folder / "run" / file).unlink()
    (folder / "run" / file).mkdir()
    refused(command(*_said(verb, folder)), folder / "run")


@pytest.mark.parametrize("verb", READS["config.json"], ids=lambda verb: verb[0])
def test_a_run_folder_that_may_not_be_looked_into(command: Command, folder: Path, verb: tuple[str, ...]) -> None:
    (folder / "run").chmod(0)
    refused(command(*_said(verb, folder)), folder / "run")


@pytest.mark.parametrize("verb", READS["config.json"], ids=lambda verb: verb[0])
def test_a_file_where_a_run_folder_belongs(command: Command, folder: Path, verb: tuple[str, ...]) -> None:
    shutil.rmtree(folder / "run")
    (folder / "run").write_text("no folder")
    refused(command(*_said(verb, folder)), folder / "run")


@pytest.mark.parametrize("verb", [("evaluate",), ("cost",), ("export", "--to", "c", "-o", "out")], ids=lambda v: v[0])
def test_a_frozen_network_that_may_not_be_read(command: Command, folder: Path, verb: tuple[str, ...]) -> None:
    net = folder / "net.bitspike"
    net.chmod(0)
    refused(command(verb[0], str(net), *verb[1:]), net)
    folder.chmod(0)
    refused(command(verb[0], str(net), *verb[1:]), net)


@pytest.mark.parametrize("option", ["--plan", "--activity"])
def test_a_file_of_an_option_that_may_not_be_read(command: Command, folder: Path, option: str) -> None:
    file = folder / "run" / "result.json"
    file.chmod(0)
    refused(command("cost", "convnet", option, str(file)), file)
    refused(command("cost", "convnet", option, str(folder)), folder)


def test_a_search_in_a_folder_that_may_not_be_looked_into(command: Command, folder: Path) -> None:
    search = ("allocate", "adaptive-resnet8-thin-fashion", "--runs-dir", str(folder), "--name", "run", "--max-size")
    (folder / "run").chmod(0)
    refused(command(*search, "20k"), folder / "run")
    refused(command(*search, "20k", "--trials", "2"), folder / "run")


@pytest.mark.parametrize("spoil", ["unreadable", "folder", "damaged"])
def test_the_journal_of_a_sweep(command: Command, folder: Path, spoil: str) -> None:
    pytest.importorskip("optuna")
    journal = folder / "sweep" / "study.jsonl"
    journal.parent.mkdir()
    if spoil == "folder":
        journal.mkdir()
    else:
        journal.write_text("[1]\n[2]\n")
        journal.chmod(0 if spoil == "unreadable" else 0o644)
    outcome = command(
        "allocate", "adaptive-resnet8-thin-fashion", "--runs-dir", str(folder), "--name", "sweep", "--max-size", "20k",
        "--trials", "2",
    )  # fmt: skip
    refused(outcome, journal)


def test_data_that_may_not_be_read(command: Command, folder: Path) -> None:
    data = folder / "data"
    (data / "mnist").mkdir(parents=True)
    (data / "mnist" / "train-images-idx3-ubyte").write_bytes(b"")
    (data / "mnist" / "train-images-idx3-ubyte").chmod(0)
    for forbidden in (data / "mnist" / "train-images-idx3-ubyte", data / "mnist"):
        forbidden.chmod(0)
        status, out, _ = command("data", "list", "--data-dir", str(data), "--json")
        rows = {row["name"]: row for row in json.loads(out)["datasets"]}
        assert status == 0
        assert "Permission denied" in rows["mnist"]["problem"]
        assert str(data / "mnist") in rows["mnist"]["problem"]
        assert [rows[name]["problem"] for name in ("digits", "cifar10")] == ["", ""]
        assert "Permission denied" in command("data", "list", "--data-dir", str(data))[1].replace("\n", " ")
        for named in ((), ("mnist",)):
            status, _, err = command("data", "check", *named, "--data-dir", str(data))
            assert status == 2
            assert "Permission denied" in err
            assert err.count("\n") == 1
    data.chmod(0)
    for verb in ("list", "check"):
        refused(command("data", verb, "--data-dir", str(data)), data)
    folder.chmod(0)
    refused(command("data", "list", "--data-dir", str(data)), data)


def test_a_picture_where_nothing_may_be_written(command: Command, folder: Path) -> None:
    place = folder / "closed"
    place.mkdir()
    place.chmod(0)
    refused(command("report", "bits", str(folder / "run"), "-o", str(place / "out.png")), place)


def test_what_nobody_may_tell_is_not_called_absent(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "closed").chmod(0)
    assert not is_there(tmp_path / "none")
    assert not is_there(tmp_path / ("x" * 300))  # no file has such a name
    with unprivileged():
        for path, why in (("closed/x", "Permission denied"), ("loop", "symbolic links"), ("a\0b", "null byte")):
            with pytest.raises(bitspike.UserError, match=why):
                is_there(tmp_path / path)
    (tmp_path / "closed").chmod(0o755)
