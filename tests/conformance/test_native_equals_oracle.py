"""The native backend is the oracle: every edge and every logit, at every instruction set of this processor."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from packaged import packaged
from random_graphs import FAMILIES, differences, family, images, random_graph

from bitspike import UserError, backends, native
from bitspike.backends import backend, oracle
from bitspike.backends.native import Compiled, choose, plan, structs
from bitspike.backends.native.code import Code
from bitspike.backends.native.structs import Kind
from bitspike.backends.native.turns import Turns, in_turns
from bitspike.ir import FrozenGraph, load, save
from bitspike.neurons import neuron_settings

SEEDS, SEEDS_A_TEST = 300, 50
BITS = ("1/1/2", "2/2/1", "3/2/4", "8/4/3", "4/8/1", "15/1/5")
NEURONS = (neuron_settings(), neuron_settings(v_reset=None), neuron_settings(v_reset=-0.25, tau=2.0))
LEVELS = [level.name for level in native.Level if level <= native.detected() != native.Level.neon] or ["scalar"]

needs_library = pytest.mark.skipif(structs.library() is None, reason="no C library")


def found(net: FrozenGraph, shown: NDArray[np.uint8], wanted: FrozenGraph | None = None) -> dict[str, int]:
    """What the native backend and the oracle differ in: all edges of a trace, and logits without one."""
    edges, last = oracle.run(wanted or net, shown), net.graph.nodes[-1].name
    engine = backend("native")
    traced = differences(net, edges, *engine.trace(net, shown))
    alone = int((engine.run(net, shown) != edges[last][0]).sum())
    return traced | ({"logits alone": alone} if alone else {})


@pytest.fixture(autouse=True)
def any_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Instead of the fastest kernel any that takes the layer, another for each layer; and an empty cache.

    And stages take turns of any length: of one image, of a few, of all; threads divide the least work.
    """
    draw, whole = np.random.default_rng(0), plan._Packer.plan
    monkeypatch.setattr(plan._Packer, "plan", lambda self, near: whole(self, near // int(draw.choice([1, 500, near]))))
    monkeypatch.setattr(plan, "LEAST_WORK", 0)
    monkeypatch.setattr(choose, "fastest", lambda candidates, *_: str(draw.choice(list(candidates))))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(native.VARIABLE, request.param)
    return str(request.param)


def check(seeds: range) -> None:
    for seed in seeds:
        net = random_graph(seed)
        wrong = found(net, images(net, seed))
        assert not wrong, f"random_graph({seed}): {wrong}"


@needs_library
@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_random_networks_are_equal(first: int) -> None:
    check(range(first, first + SEEDS_A_TEST))


@needs_library
@pytest.mark.slow
@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("first", range(1000, 4000, 100))
def test_many_more_random_networks_are_equal(first: int) -> None:
    check(range(first, first + 100))


@needs_library
@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_equal(name: str) -> None:
    for turn, bits in enumerate(BITS):
        net = family(name, bits, seed=turn, neuron=NEURONS[turn % len(NEURONS)])
        assert not found(net, images(net)), bits


@needs_library
@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("bits", [2, 8, 16])
def test_stored_membranes_are_equal(bits: int) -> None:
    net = family("convnet", "2/1/4", seed=bits, neuron=NEURONS[bits % len(NEURONS)], membrane_bits=bits)
    assert not found(net, images(net))


@needs_library
@pytest.mark.usefixtures("level")
def test_a_trained_network_is_equal_on_1000_images() -> None:
    net, shown = packaged()
    assert not found(net, shown)


@needs_library
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 131])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_images_and_threads(count: int, threads: int) -> None:
    for name in ("convnet", "resnet8-thin"):
        net = family(name, "2/2/2")
        shown = np.random.default_rng(count).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
        assert np.array_equal(backend("native", threads=threads).run(net, shown), oracle.logits(net, shown))


# The comparison finds errors


@needs_library
def test_edges_that_do_not_live_as_long_as_their_turns_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "in_turns", lambda life, _: life)
    monkeypatch.setattr(plan, "turns_of", lambda _, weights, __: [Turns(len(weights), 1)])
    net = family("resnet8-thin", "2/2/2")
    assert found(net, images(net))


@needs_library
def test_edges_that_another_takes_the_place_of_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "in_turns", lambda life, turns: replace(in_turns(life, turns), last=life.makes))
    net = family("resnet8-thin", "2/2/2")
    assert found(net, images(net))


@needs_library
@pytest.mark.parametrize("part", ["weight", "multiplier", "offset"])
def test_one_wrong_number_is_found(part: str) -> None:
    net = family("convnet", "2/2/2", seed=1)
    name = next(name for name in net.tensors if name.endswith(part))
    wrong = net.tensors[name].copy()
    wrong.flat[0] = -wrong.flat[0] + (wrong.flat[0] == 0) if part == "weight" else wrong.flat[0] + (1 << 18)
    assert found(FrozenGraph(net.graph, {**net.tensors, name: wrong}), images(net), wanted=net)


@needs_library
@pytest.mark.parametrize(
    ("kind", "change"),
    [(Kind.CLIP, {"y": 1}), (Kind.PLUS, {"x": 3}), (Kind.SHIFT, {"n": -1}), (Kind.LOAD, {"edge": None})],
)
def test_a_wrong_instruction_is_found(kind: Kind, change: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def written(self: Code, write=Code.write) -> None:  # type: ignore[no-untyped-def]
        write(self)
        for i, made in enumerate(self.made):
            if made.kind == kind:
                field, by = next(iter(change.items()))
                other = next(name for name in self.stored) if by is None else getattr(made, field) + by
                self.made[i] = replace(made, **{field: other})

    monkeypatch.setattr(Code, "write", written)
    nets = (family(name, "3/2/3", neuron=NEURONS[1]) for name in ("convnet", "sew-resnet18"))
    graphs = (random_graph(seed) for seed in range(200))  # most sums end in thresholds, and have none of them
    assert any(found(net, images(net)) for net in chain(nets, graphs) if _has(net, kind))


def _has(net: FrozenGraph, kind: Kind) -> bool:
    return any(made.kind == kind for code in plan.plan(net, native.level()).codes for made in code.made)


# Without a library; files; memory


def test_without_a_library_the_oracle_runs_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structs, "library", lambda: None)
    backends._say_once.cache_clear()
    net = random_graph(1)
    shown = images(net)
    with pytest.warns(UserWarning, match="no C library"):
        engine = backend("native")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits, edges = backend("native").trace(net, shown)
    assert np.array_equal(engine.run(net, shown), oracle.logits(net, shown))
    with pytest.raises(UserError, match="want the C library"):
        Compiled(net, 1)
    assert not differences(net, oracle.run(net, shown), logits, edges)


@pytest.mark.parametrize("there", [pytest.param(True, marks=needs_library), False])
def test_the_command_says_in_one_line_that_the_oracle_runs(there: bool, tmp_path: Path) -> None:
    net = replace(family("convnet", "1/1/1", image=(1, 8, 8), num_classes=10), dataset="digits")
    save(net, tmp_path / "net.bitspike")
    missing = "" if there else "from bitspike import native; native.FILE = native.FILE.with_name('none.so'); "
    code = f"import sys; {missing}from bitspike.cli import main; main()"
    said = {}
    for engine in ("oracle", "native"):
        command = [sys.executable, "-c", code, "evaluate", str(tmp_path / "net.bitspike"), "--engine", engine]
        said[engine] = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said["native"].stdout == said["oracle"].stdout
    lines = [] if there else ["bitspike: no C library for this machine: the oracle runs instead, slower and as exact"]
    assert said["native"].stderr.splitlines() == lines
    assert not said["oracle"].stderr


def test_hostile_files_are_refused_before_anything_is_compiled(tmp_path: Path) -> None:
    net = family("convnet", "2/2/1")
    save(net, tmp_path / "net.bitspike")
    content = (tmp_path / "net.bitspike").read_bytes()
    for cut in (b"", content[:100], content[:-1], content.replace(b"conv", b"cnov"), b"\xff" * 64 + content[64:]):
        (tmp_path / "bad.bitspike").write_bytes(cut)
        code = "import sys, bitspike; bitspike.evaluate(sys.argv[1], engine='native')"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "bad.bitspike")], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "UserError" in done.stderr


@needs_library
def test_a_file_runs_as_the_network_that_it_was_saved_of(tmp_path: Path) -> None:
    net = family("resnet8-thin", "2/2/2")
    save(net, tmp_path / "net.bitspike")
    shown = images(net)
    assert np.array_equal(Compiled(load(tmp_path / "net.bitspike"), 1)(shown)[0], oracle.logits(net, shown))


@needs_library
def test_no_two_edges_that_are_needed_at_once_share_memory() -> None:
    for seed in range(50):
        net = random_graph(seed)
        made = plan.plan(net, native.level())
        ends = {}
        for index, edge in enumerate(made.stored):
            there = made.struct.edge[index]
            ends[edge.name] = range(there.place, there.place + edge.bytes(there.images))
        for number, code in enumerate(made.codes):
            written = {n.name for n in code.group.nodes} & ends.keys()
            read = {m.edge for m in code.made if m.edge and m.kind != Kind.STORE}
            live = sorted((ends[name] for name in written | read), key=lambda r: r.start)
            assert all(a.stop <= b.start for a, b in pairwise(live)), (seed, number)
            assert all(r.stop <= made.struct.arena for r in live)


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_that_will_not_do_are_refused(threads: int) -> None:
    with pytest.raises(UserError, match=r"^threads"):
        backend("native", threads=threads)
