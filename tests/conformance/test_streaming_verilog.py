"""A pipeline in Verilog is the oracle, stage by stage, and takes the cycles that are printed.

Random networks of several widths, with gaps in what comes in and pauses in what goes out, and without them: then every
sample begins and ends in the very cycle that the schedule says. Shortcuts go through buffers that are as small as they
can be, and one place smaller, which blocks.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hardware import HOSTILE, renamed, text_of
from packaged import packaged
from random_graphs import differences, family, images, random_graph

from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.backends.verilog import SIMULATORS, Pipeline, Simulated, simulated, to_pipeline
from bitspike.ir import Add, Affine, Conv, Dynamics, Edge, Fire, FrozenGraph, Graph, Input, Linear, Readout, Reshape
from bitspike.neurons import neuron_settings

OPTIONS: tuple[dict[str, int], ...] = ({}, {"pes": 1}, {"pes": 3}, {"luts": 10**9}, {"cycles": 10**4}, {"luts": 20_000})
SEEDS, SEEDS_A_TEST = 12, 6


def drawn(seed: int) -> tuple[FrozenGraph, Pipeline]:
    """A random network that has stages, some wide, some narrow, of parallel and of serial elements."""
    for other in range(seed, seed + 100_000, 1000):
        net = random_graph(other)
        try:
            return net, to_pipeline(net, "network", ("parallel", "serial")[seed // 2 % 2], **OPTIONS[seed % 6])
        except UserError:
            continue
    raise AssertionError(seed)


def installed(tool: str) -> str:
    if shutil.which(SIMULATORS[tool]) is None:
        pytest.skip(f"no {SIMULATORS[tool]}")
    return tool


def found(net: FrozenGraph, seen: Simulated, shown: np.ndarray) -> dict[str, int]:
    """Values that differ from the oracle; neurons that nobody reads are no part of the hardware."""
    wanted = oracle.run(net, shown)
    read = {net.graph.nodes[-1].name}
    for node in reversed(net.graph.nodes):
        read.update(node.inputs if node.name in read else ())
    unread = {node.name: wanted[node.name] for node in net.graph.neurons() if node.name not in read}
    return differences(net, wanted, seen.logits, {**unread, **seen.edges})


def check(net: FrozenGraph, made: Pipeline, shown: np.ndarray, tool: str, seed: int) -> None:
    """Equal without a pause, in the cycles of the schedule; and equal with gaps and pauses."""
    seen = simulated(made, shown, tool, trace=True)
    assert not found(net, seen, shown)
    wanted = np.array(made.schedule(len(shown)))
    assert np.array_equal(seen.cycles, wanted[:, 1] - wanted[:, 0] + 1)
    assert np.array_equal(np.diff(seen.ends), np.diff(wanted[:, 1]))
    assert seen.cycles[0] == made.latency
    assert not found(net, simulated(made, shown, tool, seed=seed + 1, trace=True), shown)


def check_random_networks(seeds: range, tool: str) -> None:
    for seed in seeds:
        net, made = drawn(seed)
        check(net, made, images(net, seed, 1), tool, seed)


@pytest.mark.hdl
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_random_networks_are_equal_and_as_fast_as_said(first: int) -> None:
    check_random_networks(range(first, first + SEEDS_A_TEST), installed("icarus"))


@pytest.mark.hdl
def test_verilator_says_the_same() -> None:
    check_random_networks(range(3, 4), installed("verilator"))


@pytest.mark.hdl
@pytest.mark.slow
@pytest.mark.parametrize("tool", SIMULATORS)
@pytest.mark.parametrize("first", range(100, 200, 10))
def test_many_more_random_networks_are_equal(first: int, tool: str) -> None:
    check_random_networks(range(first, first + (10 if tool == "icarus" else 3)), installed(tool))


def test_no_name_of_the_network_reaches_the_text_unescaped() -> None:
    net, _ = drawn(0)  # with shortcuts, whose order is the network's, not that of hashes of names
    plain = text_of(to_pipeline(renamed(net, "plain")))
    for name in HOSTILE:
        code = text_of(to_pipeline(renamed(net, name)))
        assert not any(name in line for line in code)
        assert code == plain


# Trained networks, and families


@pytest.mark.hdl
@pytest.mark.parametrize("options", [{"cycles": 8000}, {"pes": 4, "element": "serial"}])
def test_the_packaged_network_is_equal_and_as_fast_as_said(options: dict[str, Any]) -> None:
    net, shown = packaged()
    made = to_pipeline(net, "tiny", **options)
    check(net, made, shown[:4], installed("verilator"), 1)
    (*_, before), (*_, last) = made.schedule(4)[-2:]
    assert last - before == made.interval


@pytest.mark.hdl
@pytest.mark.parametrize(("name", "bits"), [("convnet", "2/2/2"), ("resnet8-thin", "4/1/3")])
def test_families_are_equal(name: str, bits: str) -> None:
    net = family(name, bits, neuron=neuron_settings(v_reset=None))
    shown = images(net, 1, 1)[:2]
    check(net, to_pipeline(net), shown, installed("icarus"), 1)


# Shortcuts


def residual(side: int = 6) -> FrozenGraph:
    """Two convolutions and a shortcut beside them."""
    rng = np.random.default_rng(0)

    def conv(name: str, of: str) -> Conv:
        return Conv(name=name, inputs=(of,), out_channels=2, kernel_size=(3, 3), padding=(1, 1), weight_bits=3)

    fires = Dynamics(fraction_bits=4, leak_multiplier=1, leak_shift=0, v_reset=None)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(2, side, side), T=1, lo=0, hi=255)),
        Fire(name="first", inputs=("image",), T=2, lo=0, hi=3, dynamics=fires),
        conv("a", "first"),
        Fire(name="second", inputs=("a",), T=2, lo=0, hi=3, dynamics=fires),
        conv("b", "second"),
        Add(name="both", inputs=("b", "first")),
        Fire(name="third", inputs=("both",), T=2, lo=0, hi=3, dynamics=fires),
        Reshape(name="flat", inputs=("third",), shape=(2 * side * side,)),
        Linear(name="end", inputs=("flat",), out_channels=3, weight_bits=4),
        Affine(name="scaled", inputs=("end",), shift=2, fraction_bits=0),
        Readout(name="logits", inputs=("scaled",)),
    )
    tensors = {
        "a.weight": rng.integers(-3, 4, (2, 2, 3, 3)),
        "b.weight": rng.integers(-3, 4, (2, 2, 3, 3)),
        "end.weight": rng.integers(-7, 8, (3, 2 * side * side)),
        "scaled.multiplier": np.array([3, -2, 5]),
        "scaled.offset": np.array([1, 0, -9]),
    }
    return FrozenGraph(Graph("residual", nodes), tensors)


def with_depths(made: Pipeline, least: bool, less: int = 0) -> Pipeline:
    """As small as its buffers can be, the one of the shortcut so many places smaller."""
    from bitspike.backends.verilog.streaming.timing import depths

    small = depths(made.stages)
    shortcut = next(reader for reader in small if reader.beside and reader.stage == 2)
    made = replace(made)
    made.__dict__["depths"] = {**(small if least else made.depths), shortcut: small[shortcut] - less}
    return made


@pytest.mark.hdl
def test_a_shortcut_is_as_long_as_it_must_be_and_no_longer() -> None:
    net, tool = residual(), installed("icarus")
    shown, made = images(net, 0, 1), to_pipeline(net)
    check(net, made, shown, tool, 0)
    check(net, with_depths(made, least=True), shown, tool, 3)
    blocked = with_depths(made, least=True, less=1)
    with pytest.raises(RuntimeError, match="waits for itself"):
        blocked.schedule(1)
    blocked.__dict__.update(interval=5000, latency=5000)
    with pytest.raises(UserError, match="no answer within"):
        simulated(blocked, shown, tool)


# Errors are found


@pytest.mark.hdl
@pytest.mark.parametrize(
    ("text", "planted"),
    [
        ("assign here = written >= need;", "assign here = written >= need - 1;"),
        ("written - freed < COUNT'($signed(DEPTH))", "written - freed < COUNT'($signed(DEPTH + 3))"),
        ("next_at = first;", "next_at = at;"),
        ("parts[f*SUM+:SUM] + more", "parts[f*SUM+:SUM] - more"),
        ("if (last_step) begin\n        step <= '0;", "if (last_step) begin\n        step <= step;"),
    ],
)
def test_a_planted_error_is_found(text: str, planted: str) -> None:
    net, tool = residual(), installed("icarus")
    if text == "next_at = first;":
        net = held_shortcut()
    made, shown = with_depths(to_pipeline(net), True) if text.startswith("w") else to_pipeline(net), images(net, 0, 1)
    assert any(text in file for file in made.files.values())
    made = replace(made)
    made.__dict__["files"] = {name: file.replace(text, planted) for name, file in made.files.items()}
    try:
        seen = simulated(made, shown, tool, trace=True)
    except UserError:
        return
    assert found(net, seen, shown)


def held_shortcut() -> FrozenGraph:
    """A residual network whose shortcut has one step, read at each."""
    net = residual()
    nodes = tuple(replace(node, inputs=("b", "image")) if node.name == "both" else node for node in net.graph.nodes)
    return FrozenGraph(replace(net.graph, nodes=nodes), net.tensors)


@pytest.mark.hdl
def test_a_held_shortcut_is_read_at_every_step() -> None:
    net = held_shortcut()
    check(net, to_pipeline(net), images(net, 0, 1), installed("icarus"), 2)


# Widths


def test_cycles_are_kept_and_more_elements_are_faster() -> None:
    net, _ = packaged()
    before = None
    for cycles in (30_000, 12_000, 8_000):
        made = to_pipeline(net, cycles=cycles)
        assert made.interval <= cycles
        assert before is None or (made.interval <= before.interval and made.luts >= before.luts)
        before = made


def test_luts_are_kept() -> None:
    net, _ = packaged()
    intervals = []
    for luts in (12_000, 15_000, 20_000):
        made = to_pipeline(net, luts=luts)
        assert made.luts <= luts
        intervals.append(made.interval)
    assert intervals == sorted(intervals, reverse=True)


def test_a_line_buffer_is_no_frame() -> None:
    net, _ = packaged()
    made = to_pipeline(net)
    for reader, depth in made.depths.items():
        windows = made.stages[reader.stage].windows
        assert windows is not None
        if made.stages[reader.stage].out.places > 1:
            assert depth <= (windows.kernel[0] + windows.stride[0]) * windows.source.columns + windows.kernel[1]


# Refusals


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cycles": 100}, r"^cycles: got 100; want \d+ at least: features.1 takes as many at its fastest"),
        ({"luts": 100}, r"^luts: got 100; want \d+ at least, by the estimate"),
        ({"luts": 10**5, "cycles": 10**5}, r"^cycles: got 'cycles and luts'; want one of pes, cycles and luts"),
        ({"pes": 0}, r"^pes: got 0; want 1 to 256 elements"),
        ({"cycles": 0}, r"^cycles: got 0; want 1 or more"),
        ({"element": "event"}, r"^element: got 'event'; want parallel or serial"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: dict[str, Any], says: str) -> None:
    net, _ = packaged()
    with pytest.raises(UserError, match=says) as refused:
        backend("verilog", architecture="streaming", **options).export(net, "network")
    assert "\n" not in str(refused.value)


def test_a_wish_for_the_other_architecture_is_refused() -> None:
    net, _ = packaged()
    with pytest.raises(UserError, match=r"^cycles: got 9; it is for the streaming architecture"):
        backend("verilog", cycles=9).export(net, "network")
    with pytest.raises(UserError, match=r"^architecture: got 'systolic'; want shared or streaming"):
        backend("verilog", architecture="systolic").export(net, "network")


def test_trains_and_answers_of_one_step_are_refused_by_name() -> None:
    said = ""
    for seed in range(12):
        net = random_graph(seed, trains=True)
        if net.sample.T > 1 or net.readout.over != "sum":
            with pytest.raises(UserError, match="export with --architecture shared") as refused:
                to_pipeline(net)
            said += str(refused.value)
    assert "has no trains" in said
    assert "adds all steps up" in said


def test_what_has_no_stage_is_refused_by_name() -> None:
    net = residual()
    nodes = list(net.graph.nodes[:7])
    nodes += [Reshape(name="flat", inputs=("third",), shape=(72,)), Readout(name="logits", inputs=("flat",))]
    net = FrozenGraph(replace(net.graph, nodes=tuple(nodes)), {n: t for n, t in net.tensors.items() if n[0] in "ab"})
    with pytest.raises(UserError, match=re.escape("flattens in front of linear layers alone")) as refused:
        to_pipeline(net)
    assert "flat" in str(refused.value)
