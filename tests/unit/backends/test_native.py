"""Parts of the native backend: thresholds, the choice of kernels and its cache, registers, the arena."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import UserError, native
from bitspike.backends import oracle
from bitspike.backends.native import Compiled, Native, choose, structs
from bitspike.backends.native.choose import Chooser, cache_file
from bitspike.backends.native.edges import MOST_BATCH, Life, Stored, place
from bitspike.backends.native.kernels import Layer, kernels
from bitspike.backends.native.plan import plan
from bitspike.backends.native.structs import Kind
from bitspike.backends.native.thresholds import LEAST_FOR_LINE, Steps, _levels, _line, _on, grows
from bitspike.backends.native.turns import Turns, in_turns, turns_of
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    MaxPool,
    Range,
    Readout,
    Reshape,
    Step,
    Store,
)

LEVELS = [one for one in native.Level if one == 0 or (one <= native.detected() < native.Level.neon)]
needs_library = pytest.mark.skipif(structs.library() is None, reason="no C library")


def network(
    dynamics: Dynamics,
    T: int = 1,
    lo: int = 0,
    hi: int = 3,
    shift: int = 0,
    seed: int = 0,
    bits: int | None = None,
    channels: int = 5,
) -> FrozenGraph:
    """Pixels, a convolution, an affine, neurons: twice."""
    draw = np.random.default_rng(seed)
    nodes = (
        Input(name="images", inputs=(), edge=Edge(shape=(2, 6, 5), T=1, lo=-3, hi=252, scale=1.0)),
        Conv(name="a", inputs=("images",), out_channels=channels, weight_bits=3, kernel_size=(3, 3), padding=(1, 1)),
        Affine(name="b", inputs=("a",), fraction_bits=8, shift=shift),
        Fire(name="c", inputs=("b",), T=T, lo=lo, hi=hi, membrane_bits=bits, dynamics=dynamics),
        Conv(name="d", inputs=("c",), out_channels=4, weight_bits=2, kernel_size=(3, 2), stride=(2, 1)),
        Affine(name="e", inputs=("d",), fraction_bits=8),
        Fire(name="f", inputs=("e",), T=T, lo=lo, hi=hi, membrane_bits=bits, dynamics=dynamics),
        Reshape(name="flat", inputs=("f",), shape=(32,)),
        Readout(name="logits", inputs=("flat",)),
    )
    tensors = {
        "a.weight": draw.integers(-3, 4, (channels, 2, 3, 3)),
        "b.multiplier": draw.integers(-60, 61, channels) * (1 << shift),
        "b.offset": draw.integers(-4000, 4001, channels),
        "d.weight": draw.integers(-1, 2, (4, channels, 3, 2)),
        "e.multiplier": draw.integers(-300, 301, 4),
        "e.offset": draw.integers(-400, 401, 4),
    }
    return FrozenGraph(Graph("small", nodes), tensors)


PLAIN = Dynamics(fraction_bits=8, leak_multiplier=1, leak_shift=1, v_reset=0)


def shown(net: FrozenGraph, count: int = 7) -> np.ndarray:
    shape = net.graph.edges[net.graph.nodes[0].name].shape
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


# Thresholds


@settings(max_examples=30, deadline=None)
@given(
    lo=st.integers(-4, 2),
    levels=st.integers(0, 15),
    rounds=st.booleans(),
    v_init=st.integers(-500, 500),
    shift=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_thresholds_say_what_the_ops_say_of_every_sum(
    lo: int, levels: int, rounds: bool, v_init: int, shift: int, seed: int
) -> None:
    dynamics = replace(PLAIN, rounds=rounds, v_init=v_init)
    net = network(dynamics, lo=lo, hi=lo + levels, shift=shift, seed=seed)
    chain = [net.graph["b"], net.graph["c"]]
    found = Steps.of(net, chain, "a")
    assert found is not None
    sums = np.arange(net.ranges["a"].lo, net.ranges["a"].hi + 1)[:, None].repeat(5, axis=1)
    counted = ((sums ^ found.turned)[:, None] >= found.thresholds).sum(1) + found.lo
    assert np.array_equal(counted, _levels(net, chain, {"a": sums}, {}))
    if found.line is not None:
        assert levels >= LEAST_FOR_LINE
        assert np.array_equal(_on(found.line, sums, levels) + lo, counted)


def past(lo: int, beside: int, turned: bool, affines: tuple[bool, bool], seed: int) -> FrozenGraph:
    """Neurons of two levels, whose levels go past a convolution and are added to what it makes; then the same of two
    neurons with others."""
    draw = np.random.default_rng(seed)
    own, other = affines
    nodes = [
        Input(name="images", inputs=(), edge=Edge(shape=(2, 6, 5), T=1, lo=-3, hi=252, scale=1.0)),
        Conv(name="a", inputs=("images",), out_channels=5, weight_bits=3, kernel_size=(3, 3), padding=(1, 1)),
        Affine(name="b", inputs=("a",), fraction_bits=8),
        Fire(name="c", inputs=("b",), T=1, lo=beside, hi=beside + 1, dynamics=PLAIN),
        Conv(name="d", inputs=("c",), out_channels=5, weight_bits=2, kernel_size=(3, 3), padding=(1, 1)),
        *([Affine(name="e", inputs=("d",), fraction_bits=8)] if own else []),
        *([Affine(name="g", inputs=("c",), fraction_bits=8)] if other else []),
        Add(name="h", inputs=(("g" if other else "c"), ("e" if own else "d"))),
        Affine(name="i", inputs=("h",), fraction_bits=8, shift=3),
        Fire(name="j", inputs=("i",), T=1, lo=lo, hi=lo + 1, dynamics=PLAIN),
        Reshape(name="flat", inputs=("j",), shape=(150,)),
        Readout(name="logits", inputs=("flat",)),
    ]
    tensors = {
        "a.weight": draw.integers(-3, 4, (5, 2, 3, 3)),
        "b.multiplier": draw.integers(-60, 61, 5),
        "b.offset": draw.integers(-4000, 4001, 5),
        "d.weight": draw.integers(-1, 2, (5, 5, 3, 3)),
        **({"e.multiplier": draw.integers(-300, 301, 5), "e.offset": draw.integers(-400, 401, 5)} if own else {}),
        **({"g.multiplier": draw.integers(-900, 901, 5), "g.offset": draw.integers(-400, 401, 5)} if other else {}),
        "i.multiplier": draw.integers(-20, 1 if turned else 21, 5),
        "i.offset": draw.integers(-400, 401, 5),
    }
    return FrozenGraph(Graph("past", tuple(nodes)), tensors)


@settings(max_examples=40, deadline=None)
@given(
    lo=st.integers(-2, 2),
    beside=st.integers(-2, 2),
    turned=st.booleans(),
    affines=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 99),
)
def test_a_spike_that_goes_past_a_layer_moves_its_threshold(
    lo: int, beside: int, turned: bool, affines: tuple[bool, bool], seed: int
) -> None:
    net = past(lo, beside, turned, affines, seed)
    chain = [node for node in net.graph.nodes if node.name in "eghij"]
    found = Steps.of(net, chain, "d", "c")
    assert found is not None
    assert found.beside is not None
    sums = np.arange(net.ranges["d"].lo, net.ranges["d"].hi + 1)[:, None].repeat(5, axis=1)
    for level in (beside, beside + 1):
        moved = sums + found.beside.slope * level + found.beside.offset
        counted = ((moved ^ found.turned)[:, None] >= found.thresholds).sum(1) + lo
        assert np.array_equal(counted, _levels(net, chain, {"d": sums}, {"c": level}))
    if structs.library() is not None:
        for at in LEVELS:
            codes = plan(net, at).codes
            assert any(made.kind == Kind.BESIDE for code in codes for made in code.made)
        assert np.array_equal(Compiled(net, 1)(shown(net))[0], oracle.logits(net, shown(net)))


def test_a_spike_beside_that_is_wrong_by_one_is_found() -> None:
    net = past(0, 0, False, (True, True), 0)
    chain = [node for node in net.graph.nodes if node.name in "eghij"]
    found = Steps.of(net, chain, "d", "c")
    assert found is not None
    assert found.beside is not None
    sums = np.arange(net.ranges["d"].lo, net.ranges["d"].hi + 1)[:, None].repeat(5, axis=1)
    moved = sums + found.beside.slope + 1 + found.beside.offset
    counted = ((moved ^ found.turned)[:, None] >= found.thresholds).sum(1)
    assert (counted != _levels(net, chain, {"d": sums}, {"c": 1})).any()


def past_of_three(lo: int, affines: tuple[bool, bool], seed: int, shift: int = 0) -> FrozenGraph:
    """`past` with three levels from ``lo`` on that go past, through an affine that shifts where they have one."""
    net = past(0, lo, False, affines, seed)
    wide = {"c": replace(net.graph["c"], hi=lo + 2)}
    if affines[1]:
        wide["g"] = replace(net.graph["g"], shift=shift)
    nodes = tuple(wide.get(node.name, node) for node in net.graph.nodes)
    return FrozenGraph(Graph("three", nodes), net.tensors)


def test_more_than_two_levels_beside_move_no_threshold() -> None:
    three = past_of_three(0, (True, True), 0)
    assert Steps.of(three, [node for node in three.graph.nodes if node.name in "eghij"], "d", "c") is None


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=30, deadline=None)
@given(lo=st.integers(-2, 2), own=st.booleans(), shift=st.integers(0, 12), seed=st.integers(0, 99))
def test_levels_past_a_layer_are_multiplied_and_added_at_once(
    level: native.Level, lo: int, own: bool, shift: int, seed: int
) -> None:
    net = past_of_three(lo, (own, True), seed, shift)
    kinds = [made.kind for code in plan(net, level).codes for made in code.made]
    assert Kind.BESIDE in kinds
    assert Kind.ADD not in kinds
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.VARIABLE, level.name)
        found = Compiled(net, 1)(shown(net))[0]
    assert np.array_equal(found, oracle.logits(net, shown(net)))


@needs_library
@pytest.mark.parametrize("level", LEVELS)
def test_what_is_added_to_itself_is_no_spike_beside(level: native.Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, level.name)
    net = past(0, 0, False, (False, False), 3)
    nodes = tuple(replace(node, inputs=("c", "c")) if node.name == "h" else node for node in net.graph.nodes)
    kept = tuple(node for node in nodes if node.name != "d")
    twice = FrozenGraph(Graph("twice", kept), {n: t for n, t in net.tensors.items() if n != "d.weight"})
    assert np.array_equal(Compiled(twice, 1)(shown(twice))[0], oracle.logits(twice, shown(twice)))
    for each in (net, past(-1, 1, True, (True, False), 4)):
        assert np.array_equal(Compiled(each, 1)(shown(each))[0], oracle.logits(each, shown(each)))


@pytest.mark.parametrize("shift", [0, 3])
def test_levels_of_many_thresholds_lie_on_a_line_that_no_ulp_may_leave(shift: int) -> None:
    net = network(PLAIN, hi=15, shift=shift)
    found = Steps.of(net, [net.graph["b"], net.graph["c"]], "a")
    assert found is not None
    assert found.line is not None
    sums = np.arange(net.ranges["a"].lo, net.ranges["a"].hi + 1)[:, None].repeat(5, axis=1)
    wanted = _on(found.line, sums, 15)
    slope, offset = found.line
    assert (_on((slope, offset + abs(slope)), sums, 15) != wanted).any()


def test_levels_on_no_line_have_thresholds_alone() -> None:
    thresholds, turned = np.array([[0, 9], [1, 10], [2, 11], [90, 12]]), np.array([0, 0])
    assert _line(thresholds, turned, Range(-100, 100)) is None
    assert _line(thresholds[:, 1:], turned[1:], Range(-100, 100)) is not None
    far = np.array([[2**30], [2**30 + 1], [2**30 + 2], [2**30 + 3]])  # closer than floats are there
    assert _line(far, turned[1:], Range(-(2**30), 2**31 - 2)) is None


def test_a_threshold_beside_the_right_one_is_found() -> None:
    net = network(PLAIN)
    chain = [net.graph["b"], net.graph["c"]]
    found = Steps.of(net, chain, "a")
    assert found is not None
    sums = np.arange(net.ranges["a"].lo, net.ranges["a"].hi + 1)[:, None].repeat(5, axis=1)
    counted = ((sums ^ found.turned)[:, None] >= found.thresholds + 1).sum(1) + found.lo
    assert (counted != _levels(net, chain, {"a": sums}, {})).any()


def test_only_what_grows_with_the_current_has_thresholds() -> None:
    def falls(step: Step) -> Any:
        return (step.x * -1).clip(0, 3)

    def bends(step: Step) -> Any:
        return (step.x * step.x >> 4).clip(0, 3)

    def wraps(step: Step) -> Any:
        return step.x.clip(0, 3).select(0, 3)

    def grown(step: Step) -> Any:
        return ((step.x + step.x * 3 - 5 >> 2) + step.v).clip(0, 3)

    for write, wanted in ((falls, False), (bends, False), (wraps, False), (grown, True)):
        step = Step(v=7)
        level = step.named("level", write(step))
        assert grows(step.ends(level, ("level",), v=0)) == wanted


# Instructions


@needs_library
def test_levels_of_one_step_are_stored_as_they_are_found() -> None:
    made = [made.kind for code in plan(network(PLAIN), native.level()).codes for made in code.made]
    assert Kind.CODES in made
    assert Kind.PRODUCT not in made
    assert Kind.CLIP not in made


@needs_library
@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({}, True),
        ({"v_reset": None}, True),
        ({"rounds": True}, True),
        ({"leak_shift": 3, "leak_multiplier": 5}, True),
        ({"tracer": 3}, False),
        ({"store": Store(multiplier=3, shift=4, step=5, step_shift=0)}, False),
    ],
)
def test_the_commonest_step_is_one_instruction(change: dict[str, Any], whole: bool) -> None:
    net = network(replace(PLAIN, **change), T=3, bits=4 if "store" in change else None)
    made = [made.kind for code in plan(net, native.level()).codes for made in code.made]
    assert (Kind.FIRE_CODES in made) == whole
    assert (Kind.CLIP in made) != whole
    assert np.array_equal(Compiled(net, 1)(shown(net))[0], oracle.logits(net, shown(net)))


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([1, 4, 5, 15, 16, 17, 31, 33, 64, 70]),
    T=st.integers(2, 5),
    lo=st.integers(-2, 0),
    levels=st.integers(1, 4),
    v_reset=st.sampled_from([None, 0, -300, 77]),
    rounds=st.booleans(),
    leak=st.sampled_from([(1, 0), (1, 1), (5, 3)]),
    fraction_bits=st.sampled_from([0, 8, 20, 29]),
    shift=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_steps_whose_codes_are_stored_at_once_are_the_oracles(
    level: native.Level,
    channels: int,
    T: int,
    lo: int,
    levels: int,
    v_reset: int | None,
    rounds: bool,
    leak: tuple[int, int],
    fraction_bits: int,
    shift: int,
    seed: int,
) -> None:
    multiplier, leak_shift = leak
    dynamics = Dynamics(
        fraction_bits=fraction_bits, leak_multiplier=multiplier, leak_shift=leak_shift, v_reset=v_reset, rounds=rounds
    )
    net = network(dynamics, T, lo, lo + levels, shift, seed, channels=channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.VARIABLE, level.name)
        assert np.array_equal(Compiled(net, 1)(shown(net))[0], oracle.logits(net, shown(net)))


@needs_library
@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
@pytest.mark.parametrize("lo", [-2, 0, 3])
def test_the_largest_of_bytes_is_stored_at_once(lo: int, padding: tuple[int, int]) -> None:
    net = network(PLAIN, lo=lo, hi=lo + 3)
    pool = MaxPool(name="p", inputs=("c",), kernel_size=(3, 2), stride=(1, 1), padding=padding)
    conv = Conv(name="q", inputs=("p",), out_channels=2, weight_bits=2, kernel_size=(1, 1), padding=(1, 0))
    head = (*net.graph.nodes[:4], pool, conv)
    flat = Reshape(name="flat", inputs=("q",), shape=(Graph("head", head).edges["q"].size,))
    nodes = (*head, flat, Readout(name="logits", inputs=("flat",)))
    weights = {"q.weight": np.random.default_rng(2).integers(-1, 2, (2, 5, 1, 1))}
    kept = {name: values for name, values in net.tensors.items() if name[0] in "ab"}
    pooled = FrozenGraph(Graph("pooled", nodes), kept | weights)
    made = [made.kind for code in plan(pooled, native.level()).codes for made in code.made]
    assert Kind.MAX_CODES in made
    assert np.array_equal(Compiled(pooled, 1)(shown(pooled))[0], oracle.logits(pooled, shown(pooled)))


@needs_library
@pytest.mark.parametrize("T", [1, 3])
def test_a_shortcut_is_computed_where_it_is_added(T: int) -> None:
    """What lies between its stages are bytes, and no current."""
    net = network(PLAIN, T=T)
    nodes = (
        *net.graph.nodes[:4],
        Affine(name="shortcut", inputs=("c",), fraction_bits=8),
        Conv(name="d", inputs=("c",), out_channels=5, weight_bits=2, kernel_size=(3, 3), padding=(1, 1)),
        Affine(name="e", inputs=("d",), fraction_bits=8),
        Add(name="sum", inputs=("e", "shortcut")),
        Fire(name="f", inputs=("sum",), T=T, lo=0, hi=3, membrane_bits=None, dynamics=PLAIN),
        Reshape(name="flat", inputs=("f",), shape=(150,)),
        Readout(name="logits", inputs=("flat",)),
    )
    draw = np.random.default_rng(3)
    tensors = {name: values for name, values in net.tensors.items() if name[0] in "ab"}
    tensors["d.weight"] = draw.integers(-1, 2, (5, 5, 3, 3))
    for name in ("shortcut", "e"):
        tensors |= {f"{name}.multiplier": draw.integers(1, 99, 5), f"{name}.offset": draw.integers(-99, 100, 5)}
    residual = FrozenGraph(Graph("residual", nodes), tensors)
    assert "shortcut" not in {edge.name for edge in plan(residual, native.level()).stored}
    assert np.array_equal(Compiled(residual, 1)(shown(residual))[0], oracle.logits(residual, shown(residual)))


@needs_library
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("v_reset", [None, 0, 17])
def test_small_networks_are_the_oracles(T: int, v_reset: int | None) -> None:
    for seed in range(5):
        net = network(replace(PLAIN, v_reset=v_reset), T=T, seed=seed)
        images = shown(net)
        assert np.array_equal(Compiled(net, 1)(images)[0], oracle.logits(net, images))


@needs_library
def test_a_compiled_network_runs_again_and_again() -> None:
    net = network(PLAIN, T=3)
    compiled, images = Compiled(net, 2), shown(net, 200)
    wanted = oracle.logits(net, images)
    for count in (200, 1, 0, 17, 200):
        assert np.array_equal(compiled(images[:count])[0], wanted[:count])
    (logits,), seconds = compiled.timed(images)
    assert np.array_equal(logits, wanted)
    assert (seconds > 0).all()


@needs_library
def test_a_compiled_network_that_nobody_has_is_freed() -> None:
    net = network(PLAIN)
    compiled = Compiled(net, 2)
    compiled(shown(net))
    gone = weakref.ref(compiled)
    del compiled
    gc.collect()
    assert gone() is None


@needs_library
def test_a_forked_process_has_threads_of_its_own() -> None:
    net = network(PLAIN)
    compiled, images = Compiled(net, 3), shown(net, 300)
    wanted = compiled(images)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(compiled(images), wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(compiled(images), wanted)


@needs_library
def test_a_process_that_was_forked_while_a_thread_ran_the_network_runs_it_too() -> None:
    net = network(PLAIN, T=4)
    run, images = Compiled(net, 2), shown(net, 4000)
    wanted, over = oracle.logits(net, images[:5]), threading.Event()

    def busy() -> None:
        while not over.is_set():
            run(images)

    other = threading.Thread(target=busy)
    other.start()
    try:
        for _ in range(10):
            time.sleep(0.01)
            child = os.fork()
            if not child:
                signal.alarm(20)  # ends a child that waits for a thread it has not got
                os._exit(0 if np.array_equal(run(images[:5])[0], wanted) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        over.set()
        other.join()


@needs_library
@pytest.mark.parametrize("copied_by", [copy.copy, copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])
def test_a_copy_outlives_what_it_was_copied_of(copied_by: Callable[[Compiled], Compiled]) -> None:
    net = network(PLAIN)
    run = Compiled(net, 1)
    copied = copied_by(run)
    assert copied._runtime != run._runtime
    del run
    gc.collect()
    assert np.array_equal(copied(shown(net))[0], oracle.logits(net, shown(net)))


@pytest.mark.parametrize("threads", [2.5, "2", True, 0])
def test_threads_that_are_no_whole_number_are_refused(threads: Any) -> None:
    with pytest.raises(UserError, match=r"^threads"):
        Native(threads)


def test_without_a_home_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    chooser = Chooser(native.level())
    chooser.news = {"a": "b"}
    chooser.remember()
    assert not list(tmp_path.iterdir())


@needs_library
def test_calls_from_several_threads_take_turns() -> None:
    net = network(PLAIN, T=2)
    compiled, images = Compiled(net, 2), shown(net, 90)
    wanted = oracle.logits(net, images)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: compiled(images[i:])[0], range(40)))
    assert all(np.array_equal(answer, wanted[i:]) for i, answer in enumerate(answers))


# The choice and its cache


@needs_library
def test_many_images_have_kernels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    fastest = choose.fastest
    monkeypatch.setattr(choose, "fastest", lambda *given: asked.append(given[-1]) or fastest(*given))
    compiled = Compiled(network(PLAIN), 1)
    assert compiled.of(1) is compiled.of(7) is compiled
    assert set(asked) == {choose.ONE}
    many = compiled.of(8)
    assert many is compiled.of(100) is many.of(1) is not compiled
    assert set(asked) == {choose.ONE, choose.MANY}


@needs_library
def test_a_choice_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    fastest = choose.fastest
    monkeypatch.setattr(choose, "fastest", lambda *given: measured.append(1) or fastest(*given))
    monkeypatch.setattr(choose, "tiles_are_whole", lambda: True)
    net = network(PLAIN)
    Compiled(net, 1)
    first = len(measured)
    assert first == 2
    assert len(json.loads(cache_file().read_text())) == 2
    Compiled(net, 1)
    assert len(measured) == first


@needs_library
def test_a_choice_made_beside_others_is_made_again_once_tiles_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    fastest = choose.fastest
    monkeypatch.setattr(choose, "fastest", lambda *given: measured.append(fastest(*given)) or measured[-1])
    monkeypatch.setattr(choose, "_of_tiles", lambda _: True)
    weight = np.random.default_rng(0).integers(-1, 2, (20, 9, 24)).astype(np.int8)
    layer = Layer(weight, np.arange(20, dtype=np.int32), np.arange(9, dtype=np.int32), 24, 3)
    for whole, times, end in ((False, 1, " shared"), (False, 1, " shared"), (True, 2, ""), (False, 2, "")):
        monkeypatch.setattr(choose, "tiles_are_whole", lambda whole=whole: whole)
        chooser = Chooser(native.level())
        assert chooser.choose([layer], [np.arange(64, dtype=np.int32)]) is not None
        chooser.remember()
        assert len(measured) == times
        assert list(json.loads(cache_file().read_text()).values()) == [measured[-1] + end]


@needs_library
@pytest.mark.parametrize("seen", [(True, False), (False, True), (False, False)])
def test_a_choice_that_another_came_or_went_beside_is_a_shared_one(
    seen: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(seen)
    monkeypatch.setattr(choose, "_of_tiles", lambda _: True)
    monkeypatch.setattr(choose, "tiles_are_whole", lambda: next(looks))
    layer = Layer(np.ones((20, 1, 24), np.int8), np.zeros(20, np.int32), np.zeros(1, np.int32), 24, 3)
    chooser = Chooser(native.level())
    chooser.choose([layer], [np.arange(64, dtype=np.int32)])
    assert all(choice.endswith(" shared") for choice in chooser.news.values())


@needs_library
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_cache_is_measured_again(content: bytes) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(content)
    net = network(PLAIN)
    assert np.array_equal(Compiled(net, 1)(shown(net))[0], oracle.logits(net, shown(net)))
    assert len(json.loads(cache_file().read_text())) >= 2


@needs_library
def test_a_remembered_kernel_that_is_none_is_measured_again() -> None:
    net = network(PLAIN)
    Compiled(net, 1)
    known = json.loads(cache_file().read_text())
    cache_file().write_text(json.dumps(dict.fromkeys(known, "no such kernel:0")))
    Compiled(net, 1)
    assert json.loads(cache_file().read_text()).keys() == known.keys()
    assert "no such kernel:0" not in json.loads(cache_file().read_text()).values()


@needs_library
def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    net = network(PLAIN)
    assert np.array_equal(Compiled(net, 1)(shown(net))[0], oracle.logits(net, shown(net)))


@needs_library
def test_every_kernel_that_takes_a_layer_is_measured_and_exact() -> None:
    draw = np.random.default_rng(0)
    weight = draw.integers(-1, 2, (20, 9, 24)).astype(np.int8)
    layer = Layer(weight, np.arange(20, dtype=np.int32), np.arange(9, dtype=np.int32), 24, 3)
    names = [kernel.contents.name for kernel in kernels(layer, native.level())]
    assert len(set(names)) == len(names) > 0
    chosen = Chooser(native.level()).choose([layer], [np.arange(64, dtype=np.int32)])
    assert chosen is not None
    assert chosen[1].name.encode() in names


# The arena


@settings(max_examples=100)
@given(
    lives=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8), st.integers(0, 4), st.integers(1, 9)), max_size=10),
    batch=st.integers(1, 9),
)
def test_no_two_edges_that_meet_share_memory(lives: list[tuple[int, int, int, int]], batch: int) -> None:
    edges = [
        Life(Stored(str(i), i, 2, (size, 3, 3), Range(0, 1), (1, 0)), makes, makes + more, images)
        for i, (size, makes, more, images) in enumerate(lives)
    ]
    places, arena = place(edges, batch)
    for life in edges:
        start, end = places[life.edge.name], places[life.edge.name] + life.bytes(batch)
        assert 0 <= start <= end <= arena
        for other in edges:
            if other is not life and other.makes <= life.last and life.makes <= other.last:
                there = places[other.edge.name]
                assert there >= end or there + other.bytes(batch) <= start


@settings(max_examples=100)
@given(
    lives=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=10),
    weights=st.lists(st.integers(0, 5000), min_size=7, max_size=7),
    near=st.integers(1, 20_000),
)
def test_turns_are_of_all_stages_and_no_run_of_them_is_better_whole(
    lives: list[tuple[int, int, int]], weights: list[int], near: int
) -> None:
    edges = [
        Life(Stored(str(i), i, 2, (size, 3, 3), Range(0, 1), (1, 0)), makes, makes + more)
        for i, (size, makes, more) in enumerate(lives)
    ]

    def alive(stage: int) -> int:
        return sum(life.bytes(1) for life in edges if life.makes <= stage <= life.last)

    def cost(turns: list[Turns]) -> float:
        ends = [0, *(end for end, _ in turns)]
        moved = sum(3 * life.bytes(1) for at in ends[1:-1] for life in edges if life.makes < at <= life.last)
        runs = zip(ends, turns, strict=False)
        return moved + sum(sum(weights[begin:end]) / images for begin, (end, images) in runs)

    turns = turns_of(edges, weights, near)
    ends = [end for end, _ in turns]
    assert ends == sorted(set(ends))
    assert ends[-1] == len(weights)
    for begin, (end, images) in zip([0, *ends], turns, strict=False):
        assert images == 1 or max(images * alive(stage) for stage in range(begin, end)) <= near
    least = min(min(1 << max((near // max(alive(i), 1)).bit_length() - 1, 0), MOST_BATCH) for i in range(len(weights)))
    assert cost(turns) <= cost([Turns(len(weights), least)])
    for life in edges:
        lived = in_turns(life, turns)
        assert lived.makes <= life.makes <= life.last <= lived.last
