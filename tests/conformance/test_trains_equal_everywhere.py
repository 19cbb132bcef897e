"""Networks that read trains and answer at any step: oracle, C, ONNX and the native backend are one."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import differences, images, random_graph

from bitspike import UserError, native
from bitspike.backends import backend, c, oracle
from bitspike.backends.c import build
from bitspike.backends.c.layers import Answer, Levels
from bitspike.backends.native import structs
from bitspike.backends.onnx import ops, to_onnx
from bitspike.ir import Affine, Edge, Fire, FrozenGraph, Graph, Input, Linear, Readout, Stepper, load, save
from bitspike.ir.ops import Dynamics

SEEDS, SEEDS_A_TEST = 300, 50
LEVELS = [level.name for level in native.Level if level <= native.detected() != native.Level.neon] or ["scalar"]
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
needs_library = pytest.mark.skipif(structs.library() is None, reason="no C library")
needs_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")

Engine = Any


def train(seed: int) -> FrozenGraph:
    return random_graph(seed, trains=True)


def found(engine: Engine, net: FrozenGraph, shown: NDArray[np.uint8], wanted: FrozenGraph | None = None) -> object:
    """What an engine and the oracle differ in: edges of a trace, and logits without one."""
    wanted = wanted or net
    traced = differences(net, oracle.run(wanted, shown), *engine.trace(net, shown))
    alone, logits = engine.run(net, shown), oracle.logits(wanted, shown)
    return traced or (alone.shape != logits.shape or int((alone != logits).sum()))


def test_the_random_trains_are_of_every_kind() -> None:
    seen = Counter[object]()
    for seed in range(SEEDS):
        net = train(seed)
        sample = net.sample
        seen.update([net.readout.over, f"{len(sample.shape)} axes", "held" if sample.T == 1 else "steps"])
        seen["signed"] += sample.lo < 0
        seen["events"] += (sample.lo, sample.hi) == (0, 1)
        edges = oracle.run(net, images(net, seed))
        seen["answers vary"] += bool(np.ptp(edges[net.readout.name]))
    kinds = ("sum", "last", "each", "1 axes", "2 axes", "3 axes", "held", "steps", "signed", "events")
    assert min(seen[kind] for kind in kinds) > 20
    assert seen["answers vary"] > 0.8 * SEEDS


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_the_native_backend_is_the_oracle(first: int, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, level)
    for seed in range(first, first + SEEDS_A_TEST):
        net = train(seed)
        assert not found(backend("native"), net, images(net, seed)), f"random_graph({seed}, trains=True)"


@needs_compiler
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_c_is_the_oracle(first: int) -> None:
    """Of ten one under the sanitizers, one as it ships, untraced, and one at -O1."""
    for seed in range(first, first + SEEDS_A_TEST):
        net = train(seed)
        shown, flags = images(net, seed), {0: SANITIZED, 2: ("-O1",)}.get(seed % 10, ("-O0",))
        wrong = differences(net, oracle.run(net, shown), *c.traced(net, shown, ["gcc"], *flags))
        assert not wrong, f"random_graph({seed}, trains=True)"
        if seed % 10 == 1:
            assert np.array_equal(c.logits(net, shown, ["gcc"]), oracle.logits(net, shown))


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_onnx_is_the_oracle_or_refuses(first: int) -> None:
    pytest.importorskip("onnxruntime")
    ran = 0
    for seed in range(first, first + SEEDS_A_TEST):
        net = train(seed)
        try:
            to_onnx(net)
        except UserError as no:
            assert "exact to 2^" in str(no)  # what floats cannot hold, and nothing else
            continue
        ran += 1
        assert not found(backend("onnx"), net, images(net, seed)), f"random_graph({seed}, trains=True)"
    assert ran > SEEDS_A_TEST / 2


def test_a_train_that_comes_step_by_step_is_the_same() -> None:
    stepped = 0
    for seed in range(SEEDS):
        net = train(seed)
        try:
            stepper = Stepper(net)
        except UserError:  # a sum over time in the middle, or neurons of other steps
            continue
        shown = images(net, seed)
        edges = oracle.run(net, shown)
        for t in range(stepper.T):
            stepper.step(shown if net.sample.T == 1 else shown[:, t])
            for name, edge in net.graph.edges.items():
                if edge.T > 1:
                    assert np.array_equal(stepper.edges[name][0], edges[name][t]), (seed, name, t)
        assert np.array_equal(stepper.edges[net.readout.name][-1], edges[net.readout.name][-1]), seed
        stepped += net.sample.T > 1
    assert stepped > SEEDS / 4


@needs_compiler
def test_trains_through_loops_are_equal_in_c() -> None:
    for seed in range(30):
        net = random_graph(seed, loops=True, trains=True)
        shown = images(net, seed)
        right = oracle.run(net, shown)
        assert not differences(net, right, *c.traced(net, shown, ["gcc"], "-O0")), seed


@needs_library
@pytest.mark.parametrize("count", [0, 1, 65, 131])
@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_trains_and_threads(count: int, threads: int) -> None:
    for seed in (1, 2, 3, 5):
        net = train(seed)
        shown = images(net, seed, count=count)[:count]
        logits = backend("native", threads=threads).run(net, shown)
        assert np.array_equal(logits, oracle.logits(net, shown))


def test_a_file_is_the_network_that_it_was_saved_of(tmp_path: Path) -> None:
    for seed in range(20):
        net = train(seed)
        save(net, tmp_path / "net")
        back = load(tmp_path / "net")
        assert back.graph == net.graph
        assert np.array_equal(oracle.logits(back, images(net)), oracle.logits(net, images(net)))


# Long trains

DYNAMICS = Dynamics(fraction_bits=8, leak_multiplier=1, leak_shift=0, v_reset=None, v_init=128)


def long(T: int, over: Any = "each") -> FrozenGraph:
    """Signals of four channels through two layers of neurons without a leak, as from electrodes."""
    rng = np.random.default_rng(T)
    tensors = {f"{name}.weight": rng.integers(-7, 8, shape) for name, shape in (("a", (8, 4)), ("b", (5, 8)))}
    for name, channels in (("to_a", 8), ("to_b", 5)):
        tensors |= {f"{name}.multiplier": np.full(channels, 60), f"{name}.offset": rng.integers(-40, 41, channels)}
    nodes = (
        Input(name="signals", inputs=(), edge=Edge(shape=(4,), T=T, lo=-1, hi=1)),
        Linear(name="a", inputs=("signals",), out_channels=8, weight_bits=4),
        Affine(name="to_a", inputs=("a",), fraction_bits=8),
        Fire(name="fire_a", inputs=("to_a",), T=T, lo=0, hi=1, dynamics=DYNAMICS),
        Linear(name="b", inputs=("fire_a",), out_channels=5, weight_bits=4),
        Affine(name="to_b", inputs=("b",), fraction_bits=8),
        Fire(name="fire_b", inputs=("to_b",), T=T, lo=-2, hi=2, dynamics=DYNAMICS),
        Readout(name="answer", inputs=("fire_b",), over=over),
    )
    return FrozenGraph(Graph("long", nodes), tensors)


@needs_library
@needs_compiler
@pytest.mark.parametrize("over", ["sum", "last", "each"])
def test_trains_of_1301_steps_are_equal(over: str) -> None:
    net = long(1301, over)
    shown = images(net, count=3)
    assert np.ptp(oracle.logits(net, shown)) > 0
    for name in ("native", "c"):
        assert not found(backend(name), net, shown), name


def test_onnx_refuses_what_it_would_have_to_write_out() -> None:
    pytest.importorskip("onnx")
    with pytest.raises(UserError, match=r"^onnx: got '4096 steps, above 65,536 ops'; each is written out"):
        to_onnx(long(4096))


# What is no train of the network


@pytest.mark.parametrize("name", ["oracle", "c", "onnx", "native"])
@pytest.mark.parametrize(
    ("codes", "says"),
    [
        (np.full((2, 6, 4), 3, dtype=np.uint8), r"images: got 'code 3'; want codes 0..2 of the levels -1..1"),
        (np.zeros((2, 5, 4), dtype=np.uint8), r"images: got \('uint8', \(2, 5, 4\)\); want uint8 \[N, \(6, 4\)\]"),
        (np.zeros((6, 4), dtype=np.uint8), r"images: .*want uint8"),
        (np.zeros((2, 6, 4), dtype=np.int8), r"images: got \('int8'"),
    ],
)
def test_codes_beyond_the_levels_and_other_shapes_are_refused(name: str, codes: Any, says: str) -> None:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match=f"^{says}"):
        backend(name).run(long(6), codes)


@needs_compiler
def test_the_program_refuses_a_code_beyond_the_levels(tmp_path: Path) -> None:
    program = c.to_c(long(6))
    for file, text in program.files.items():
        (tmp_path / file).write_text(text)
    sources = [str(tmp_path / file) for file in program.files if file.endswith(".c")]
    subprocess.run(["gcc", *build.STRICT, "-O1", *sources, "-o", str(tmp_path / "program")], check=True)
    shown = images(long(6), count=1)
    lines = subprocess.run([tmp_path / "program"], input=shown.tobytes(), capture_output=True, check=True).stdout
    rows = oracle.logits(long(6), shown).reshape(-1, 5).tolist()
    assert lines.decode().splitlines() == [" ".join(map(str, row)) for row in rows]
    shown[1, 3, 2] = 3
    done = subprocess.run([tmp_path / "program"], input=shown.tobytes(), capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (2, "image 1: got code 3; want 0..2\n")


# The comparison finds errors


@needs_compiler
@pytest.mark.parametrize("part", ["input", "readout"])
def test_a_wrong_step_in_c_is_found(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = long(6, "last" if part == "readout" else "sum")
    kind = Levels if part == "input" else Answer
    right = kind.layer

    def wrong(self: Any, code: Any, root: Any) -> None:
        before = len(code.text.lines)
        right(self, code, root)
        swap = (
            ("image[t *", "image[(5 - t) *") if part == "input" else ("    answer = network", "    answer += network")
        )
        code.text.lines[before:] = [line.replace(*swap) for line in code.text.lines[before:]]

    shown = images(net)
    assert not found(backend("c"), net, shown)
    monkeypatch.setattr(kind, "layer", wrong)
    assert found(backend("c"), net, shown)


@needs_library
@pytest.mark.parametrize("part", ["weight", "multiplier", "over"])
def test_a_wrong_number_is_found(part: str) -> None:
    net = long(6, "last")
    shown = images(net)
    if part == "over":
        changed = replace(net.readout, over="sum")
        other = FrozenGraph(Graph("long", (*net.graph.nodes[:-1], changed)), net.tensors)
    else:
        name = next(name for name in net.tensors if name.endswith(part))
        other = FrozenGraph(net.graph, {**net.tensors, name: -net.tensors[name].astype(np.int64)})
    assert not found(backend("native"), net, shown)
    assert found(backend("native"), other, shown, wanted=net)


def test_a_wrong_step_in_onnx_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    net = long(6)
    shown = images(net)
    assert not found(backend("onnx"), net, shown)
    right = ops.Model.op

    def wrong(self: Any, kind: str, *inputs: str, **options: Any) -> str:
        return right(self, kind, *(inputs[::-1] if kind == "Concat" else inputs), **options)

    monkeypatch.setattr(ops.Model, "op", wrong)
    assert found(backend("onnx"), net, shown)
