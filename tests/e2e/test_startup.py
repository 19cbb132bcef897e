"""What a command loads: torch takes longer than most of them run, and so does scikit-learn with its scipy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bitspike
from bitspike.recipes import RECIPES, about

pytest.importorskip("sklearn", reason="needs scikit-learn's digits")

HEAVY = ("torch", "scipy", "sklearn", "onnx", "pandas", "matplotlib")
WITHOUT_ANY = (
    "--help",
    "--version",
    "data list",
    "data check digits",
    "train --list",
    "train --help",
    "reproduce --help",
    "report --list",
    "evaluate FILE",
    "evaluate FILE --json",
    "cost FILE",
    "cost FILE --json",
    "export FILE --to c --output OUT",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("startup")
    run = bitspike.train("digits-convnet", "epochs=1", "channels=2,2,2", name="run", runs_dir=folder)
    bitspike.freeze(run, folder / "net.bitspike", images=0)
    return folder / "net.bitspike"


def loaded(*words: str) -> set[str]:
    """Which heavy libraries a fresh command has loaded at its end."""
    told = f"print('loaded', *set({HEAVY}).intersection(sys.modules), file=sys.stderr)"
    code = f"import atexit, sys; from bitspike.cli import main; atexit.register(lambda: {told}); main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", WITHOUT_ANY)
def test_a_command_loads_no_more_than_it_needs(command: str, file: Path, tmp_path: Path) -> None:
    there = {"FILE": str(file), "OUT": str(tmp_path)}
    assert loaded(*(there.get(word, word) for word in command.split())) == set()


def test_what_is_loaded_is_seen() -> None:
    assert "torch" in loaded("cost", "convnet", "--input", "1x8x8")


def test_recipes_are_listed_as_they_are() -> None:
    assert list(about().items()) == [(name, make.__doc__) for name, make in RECIPES.items()]
