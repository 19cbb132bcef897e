"""The examples run, and say what their first lines promise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import bitspike
from bitspike.backends import c, oracle
from bitspike.ir import load

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_plain_network_is_converted(tmp_path: Path) -> None:
    try:
        assert re.fullmatch(r"9\d\.\d % right; wrote plain.pt\n", run("examples/plain.py"))
        program = ("-c", "from bitspike.cli import main; main()")
        edits = ("--set", "epochs=1", "--runs-dir", str(tmp_path), "--json")
        said = run(*program, "convert", "examples.plain:make_net", "--dataset", "digits", *edits)
    finally:
        (ROOT / "examples" / "plain.pt").unlink(missing_ok=True)
    found = json.loads(said)
    assert found["equal"]
    assert found["test_accuracy"] > 90


def test_the_door_is_a_script_of_fewer_than_20_lines(tmp_path: Path) -> None:
    script = ROOT / "examples" / "door.py"
    assert len(script.read_text().splitlines()) < 20
    said = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    in_floats, cost, agreed, in_integers, files = said.splitlines()
    for line in (in_floats, in_integers):
        assert re.fullmatch(r"digits test: 3\d\d of 360 right, 9\d\.\d\d %", line)
    assert re.fullmatch(r"22,756 bytes, 1,922,048 bit operations and \d+ spikes per image", cost)
    assert int(agreed.split()[0]) >= 95
    assert files == "firmware/door.c firmware/door.h firmware/door_simd.h firmware/main.c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["door.bitspike", "firmware", "runs"]
    assert bitspike.load_run(tmp_path / "runs" / "door").finished


def test_an_own_network_learns_the_digits() -> None:
    found = re.fullmatch(
        r"([\d.]+) % right, [\d,]+ bytes, [\d,]+ bit operations per image\n", run("examples/own_network.py")
    )
    assert found
    assert float(found[1]) > 90


def test_an_own_network_is_costed_with_its_plan() -> None:
    command = ["-m", "bitspike.cli", "cost", "examples.own_network:make_net", "--input", "1x8x8", "--json"]
    layers = json.loads(run(*command, "--plan", "examples/bits.json"))["layers"]
    assert [(layer["w"], layer["s"], layer["t"]) for layer in layers] == [(8, 8, 1), (4, 2, 2), (8, 2, 2)]


def test_the_tiny_network_is_the_same_in_c_and_as_small_as_its_results_say() -> None:
    net = load(ROOT / "examples" / "fashion-tiny.bitspike")
    said = json.loads((ROOT / "results" / "freeze" / "fashion-tiny-cortex-m4.json").read_text())
    program = c.to_c(net, "tiny")
    assert (program.flash_bytes, program.ram_bytes) == (said["flash_bytes_of_data"], said["ram_bytes_of_data"])
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    assert (c.logits(net, images, c.compiler()) == oracle.logits(net, images)).all()
