"""`bitspike.compile` and `bitspike.bench`: a network made ready once, and how fast it is."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bitspike
from bitspike import ir
from bitspike.api import bench as module
from bitspike.backends import backend, oracle
from bitspike.backends.native import structs

NET = Path(__file__).parents[3] / "examples" / "fashion-tiny.bitspike"

pytestmark = pytest.mark.skipif(structs.library() is None, reason="no C library")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def shown(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("engine", ["native", "oracle", "onnx"])
@pytest.mark.parametrize("copied_by", [copy.copy, copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_of_a_compiled_network_answers_as_it_does(
    engine: str, copied_by: Callable[[Callable[[np.ndarray], np.ndarray]], Callable[[np.ndarray], np.ndarray]]
) -> None:
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    run = bitspike.compile(NET, engine=engine)
    assert np.array_equal(copied_by(run)(shown(3)), run(shown(3)))


@pytest.mark.parametrize("engine", ["native", "oracle", "onnx"])
@pytest.mark.parametrize("source", [None, 3, [], b"net", np.zeros(3), "no file"])
def test_what_is_no_network_is_refused_in_a_line(engine: str, source: object) -> None:
    with pytest.raises(bitspike.UserError, match=r"^network: got [^\n]*$"):
        bitspike.compile(source, engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"engine": None}, {"engine": 3}, {"threads": "2"}, {"threads": True}, {"speed": 9}])
def test_an_engine_or_option_that_there_is_not_is_refused_in_a_line(wrong: dict[str, object]) -> None:
    for engine in ("native", "onnx"):
        with pytest.raises(bitspike.UserError, match=r"^[^\n]*got [^\n]*$"):
            bitspike.compile(NET, **({"engine": engine} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["native", "oracle", "onnx"])
def test_a_compiled_network_answers_as_the_oracle(engine: str) -> None:
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    net = ir.load(NET)
    options = {} if engine == "oracle" else {"threads": 1}
    for source in (net, NET, str(NET)):
        run = bitspike.compile(source, engine=engine, **options)
        for count in (3, 0, 5):
            assert np.array_equal(run(shown(count)), oracle.logits(net, shown(count)))
        with pytest.raises(bitspike.UserError, match=r"^images"):
            run(shown(1)[0])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(bitspike.UserError, match="did you mean 'native'"):
        bitspike.compile(NET, engine="nativ")
    with pytest.raises(bitspike.UserError, match=r"^--cc: got 'gcc'; it is for --engine c"):
        bitspike.compile(NET, cc="gcc")
    for wrong in ({"batch": []}, {"batch": [0]}, {"threads": [-1]}):
        with pytest.raises(bitspike.UserError, match=r"whole numbers? of at least 1"):
            bitspike.bench(NET, **wrong)


def test_the_plan_of_a_network_is_made_once() -> None:
    net = ir.load(NET)
    assert backend("native", threads=1).prepare(net) is backend("native", threads=1).prepare(net)


def test_a_bench_says_images_a_second_and_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.001)
    found = bitspike.bench(NET, batch=[1, 4], threads=[1, 2])
    mine = [speed for speed in found.speeds if speed.engine == "native"]
    assert [(speed.threads, speed.batch) for speed in mine] == [(1, 1), (1, 4), (2, 1), (2, 4)]
    assert all(0 < s.lower_quartile <= s.images_per_second <= s.upper_quartile for s in found.speeds)
    names = [name for stage in found.stages for name in stage.ops]
    net = ir.load(NET)
    assert {node.name for node in net.graph.synapses()} <= set(names) <= set(net.graph.edges)
    total = sum(node.macs(net.graph.input_edge(node)) * net.graph.edges[node.name].T for node in net.graph.synapses())
    assert sum(stage.macs for stage in found.stages) == total
    assert all(stage.kernel for stage in found.stages if stage.macs)
    said = found.to_dict()
    assert said["peak"] > 1e8
    assert said["stages"][1]["share"] == said["stages"][1]["macs_per_second"] / said["peak"]


def test_the_command_prints_tables_or_json() -> None:
    command = [sys.executable, "-m", "bitspike", "bench", str(NET), "--batch", "2"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {speed["batch"] for speed in found["speeds"]} == {2}
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "images/s" in done.stdout
    for wrong in ("", "0", "1,", "a"):
        done = subprocess.run([*command[:-1], wrong], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("--batch") or "--batch" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_command_evaluates_by_the_native_engine() -> None:
    net = ir.load(NET)
    run = backend("native", threads=2)
    assert np.array_equal(run.run(net, shown(70)), oracle.logits(net, shown(70)))
