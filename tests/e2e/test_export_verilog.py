"""`bitspike export --to verilog` as a user types it: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike.cli import main

NET = str(Path(__file__).parents[2] / "examples" / "fashion-tiny.bitspike")


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bitspike", "export", NET, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_files_are_written_and_told(bitspike: Command, tmp_path: Path) -> None:
    status, out, _ = bitspike("--to", "verilog", "-o", str(tmp_path), "--name", "tiny", "--pes", "6", "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["pes"], found["element"]) == (6, "parallel")
    assert {Path(file).name for file in found["files"]} == {
        *("tiny.sv", "tiny_tb.sv", "tiny_program.mem", "tiny_constants.mem", "tiny_weights4.mem"),
        *("bitspike_arithmetic.sv", "bitspike_element.sv", "bitspike_memory.sv"),
    }
    assert all(Path(file).read_text() for file in found["files"])


def test_weights_are_as_wide_as_they_are(bitspike: Command, tmp_path: Path) -> None:
    status, out, _ = bitspike("--to", "verilog", "-o", str(tmp_path), "--name", "tiny", "--pes", "6")
    assert status == 0
    assert "cycles an image at most" in " ".join(out.split())
    words = (tmp_path / "tiny_weights4.mem").read_text().split()
    assert {len(word) for word in words} == {6}, "six weights of four bits in six digits"


def test_a_pipeline_is_written_and_told(bitspike: Command, tmp_path: Path) -> None:
    wanted = ("--to", "verilog", "-o", str(tmp_path), "--name", "tiny", "--architecture", "streaming")
    status, out, _ = bitspike(*wanted, "--cycles", "12000", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["cycles"] <= 12_000 < found["cycles"] + found["latency"]
    assert [stage["name"] for stage in found["stages"]][:2] == ["features.1", "features.2.0"]
    names = {Path(file).name for file in found["files"]}
    assert {"tiny.sv", "tiny_tb.sv", "tiny_0_weights.mem", "tiny_6_constants.mem", "bitspike_window.sv"} <= names
    status, out, _ = bitspike(*wanted, "--pes", "2")
    assert status == 0
    assert "cycles from image to image" in " ".join(out.split())


@pytest.mark.parametrize("architecture", ["shared", "streaming"])
def test_the_text_is_the_same_in_every_run(architecture: str, tmp_path: Path) -> None:
    """Also where Python orders sets otherwise, which it does from run to run."""
    texts = []
    for seed in "12":
        folder = tmp_path / seed
        wanted = ["export", NET, "--to", "verilog", "-o", str(folder), "--architecture", architecture]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-m", "bitspike", *wanted], check=True, capture_output=True, env=environment)
        texts.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--to", "verilog", "--pes", "0"), "pes: got 0"),
        (("--to", "verilog", "--element", "analog"), "want parallel, serial, event"),
        (("--to", "c", "--pes", "4"), "--pes: got 4; it is for --to verilog"),
        (("--to", "verilog", "--cc", "gcc"), "--cc: got 'gcc'; it is for --to c"),
        (("--to", "verilog", "--name", "always_ff"), "name: got 'always_ff'"),
        (("--to", "verilog", "--cycles", "9"), "cycles: got 9; it is for the streaming architecture"),
        (("--to", "verilog", "--architecture", "streaming", "--cycles", "9"), "cycles: got 9; want 7840 at least"),
        (("--to", "verilog", "--architecture", "streaming", "--luts", "9"), "luts: got 9; want "),
        (("--to", "verilog", "--architecture", "streaming", "--element", "event"), "want parallel or serial"),
    ],
)
def test_a_mistake_is_one_line(bitspike: Command, arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    status, out, said = bitspike(*arguments, "-o", str(tmp_path / "out"))
    assert (status, out) == (2, "")
    assert named in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()
