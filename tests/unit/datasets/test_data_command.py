"""`bitspike data`: what it prints, and the status that it ends with."""

import json
from pathlib import Path

import pytest
from boxed_files import BOX, voc, xml
from typer.testing import CliRunner

from bitspike.cli.data import app
from bitspike.data import DATASETS
from bitspike.errors import UserError

pytest.importorskip("sklearn", reason="needs scikit-learn's digits")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if isinstance(result.exception, UserError):
        raise result.exception
    return result.exit_code, result.stdout


def test_list_says_what_is_here_and_how_to_get_the_rest(tmp_path: Path) -> None:
    status, out = run("list", "--data-dir", str(tmp_path))
    assert status == 0
    assert all(name in out for name in DATASETS)
    assert "https://www.cs.toronto.edu/~kriz/cifar.html" in out
    assert "\ndigits:" not in out


def test_list_as_json(tmp_path: Path) -> None:
    status, out = run("list", "--data-dir", str(tmp_path), "--json")
    listed = json.loads(out)
    assert status == 0
    assert listed["data_dir"] == str(tmp_path)
    digits = listed["datasets"][0]
    assert digits["name"] == "digits"
    assert (digits["image"], digits["classes"], digits["train"], digits["test"]) == ("1x8x8", 10, 1437, 360)
    assert digits["here"] == {"train": "scikit-learn", "test": "scikit-learn"}
    assert listed["datasets"][1]["here"] == {}


def test_check_is_content_with_what_is_whole(tmp_path: Path) -> None:
    status, out = run("check", "digits", "--data-dir", str(tmp_path), "--json")
    assert status == 0
    assert [result["checksum"] for result in json.loads(out)] == ["ok", "ok"]
    assert run("check", "--data-dir", str(tmp_path))[0] == 0  # what was not asked for by name may be missing


def test_check_fails_for_a_named_one_that_is_missing(tmp_path: Path) -> None:
    status, out = run("check", "cifar10", "--data-dir", str(tmp_path))
    assert status == 2
    assert "missing" in out
    assert "Get it from" in out


def test_check_fails_for_a_broken_one_named_or_not(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "test_batch.bin").write_bytes(b"short")
    assert run("check", "--data-dir", str(tmp_path))[0] == 2
    status, out = run("check", "cifar10", "--data-dir", str(tmp_path), "--json")
    assert status == 2
    assert any("want 30730000" in result["problem"] for result in json.loads(out))


def test_paths_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    assert "[red]" in "".join(run("list", "--data-dir", str(folder))[1].split())


def test_mistakes_are_left_to_the_command() -> None:
    with pytest.raises(UserError, match="did you mean 'digits'"):
        run("check", "digit")
    with pytest.raises(UserError, match="no such directory"):
        run("list", "--data-dir", "/nowhere/at/all")


def test_what_is_made_from_another_set_is_checked_as_that_one(tmp_path: Path) -> None:
    status, out = run("check", "moving:digits", "--data-dir", str(tmp_path), "--json")
    assert status == 0
    assert [(row["dataset"], row["checksum"]) for row in json.loads(out)] == [("moving:digits", "ok")] * 2
    status, out = run("check", "moving:mnist", "--data-dir", str(tmp_path))
    assert status == 2
    assert "moving:mnist: Get the four IDX files" in " ".join(out.split())
    with pytest.raises(UserError, match="moving:NAME"):
        run("check", "nothing")


def test_images_and_boxes_are_counted(tmp_path: Path) -> None:
    name = voc(tmp_path / "own", {"a": xml(BOX, BOX), "b": xml(), "c": xml(BOX, ("cell", 5, 5, 5, 5, 0))})
    status, out = run("check", name, "--json")
    train, test = json.loads(out)
    assert status == 0  # what is left out is named, and no fault of the files
    assert (train["images"], train["empty"], train["boxes"]) == (3, 1, [{"name": "cell", "boxes": 3}])
    assert test["images"] == 1
    told = run("check", name)[1]
    assert [
        line for line in told.splitlines() if "Annotations/c.xml: got 'box 2 of c.jpg, 5 5 5 5'; it has no area" in line
    ]
    said = "".join(told.split())
    assert "train│all│3│1│3" in said
    (tmp_path / "own/JPEGImages/b.jpg").write_bytes(b"no picture")
    status, out = run("check", name, "--json")
    (problem,) = json.loads(out)[0]["problems"]
    assert status == 2
    assert "b.jpg" in problem


def test_a_set_of_boxes_is_listed(tmp_path: Path) -> None:
    assert "bccd: Put the folder BCCD" in " ".join(run("list", "--data-dir", str(tmp_path))[1].split())
    (tmp_path / "bccd").mkdir()
    row = json.loads(run("list", "--data-dir", str(tmp_path), "--json")[1])["datasets"][-3]
    assert (row["name"], row["here"], "want a VOC folder" in row["problem"]) == ("bccd", {}, True)
    assert run("check", "--data-dir", str(tmp_path))[0] == 2
