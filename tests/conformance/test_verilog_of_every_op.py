"""Trains, answers of steps, signals, products of edges and loops in exported Verilog: all are the oracle's.

And the networks that have them: attention, converted networks, stored membranes, recurrent layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attention import SHAPE, former
from hardware import check_random_networks, drawn, found, installed, planted
from random_graphs import family, features, images
from test_converted_equals_everywhere import converted

from bitspike import UserError
from bitspike.backends import oracle
from bitspike.backends.verilog import ELEMENTS, program, simulated, to_verilog
from bitspike.backends.verilog.plan import Plan, planned
from bitspike.ir import (
    Add,
    Delay,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    MatMul,
    Node,
    Permute,
    Readout,
    Release,
    Reshape,
    SumTime,
)
from bitspike.ir.steps import check_steps
from bitspike.lowering import freeze
from bitspike.neurons import neuron_settings
from bitspike.sample import Sample

SEEDS = 20
KINDS: dict[str, dict[str, bool]] = {"trains": {"trains": True}, "loops": {"loops": True}}
BOTH = {"trains": True, "loops": True}

pytestmark = pytest.mark.hdl


@pytest.mark.parametrize("kind", KINDS)
def test_random_networks_are_equal(kind: str) -> None:
    check_random_networks(range(SEEDS), installed("icarus"), **KINDS[kind])


def test_trains_through_loops_are_equal() -> None:
    check_random_networks(range(SEEDS // 2), installed("icarus"), **BOTH)


def test_the_random_networks_have_what_this_is_about() -> None:
    seen: set[str] = set()
    for kind in ({}, *KINDS.values(), BOTH):
        for seed in range(SEEDS if kind else 50):
            net = drawn(seed, **kind)
            seen |= features(net) | {f"{net.readout.over} of {net.sample.T > 1}", f"{len(net.sample.shape)} axes"}
            seen |= {f"permute of {len(node.axes)}" for node in net.graph.of(Permute)}
    wanted = {"MatMul of two axes", "MatMul of a held edge", "MatMul of signed levels", "Linear of several places"}
    wanted |= {"Permute of a current", "Accumulate of both signs", "Difference of one step", "Release that ends"}
    wanted |= {f"{over} of True" for over in ("sum", "last", "each")} | {f"{axes} axes" for axes in (1, 2, 3)}
    wanted |= {"permute of 2", "permute of 3", "stored membrane, soft reset", "membrane of 2 bits", "Delay"}
    assert not wanted - seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", range(1000, 1200, 20))
def test_many_more_random_networks_are_equal(first: int, kind: str) -> None:
    check_random_networks(range(first, first + 20), installed("icarus"), **KINDS[kind])


def test_verilator_says_the_same() -> None:
    for kind in KINDS.values():
        check_random_networks(range(1, 2), installed("verilator"), **kind)


def test_both_orders_of_steps_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network without loops runs in the order that needs less memory; here in the other."""
    seen: set[bool] = set()

    def other(net: FrozenGraph) -> Plan:
        chosen = planned(net)
        try:
            check_steps(net.graph)
        except UserError:
            return chosen
        seen.add(chosen.stepwise)
        return Plan(net, stepwise=not chosen.stepwise)

    monkeypatch.setattr(program, "planned", other)
    check_random_networks(range(SEEDS // 2), installed("icarus"), trains=True)
    assert seen == {True, False}


def test_gaps_and_pauses_change_nothing_of_a_train_through_a_loop() -> None:
    """Each step is taken when the step before is done, and each answers."""
    net = next(net for seed in range(99) if (net := drawn(seed, **BOTH)).readout.over == "each" and net.sample.T > 1)
    made, tool, shown = to_verilog(net), installed("icarus"), images(net, 1)
    assert made.plan.stepwise
    seen = [simulated(made, shown, tool, seed=seed) for seed in (0, 1, 2)]
    assert all(np.array_equal(one.logits, oracle.logits(net, shown)) for one in seen)
    assert seen[0].logits.shape == (len(shown), net.sample.T, *net.graph.edges[net.readout.name].shape)
    assert len({one.cycles.sum() for one in seen}) == 3


# Networks


def check(net: FrozenGraph, shown: np.ndarray, pes: int = 8, element: str = "parallel") -> None:
    made = to_verilog(net, "network", pes, element)
    tool = "verilator" if sum(made.cycles.values()) * len(shown) > 200_000 else "icarus"  # which compiles faster
    seen = simulated(made, shown, installed(tool), seed=1, trace=True)
    assert not found(net, seen, shown)
    assert len(np.unique(oracle.logits(net, shown))) > 3


IMAGE, LARGE = Sample((3, 8, 8)), Sample((3, 16, 16))
FRAMES, NUMBERS = Sample((2, 16, 16), T=3, lo=0, hi=7), Sample((6,), T=20, lo=-1, hi=1)
WIDTHS = (4, 4, 8, 16)


@pytest.mark.parametrize(
    ("name", "bits", "sample", "channels", "neuron", "element"),
    [
        ("vgg9", "2/2/2", IMAGE, None, {}, "event"),
        ("resnet8-thin", "2/1/3", IMAGE, None, {"kind": "lif"}, "serial"),
        ("spikformer-2-64", "2/2/2", LARGE, WIDTHS, {}, "event"),
        ("pre-spikformer-2-64", "3/2/2", LARGE, WIDTHS, {"kind": "adaptive", "tau": 1.0, "squeeze": True}, "parallel"),
        ("convnet", "2/2/3", FRAMES, None, {}, "event"),
        ("sew-resnet-dvs", "2/1/3", FRAMES, (4, 4), {"kind": "lif"}, "parallel"),
        ("mlp", "4/1/20", NUMBERS, (12, 10), {"kind": "lif"}, "event"),
        ("recurrent", "4/1/20", NUMBERS, (12,), {"kind": "lif"}, "parallel"),
        ("recurrent", "4/2/20", NUMBERS, (12,), {}, "serial"),
    ],
)
def test_families_are_equal(
    name: str, bits: str, sample: Sample, channels: Any, neuron: dict[str, Any], element: str
) -> None:
    net = family(name, bits, image=sample, neuron=neuron_settings(**neuron), channels=channels)
    check(net, images(net, 1, 2)[:2], 4, element)


@pytest.mark.parametrize("element", ELEMENTS)
def test_two_blocks_of_attention_are_equal(element: str) -> None:
    net = freeze(former(element != "serial", 2, bits=2, blocks=2), SHAPE)
    assert len([*net.graph.products()]) == 4
    check(net, images(net, 1, 2), element=element)


@pytest.mark.parametrize(("name", "max_pool"), [("convnet", "spiking"), ("resnet8-thin", "mean")])
def test_converted_networks_are_equal(name: str, max_pool: Any) -> None:
    """ST-BIF neurons take spikes back; what is released ends before the network does."""
    net = converted(name, 4, name != "convnet", 4, max_pool, T=9).net
    assert all(node.steps < 9 for node in net.graph.of(Release))
    shown = images(net, 1, 1)
    assert any((oracle.run(net, shown)[node.name] < 0).any() for node in net.graph.neurons())
    check(net, shown)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_stored_membranes_are_equal(bits: int) -> None:
    """Between two steps a potential is a code of so many bits, whatever the reset (paper 002)."""
    net = family("convnet", "4/2/4", neuron=neuron_settings(v_reset=None), membrane_bits=bits)
    assert {node.membrane_bits for node in net.graph.neurons()} == {bits}
    check(net, images(net, 1, 1), element=ELEMENTS[bits // 4])


# Errors are found


def small(*nodes: Node) -> FrozenGraph:
    """Ops between an input ``x`` of two steps and the sum of all steps of the last."""
    first = Input(name="x", inputs=(), edge=Edge(shape=(2, 3, 4), T=2, lo=-3, hi=4))
    total = SumTime(name="total", inputs=(nodes[-1].name,))
    made = Graph("small", (first, *nodes, total)).edges["total"]
    flat = Reshape(name="flat", inputs=("total",), shape=(made.size,))
    return FrozenGraph(Graph("small", (first, *nodes, total, flat, Readout(name="y", inputs=("flat",)))), {})


def turned(*axes: int) -> Permute:
    return Permute(name="turned", inputs=("x",), axes=axes)


def test_a_delayed_answer_is_refused_by_name() -> None:
    edge = Edge(shape=(3,), T=2, lo=-3, hi=4)
    plain = Dynamics(fraction_bits=3, leak_multiplier=1, leak_shift=0, v_reset=None)
    nodes = (
        Input(name="x", inputs=(), edge=edge),
        Delay(name="before", inputs=(), of="y", edge=edge),
        Add(name="both", inputs=("x", "before")),
        Fire(name="sent", inputs=("both",), T=2, lo=-3, hi=4, dynamics=plain),
        Readout(name="y", inputs=("sent",), over="each"),
    )
    with pytest.raises(UserError, match=r"^delay before: got 'y'; the backend verilog delays what is in memory"):
        to_verilog(FrozenGraph(Graph("answered", nodes), {}))


def small_networks() -> dict[str, FrozenGraph]:
    return {
        "permuted": small(turned(2, 0, 1)),
        "multiplied": small(turned(0, 2, 1), MatMul(name="scores", inputs=("turned", "x"), inner=3)),
        "looped": drawn(3, loops=True),
        "train": next(net for seed in range(99) if (net := drawn(seed, **BOTH)).sample.T > 1 and [*net.graph.delays()]),
    }


@pytest.mark.parametrize("element", ["parallel", "serial"])
def test_planted_errors_are_found(element: str) -> None:
    nets, tool = small_networks(), installed("icarus")
    for name, before, after in (
        ("permuted", ".next_column(l_next_column)", ".next_column('0)"),
        ("permuted", ".next_group(l_next_group)", ".next_group(l_next_row)"),
        ("multiplied", ".next_column(l_second_next_column)", ".next_column('0)"),
        ("multiplied", ".next_step(l_second_next_step)", ".next_step('0)"),
        ("multiplied", "assign take = seen && seen_second", "assign take = seen"),
        ("looped", "assign now = PASSES > 1 ? pass : step", "assign now = step"),
        ("looped", "PASSES > 1 ? fetch_element : fetch_channel", "fetch_channel"),
        ("looped", "PASSES > 1 ? element : EDGE'(channel)", "EDGE'(channel)"),
        ("train", "if (last_pass || LOADS != 0)", "if (last_pass)"),
    ):
        net = nets[name]
        made, shown = to_verilog(net, "network", 2, element), images(net, 1)
        try:
            seen = simulated(planted(made, {before: after}), shown, tool, trace=True)
        except UserError as no:  # an engine that goes on forever, or shows what is undefined
            assert "that is no answer" in str(no), after
        else:
            assert found(net, seen, shown), after
    for name, net in nets.items():
        shown = images(net, 1)
        seen = simulated(to_verilog(net, "network", 2, element), shown, tool, trace=True)
        assert not found(net, seen, shown), name
