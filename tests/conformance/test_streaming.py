"""One step at a time is the same as all steps at once: the oracle's stepper on random networks, with loops too.

What a loop means is found here another way: as the trains that, delayed by a step, are what they were taken to be.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import images, random_graph

from bitspike import UserError
from bitspike.backends import oracle
from bitspike.ir import (
    Affine,
    Delay,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    Readout,
    Reshape,
    Stepper,
    SumTime,
)
from bitspike.ir import SpikingMaxPool as Pool
from bitspike.ir.steps import codes_of_steps

SEEDS = 90


def whole(net: FrozenGraph, shown: NDArray[np.uint8]) -> dict[str, NDArray[np.signedinteger]]:
    """Every edge, all steps at once: what delays send is taken to be 0, then what comes of that, until it stays."""
    edges = net.graph.edges
    trains = {d.name: np.zeros((d.edge.T, len(shown), *d.edge.shape), np.int64) for d in net.graph.delays()}
    while True:
        found: dict[str, NDArray[np.signedinteger]] = {}
        for node in net.graph.nodes:
            read = [found[name] for name in node.inputs]
            found[node.name] = trains[node.name] if node.name in trains else oracle.step(net, node, shown, *read)
        again = {d.name: np.concatenate([0 * found[d.of][:1], found[d.of][:-1]]) for d in net.graph.delays()}
        if all(np.array_equal(again[name], trains[name]) for name in trains):
            assert all(found[name].shape == (edge.T, len(shown), *edge.shape) for name, edge in edges.items())
            return found
        trains = again


def apart(net: FrozenGraph, shown: NDArray[np.uint8], stepper: Stepper | None = None) -> dict[str, int]:
    """Values of each edge that differ between the stepper's steps and all steps at once, those that are 0 left out."""
    wanted, stepper = whole(net, shown), stepper or Stepper(net)
    logits, found = net.graph.nodes[-1], dict.fromkeys(net.graph.edges, 0)
    stepper.reset()
    for t, codes in enumerate(codes_of_steps(net, shown)):
        answer = stepper.step(codes)
        for name, edge in stepper.edges.items():
            if name != logits.name:
                found[name] += int((edge[0] != wanted[name][min(t, len(wanted[name]) - 1)]).sum())
        read = wanted[logits.inputs[0]].astype(np.int64)[: t + 1]
        so_far = read.sum(0) if net.readout.over == "sum" else read[-1]
        found[logits.name] += int((answer != so_far).sum())
    return {name: count for name, count in found.items() if count}


def streams(net: FrozenGraph) -> bool:
    sums = [node for node in net.graph.of(SumTime) if net.graph.input_edge(node).T > 1]
    return not sums and len({edge.T for edge in net.graph.edges.values()} - {1}) < 2


KINDS = [(loops, trains) for loops in (False, True) for trains in (False, True)]
"""Networks without and with loops, of images and of trains."""


@pytest.mark.parametrize(("loops", "trains"), KINDS)
@pytest.mark.parametrize("first", range(0, SEEDS, 30))
def test_random_networks_step_by_step_are_all_steps_at_once(first: int, loops: bool, trains: bool) -> None:
    for seed in range(first, first + 30):
        net = random_graph(seed, loops, trains)
        if streams(net):
            assert not apart(net, images(net, seed)), f"random_graph({seed}, {loops}, {trains})"
        else:
            with pytest.raises(UserError, match="step"):
                Stepper(net)


def test_the_random_loops_say_something() -> None:
    """What neurons in a loop send changes, and without the loop it is something else."""
    nets = [random_graph(seed, loops=True) for seed in range(60)]
    assert all([*net.graph.delays()] for net in nets)
    moved = 0
    for seed, net in enumerate(nets):
        (delay, *_), shown = [*net.graph.delays()], images(net, seed)
        moved += bool(np.ptp(oracle.run(net, shown)[delay.name]))
    assert moved > 40


@pytest.mark.slow
@pytest.mark.parametrize(("loops", "trains"), KINDS)
def test_1000_sequences_step_by_step(loops: bool, trains: bool) -> None:
    seen = 0
    for seed in range(2000, 2400):
        net = random_graph(seed, loops, trains)
        if streams(net):
            shown = images(net, seed, count=5)
            assert not apart(net, shown), f"random_graph({seed}, {loops}, {trains})"
            seen += len(shown)
    assert seen >= 1000


def test_oracle_runs_a_network_with_loops() -> None:
    for seed in range(20):
        net = random_graph(seed, loops=True, trains=bool(seed % 2))
        shown = images(net, seed)
        run, wanted = oracle.run(net, shown), whole(net, shown)
        assert run.keys() == wanted.keys()
        assert all(np.array_equal(run[name], wanted[name]) for name in wanted)
        assert np.array_equal(oracle.logits(net, shown), net.readout.logits(wanted[net.readout.name]))


def chain(*nodes: object, tensors: Mapping[str, NDArray[np.int64]] | None = None) -> FrozenGraph:
    return FrozenGraph(Graph("net", tuple(nodes)), dict(tensors or {}))  # type: ignore[arg-type]


FIRE = Fire(
    name="fire",
    inputs=("flat",),
    T=4,
    lo=0,
    hi=3,
    dynamics=Dynamics(fraction_bits=5, leak_multiplier=1, leak_shift=1, v_reset=None, v_init=7),
)
IMAGE = Input(name="image", inputs=(), edge=Edge(shape=(2, 1, 1), T=1, lo=-128, hi=127))
FLAT = Reshape(name="flat", inputs=("image",), shape=(2,))
LOGITS = Readout(name="logits", inputs=("fire",))


@pytest.mark.parametrize(
    ("kind", "method"),
    [(Fire, "advance"), (Readout, "advance"), (Pool, "advance"), (Affine, "advance"), (Delay, "advance")],
)
def test_a_planted_error_is_found(kind: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that forgets what it carried, or at which step it is."""
    right = getattr(kind, method)
    monkeypatch.setattr(
        kind, method, lambda self, tensors, proven, t, state, *x: right(self, tensors, proven, 0, None, *x)
    )
    wrong = 0
    for seed in range(240):  # some ops are rare
        net = random_graph(seed, loops=True)
        wrong += bool([*net.graph.of(kind)] and apart(net, images(net, seed)))
        if wrong == 3:
            return
    raise AssertionError(f"{wrong} networks are wrong")


def test_a_reset_begins_anew() -> None:
    net = random_graph(3, loops=True)
    shown, stepper = images(net), Stepper(net)
    stepper.step(shown)
    assert not apart(net, shown, stepper)
    assert not apart(net, shown, stepper)


def test_more_steps_than_are_proven_are_refused() -> None:
    stepper, image = Stepper(chain(IMAGE, FLAT, FIRE, LOGITS)), np.zeros((1, 2, 1, 1), np.uint8)
    for _ in range(4):
        stepper.step(image)
    with pytest.raises(UserError, match="step: got 4; the network has 4 steps; reset it"):
        stepper.step(image)
    stepper.reset()
    stepper.step(image)


def test_another_number_of_inputs_is_refused_and_changes_nothing() -> None:
    net = chain(IMAGE, FLAT, FIRE, LOGITS)
    stepper, shown = Stepper(net), images(net)
    stepper.step(shown)
    for wrong in (shown[:2], shown[:, :1], shown.astype(np.int64), None):
        with pytest.raises(UserError):
            stepper.step(wrong)  # type: ignore[arg-type]
    for _ in range(1, 4):
        answer = stepper.step(shown)
    assert stepper.t == 4
    assert np.array_equal(answer, oracle.logits(net, shown))


def test_a_sum_over_time_before_the_end_is_refused_by_name() -> None:
    squeezed = SumTime(name="squeezed", inputs=("fire",))
    net = chain(IMAGE, FLAT, FIRE, squeezed, Readout(name="logits", inputs=("squeezed",)))
    with pytest.raises(UserError, match="sumtime squeezed: got 'the sum over 4 steps'; it waits for the last"):
        Stepper(net)


def test_unequal_steps_are_refused_by_name() -> None:
    other = Fire(name="other", inputs=("flat",), T=3, lo=0, hi=1, dynamics=FIRE.dynamics)
    with pytest.raises(UserError, match="fire other: got '3 steps'; step by step all ops take the same, which is 4"):
        Stepper(chain(IMAGE, FLAT, FIRE, other, LOGITS))


# Delays


def looped(delay: Delay, *more: object) -> Graph:
    weights = Linear(name="back", inputs=("before",), out_channels=2, weight_bits=4)
    fixed = Affine(name="units", inputs=("back",), fraction_bits=5)
    return Graph("net", (IMAGE, FLAT, delay, weights, fixed, *more))  # type: ignore[arg-type]


SENT = Edge(shape=(2,), T=4, lo=0, hi=3)
BACK = Fire(name="fire", inputs=("units",), T=4, lo=0, hi=3, dynamics=FIRE.dynamics)


@pytest.mark.parametrize(
    ("delay", "says"),
    [
        (Delay(name="before", inputs=(), of="none", edge=SENT), "got 'none'; want the name of a later op"),
        (Delay(name="before", inputs=(), of="flat", edge=SENT), "got 'flat'; want the name of a later op"),
        (Delay(name="before", inputs=(), of="before", edge=SENT), "got 'before'; want the name of a later op"),
        (Delay(name="before", inputs=(), of="fire", edge=Edge(shape=(2,), T=4, lo=0, hi=4)), "want the edge of fire"),
        (Delay(name="before", inputs=(), of="fire", edge=Edge(shape=(3,), T=4, lo=0, hi=3)), "want the edge of fire"),
        (Delay(name="before", inputs=(), of="fire", edge=Edge(shape=(2,), T=4)), "want the edge of fire"),
        (Delay(name="before", inputs=("flat",), of="fire", edge=SENT), "wants 0 inputs"),
    ],
)
def test_a_delay_that_is_none_is_refused_when_the_graph_is_made(delay: Delay, says: str) -> None:
    with pytest.raises(UserError, match=says):
        looped(delay, BACK, LOGITS)


def test_a_delay_has_steps_and_the_level_that_comes_first() -> None:
    with pytest.raises(UserError, match="delay before: got 'one step'; want at least 2"):
        Delay(name="before", inputs=(), of="fire", edge=Edge(shape=(2,), T=1, lo=0, hi=3))
    with pytest.raises(UserError, match="want levels with 0"):
        Delay(name="before", inputs=(), of="fire", edge=Edge(shape=(2,), T=4, lo=1, hi=3))


def test_what_a_delay_says_holds_what_is_proven_of_the_op_it_delays() -> None:
    """A current has no levels of its own: the delay says its range, and more than that is refused."""
    tensors = {
        "back.weight": np.array([[7, -7], [3, 4]]),
        "units.multiplier": np.array([3, -5]),
        "units.offset": np.array([11, 2]),
    }
    fire = Fire(name="fire", inputs=("before",), T=4, lo=0, hi=3, dynamics=FIRE.dynamics)
    back = Linear(name="back", inputs=("fire",), out_channels=2, weight_bits=4)
    units = Affine(name="units", inputs=("back",), fraction_bits=5)

    def net(lo: int, hi: int) -> FrozenGraph:
        delay = Delay(name="before", inputs=(), of="units", edge=Edge(shape=(2,), T=4, lo=lo, hi=hi))
        return chain(IMAGE, FLAT, delay, fire, back, units, Readout(name="logits", inputs=("units",)), tensors=tensors)

    proven = net(-1000, 1000).ranges["units"]
    assert not apart(net(*proven), np.zeros((1, 2, 1, 1), np.uint8))
    for lo, hi in ((proven.lo + 1, proven.hi), (proven.lo, proven.hi - 1)):
        with pytest.raises(UserError, match=r"delay before: got .*; want a range that has all of units"):
            net(lo, hi)


def test_a_network_with_a_loop_and_a_sum_in_the_middle_is_refused() -> None:
    delay = Delay(name="before", inputs=(), of="fire", edge=SENT)
    graph = looped(delay, BACK, SumTime(name="sum", inputs=("fire",)), Readout(name="logits", inputs=("sum",)))
    tensors = {"back.weight": np.ones((2, 2), np.int64), "units.multiplier": np.ones(2, np.int64)}
    with pytest.raises(UserError, match="sumtime sum: got 'the sum over 4 steps'"):
        FrozenGraph(graph, {**tensors, "units.offset": np.zeros(2, np.int64)})
