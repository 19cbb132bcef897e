"""A run folder is one process's at a time, and what killed ones left in it goes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike.errors import UserError
from bitspike.training import RunFolder, TrainConfig, train
from bitspike.training.lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from bitspike.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_one_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        with pytest.raises(UserError, match=rf"run folder: got .*run'; process {os.getpid()} on \S+ works in it"):
            locked(tmp_path / "run").__enter__()
        assert (tmp_path / "run" / ".lock").exists()
        (tmp_path / "run" / "kept").touch()
    assert os.listdir(tmp_path / "run") == ["kept"]


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError, match=f"process {holder.pid} on"), locked(tmp_path):
            raise AssertionError
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            pass
    assert os.listdir(tmp_path) == []


def test_what_was_made_and_stayed_empty_goes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "runs" / "a"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with locked(tmp_path / "runs"):
        pass
    with locked(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]
    assert tmp_path.exists()


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="nothing was written"), locked(tmp_path / "file"):
        raise AssertionError


def test_what_killed_processes_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    left = [
        ".config.json.ab12_xyz",
        ".checkpoint.safetensors.00000000",
        ".metrics.jsonl.abcdefgh",
        ".snn.bitspike.a1b2c3d4",
    ]
    others = [".config.json", "config.json.ab12_xyz", ".notes.txt.abcdefgh", ".config.json.swp", ".hidden"]
    for name in (*left, *others):
        (tmp_path / name).touch()
    with locked(tmp_path):
        pass
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_training_clears_and_is_kept_out(tmp_path: Path, tiny: Callable[..., TrainConfig]) -> None:
    folder = RunFolder(tmp_path / "run")
    with locked(folder.path), pytest.raises(UserError, match="works in it"):
        train(tiny("epochs=1"), folder)
    assert not folder.path.exists()
    folder.path.mkdir()
    (folder.path / ".config.json.abcdefgh").touch()
    train(tiny("epochs=1"), folder)
    assert not [name for name in os.listdir(folder.path) if name.startswith(".")]
