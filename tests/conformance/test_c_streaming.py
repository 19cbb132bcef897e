"""The exported C one step at a time is the oracle's stepper, and with loops it is the oracle, edge for edge."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import differences, family, images, random_graph
from test_streaming import KINDS, streams

import bitspike
from bitspike import UserError
from bitspike.backends import backend, c, oracle
from bitspike.backends.c import build
from bitspike.ir import Affine, Delay, Edge, FrozenGraph, Graph, Input, Readout, Stepper, save
from bitspike.ir.steps import codes_of_steps

WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")


def apart(net: FrozenGraph, shown: NDArray[np.uint8], *flags: str) -> int:
    """Logits, of all steps, that differ between the streaming C and the oracle's stepper."""
    stepper = Stepper(net)
    wanted = np.stack([stepper.step(codes) for codes in codes_of_steps(net, shown)], axis=1)
    found = c.logits(net, shown, ["gcc"], *flags, streaming=True)
    assert found.shape == wanted.shape
    return int((found != wanted).sum())


def check(seeds: range, loops: bool, trains: bool, count: int = 6) -> int:
    seen = 0
    for seed in seeds:
        net = random_graph(seed, loops, trains)
        if streams(net):
            shown = images(net, seed, count)
            assert not apart(net, shown, *(SANITIZED if seed % 5 == 0 else ("-O1",))), (
                f"random_graph({seed}, {loops}, {trains})"
            )
            seen += len(shown)
    return seen


@pytest.mark.parametrize(("loops", "trains"), KINDS)
@pytest.mark.parametrize("first", range(0, 9, 3))
def test_random_networks_are_equal_at_each_step(first: int, loops: bool, trains: bool) -> None:
    assert check(range(first, first + 3), loops, trains)


@pytest.mark.slow
@pytest.mark.parametrize(("loops", "trains"), KINDS)
def test_1000_sequences_are_equal_at_each_step(loops: bool, trains: bool) -> None:
    assert check(range(3000, 3040), loops, trains, count=40) >= 1000


@pytest.mark.parametrize("first", range(0, 12, 4))
def test_networks_with_loops_are_equal_edge_for_edge(first: int) -> None:
    for seed in range(first, first + 4):
        net = random_graph(seed, loops=True, trains=bool(seed % 2))
        shown = images(net, seed)
        (logits,), edges = c.traced(net, shown, ["gcc"], *SANITIZED)
        assert {delay.name for delay in net.graph.delays()} <= edges.keys()
        assert not differences(net, oracle.run(net, shown), logits, edges), f"random_graph({seed}, loops=True)"
        assert np.array_equal(c.logits(net, shown, ["gcc"]), oracle.logits(net, shown))


@pytest.mark.parametrize("name", ["convnet", "sew-resnet18"])
def test_families_stream(name: str) -> None:
    net = family(name, "2/2/4", membrane_bits=3)
    assert not apart(net, images(net, count=20), "-O2")


def test_the_streaming_program_is_equal_edge_for_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    net, right = family("convnet", "2/2/4", membrane_bits=3), build.to_c
    shown = images(net, 0)
    wanted = oracle.run(net, shown)
    assert not differences(net, wanted, *c.traced(net, shown, ["gcc"], "-O1", streaming=True))

    def forgetful(net: FrozenGraph, name: str = "network", **how: Any) -> c.Program:
        program = right(net, name, **how)
        source = program.files["network.c"].replace("        network_step(", "        network_reset(), network_step(")
        return replace(program, files={**program.files, "network.c": source})

    monkeypatch.setattr(build, "to_c", forgetful)
    assert differences(net, wanted, *c.traced(net, shown, ["gcc"], "-O0", "-w", streaming=True))


Edit = Callable[[str], str]


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("_taken++", "_taken += 2"),
        lambda text: text.replace("(int8_t)", "(int8_t)1 + (int8_t)", 1),
        lambda text: text.replace("[i] = 0;", "[i] = 1;"),
        lambda text: text.replace("_sum[c] = ", "_sum[c] = 0 * "),
    ],
    ids=["count", "level", "reset", "sum"],
)
def test_an_error_in_the_program_is_found(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    right = build.to_c

    def wrong(net: FrozenGraph, name: str = "network", **how: Any) -> c.Program:
        program = right(net, name, **how)
        return replace(program, files={**program.files, "network.c": edit(program.files["network.c"])})

    monkeypatch.setattr(build, "to_c", wrong)
    found = 0
    for seed in range(12):
        net = random_graph(seed, loops=True)
        try:
            found += bool(apart(net, images(net, seed), "-O0", "-w"))
        except (UserError, ValueError):  # it stopped too soon, or printed nothing
            found += 1
    assert found


CALLER = """#include <stdio.h>
#include "net.h"
int main(void) {
  static const uint8_t image[NET_IMAGE_BYTES] = {7, 200, 31};
  static net_logit at_once[NET_CLASSES], logits[NET_CLASSES];
  int equal = 1, late, early = net_step(image, logits);
  for (int turn = 0; turn < 2; turn++) {
    net_run(image, at_once);
    late = net_step(image, logits);
    net_reset();
    for (int t = 0; t < NET_TIME_STEPS; t++) equal &= net_step(image, logits);
    for (int k = 0; k < NET_CLASSES; k++) equal &= logits[k] == at_once[k];
  }
  printf("%d %d %d\\n", early, late, equal);
  return 0;
}
"""


@pytest.mark.parametrize("compiler", [("gcc", "-std=c99", "-Wmissing-prototypes"), ("g++", "-std=c++11")])
def test_a_step_is_called_after_a_reset_and_no_more_often_than_there_are_steps(
    compiler: tuple[str, ...], tmp_path: Path
) -> None:
    net = family("convnet", "2/2/4")
    for file_name, text in c.to_c(net, "net", streaming=True).files.items():
        (tmp_path / file_name).write_text(text)
    suffix = "c" if compiler[0] == "gcc" else "cpp"
    (tmp_path / f"net.{suffix}").write_text((tmp_path / "net.c").read_text())
    (tmp_path / f"caller.{suffix}").write_text(CALLER)
    sources = [str(tmp_path / f"{name}.{suffix}") for name in ("net", "caller")]
    made = str(tmp_path / "caller")
    subprocess.run([*compiler, *WARNINGS, "-O1", *sources, "-o", made], check=True)
    assert subprocess.run([made], capture_output=True, text=True, check=True).stdout == "0 0 1\n"


def test_the_program_of_all_steps_at_once_says_nothing_of_steps() -> None:
    files = c.to_c(family("convnet", "2/2/4"), "net").files
    assert not [
        word for word in ("net_step", "net_reset", "_taken", "TIME_STEPS") if word in files["net.c"] + files["net.h"]
    ]


def test_streaming_has_the_same_constants_and_counts_the_membranes_that_it_carries() -> None:
    net = family("convnet", "2/2/4")
    at_once, by_steps = c.to_c(net), c.to_c(net, streaming=True)
    assert by_steps.flash_bytes == at_once.flash_bytes
    kept = sum(net.graph.edges[node.name].size for node in net.graph.neurons())
    assert by_steps.ram_bytes > 2 * kept


def test_the_door_and_the_command_export_steps(tmp_path: Path) -> None:
    net = family("convnet", "2/2/4")
    made = bitspike.export(net, "c", tmp_path / "door", name="net", streaming=True)
    assert "int net_step(" in (tmp_path / "door" / "net.h").read_text()
    save(net, tmp_path / "net.bitspike")
    command = [sys.executable, "-m", "bitspike", "export", str(tmp_path / "net.bitspike"), "--to"]
    subprocess.run([*command, "c", "-o", str(tmp_path / "b"), "--name", "net", "--streaming"], check=True)
    for path in made.files:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    refused = subprocess.run(
        [*command, "onnx", "-o", str(tmp_path / "b"), "--streaming"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "--streaming: got True; it is for --to c" in refused.stderr


def test_a_delay_of_a_delay_is_two_steps_late() -> None:
    """The earlier one takes what the later one sent before that is written anew."""
    edge = Edge(shape=(2,), T=5, lo=-128, hi=127)
    train = Edge(shape=(2,), T=5, lo=-128, hi=127, scale=1.0)
    one = np.ones(2, np.int64)
    nodes = (
        Input(name="codes", inputs=(), edge=train),
        Delay(name="older", inputs=(), of="old", edge=edge),
        Delay(name="old", inputs=(), of="now", edge=edge),
        Affine(name="now", inputs=("codes",), fraction_bits=0),
        Readout(name="logits", inputs=("older",), over="each"),
    )
    net = FrozenGraph(Graph("late", nodes), {"now.multiplier": one, "now.offset": 0 * one})
    codes = np.random.default_rng(0).integers(0, 256, (4, 5, 2), dtype=np.uint8)
    wanted = np.zeros((4, 5, 2), np.int64)
    wanted[:, 2:] = codes[:, :3].astype(np.int64) - 128
    assert np.array_equal(oracle.logits(net, codes), wanted)
    assert np.array_equal(c.logits(net, codes, ["gcc"], *SANITIZED), wanted)
    if find_spec("onnxruntime"):
        assert np.array_equal(backend("onnx", threads=1).run(net, codes), wanted)


def test_a_network_that_cannot_stream_is_refused_by_name() -> None:
    net = next(net for net in map(random_graph, range(100)) if not streams(net))
    with pytest.raises(UserError, match="step"):
        c.to_c(net, streaming=True)
    shown = images(net)
    assert np.array_equal(backend("c").run(net, shown), oracle.logits(net, shown))


def test_the_engine_runs_by_steps() -> None:
    net = family("convnet", "2/2/4")
    assert np.array_equal(backend("c", streaming=True).run(net, images(net)), oracle.logits(net, images(net)))
