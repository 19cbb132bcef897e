"""Memory footprints, against adding bit after bit, and against a machine that runs the steps and drops what it can."""

from dataclasses import replace
from functools import cache
from math import floor, prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.costs import cost, footprints, memory
from bitspike.errors import UserError
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Edge,
    Fire,
    Graph,
    Input,
    Linear,
    MaxPool,
    Readout,
    Relu,
    Reshape,
    SpikingMaxPool,
    SumPool,
    SumTime,
)
from bitspike.lowering import lower
from bitspike.models import build_model


def graph_of(name, bits, **layers):
    plan = BitPlan(Bits.parse(bits), {layer.replace("_", "."): widths for layer, widths in layers.items()})
    with torch.device("meta"):
        return lower(build_model(name, plan, sample=(3, 32, 32), num_classes=10), (3, 32, 32), name)


# What the counts are compared with


def brute_force(graph, batch):
    """Both counts, number by number: (weights, constants, membranes, buffers) in bytes."""
    weights = norms = biases = carried = pools = 0
    layers = {}
    for node in graph.nodes:
        shape = graph.edges[node.name].shape
        if isinstance(node, Conv | Linear):
            source = graph.edges[node.inputs[0]].shape
            taps = source[0] // node.groups * prod(node.kernel_size) if isinstance(node, Conv) else source[0]
            for _ in range(node.out_channels):
                weights += taps * (32 if node.weight_bits == 16 else node.weight_bits)
                biases += 32 if node.bias else 0
        if isinstance(node, Affine):
            norms += sum(32 + 32 for _ in range(shape[0]))
        if isinstance(node, SpikingMaxPool) and (source := graph.edges[node.inputs[0]]).T > 1:
            so_far = [] if source.lo is None else [source.lo * t for t in range(1, source.T + 1)]
            so_far += [] if source.hi is None else [source.hi * t for t in range(1, source.T + 1)]
            width = next(b for b in range(1, 99) if 2**b > max(so_far) - min(so_far)) if so_far else 32
            pools += -(-prod(source.shape) * width // 8)
        if isinstance(node, Fire):
            width = 32 if node.membrane_bits is None else node.membrane_bits
            layers[node.name] = (prod(shape), prod(shape) * width)
            carried += prod(shape) * width if node.T > 1 else 0
    largest = max(layers.values(), default=(0, 0))[1]
    exact = (weights / 8, (norms + biases) / 8, batch * (carried / 8 + pools), batch * most_in_memory(graph))
    return {"exact": exact, "paper-002": (weights / 8, norms / 8, batch * largest / 8, 0)}


def most_in_memory(graph):
    """Runs the steps of one image, op by op, and drops each edge of levels as soon as nothing will read it.

    A loop over steps runs what needs no sum of that loop; then the rest begins again. A sum is one edge that each step
    reads and writes. What is read when its loop is over has memory of its own, for all steps, while the loop runs.
    """

    @cache
    def loops(name):
        """Loops over steps that must be over before the op can run, and whether it is in a loop itself."""
        known = []  # of each source: loops that must be over before it is read, and whether the next one reads it
        for source in graph[name].inputs:
            over, again = loops(source)
            known.append((over + again, False) if isinstance(graph[source], SumTime) else (over, again))
        before = max((over for over, _ in known), default=0)
        return before, graph.edges[name].T > 1 or (before, True) in known

    def repeats(name):
        return loops(name)[1]

    def is_run(name):
        return graph.edges[name].lo is not None or not any(name in node.inputs for node in graph.nodes)

    def reads(name):
        """Edges in memory that are looked up to compute this one; currents on the way are computed on the spot."""
        for source in graph[name].inputs:
            yield from [source] if graph.edges[source].lo is not None else reads(source)

    runs = [node.name for node in graph.nodes if is_run(node.name)]
    outlives = {s for name in runs for s in reads(name) if repeats(s) and loops(name) != loops(s)}
    outlives |= {name for name in runs if isinstance(graph[name], SumTime) and repeats(name)}
    outlives &= {name for name, edge in graph.edges.items() if edge.lo is not None}

    def copy(name, step):
        return (name, step if repeats(name) and name not in outlives else 0)

    def size(name):
        edge = graph.edges[name]
        return -(-edge.size * edge.bits // 8) * (edge.T if name in outlives else 1)

    events = []  # op, step, and what must be in memory when it runs, whether it reads it or not
    for loop in range(1 + max(loops(name)[0] for name in runs)):
        events += [(name, 0, set()) for name in runs if loops(name) == (loop, False)]
        body = [name for name in runs if loops(name) == (loop, True)]
        given = {copy(s, 0) for name in body for s in reads(name) if loops(s) != (loop, True)}
        made = {copy(name, 0) for name in body if name in outlives}
        events += [(name, step, given | made) for step in range(2) for name in body]
    future = [{copy(source, step) for source in reads(name)} | kept for name, step, kept in events]
    held, most = set(), 0
    for now, (name, step, kept) in enumerate(events):
        held |= kept | ({copy(name, step)} if graph.edges[name].lo is not None else set())
        most = max(most, sum(size(name) for name, _ in held))
        held = {edge for edge in held if any(edge in needed for needed in future[now + 1 :])}
    return most


def differences(graph, batch=1):
    """Where the two counts are not the brute force's. No tolerance."""
    expected = brute_force(graph, batch)
    found = []
    for footprint in footprints(graph, batch):
        seen = (footprint.weights, footprint.constants, footprint.membranes, footprint.buffers)
        found += [f"{footprint.counting}: {seen}, not {expected[footprint.counting]}"] * (
            seen != expected[footprint.counting] or footprint.total != sum(seen)
        )
    return found


# Random graphs


@st.composite
def graphs(draw):
    """Ops that read any earlier edges: branches, sums, pools; layers of one step and of more, any levels."""
    steps = draw(st.integers(1, 5))
    lo = draw(st.integers(-9, 0))
    edge = Edge(shape=(2, 4, 4), T=1, lo=lo, hi=lo + draw(st.sampled_from([1, 255])), scale=1.0)
    nodes = [Input(name="x", inputs=(), edge=edge if draw(st.booleans()) else edge.unquantized())]
    edges = {"x": nodes[0].edge}
    for index in range(draw(st.integers(1, 14))):
        node = draw(st.sampled_from([_conv, _fire, _fire, _fire, _add, _add, _pool, _point, _sum, _sum, _end]))
        node = node(draw, f"op{index}", edges, steps)
        if node is not None:
            nodes.append(node)
            edges[node.name] = node.infer(*(edges[source] for source in node.inputs))
    return Graph("random", tuple(nodes))


def _one(draw, edges, axes=3):
    names = [name for name, edge in edges.items() if len(edge.shape) == axes]
    return draw(st.sampled_from(names)) if names else None


def _conv(draw, name, edges, steps):
    source = _one(draw, edges)
    groups = draw(st.sampled_from([1, 2]))
    return Conv(
        name=name, inputs=(source,), out_channels=2, weight_bits=draw(st.integers(1, 16)), bias=draw(st.booleans()),
        kernel_size=(3, 3), padding=(1, 1), groups=groups if edges[source].shape[0] % groups == 0 else 1,
    )  # fmt: skip


def _fire(draw, name, edges, steps):
    source = draw(st.sampled_from(list(edges)))
    T = edges[source].T if edges[source].T > 1 else draw(st.sampled_from([1, steps]))
    width = draw(st.sampled_from([None, 2, 3, 8]))
    return Fire(name=name, inputs=(source,), T=T, lo=0, hi=draw(st.integers(1, 20)), scale=1.0, membrane_bits=width)


def _add(draw, name, edges, steps):
    a = draw(st.sampled_from(list(edges)))
    a_edge = edges[a]
    fits = [n for n, e in edges.items() if e.shape == a_edge.shape and (e.T == a_edge.T or 1 in (e.T, a_edge.T))]
    return Add(name=name, inputs=(a, draw(st.sampled_from(fits))))


def _pool(draw, name, edges, steps):
    source = _one(draw, edges)
    window = (2, 2) if min(edges[source].shape[1:]) > 1 else (1, 1)
    return draw(st.sampled_from([MaxPool, SpikingMaxPool, SumPool]))(
        name=name, inputs=(source,), kernel_size=window, stride=window
    )


def _point(draw, name, edges, steps):
    source = draw(st.sampled_from(list(edges)))
    return draw(st.sampled_from([Affine, Relu]))(name=name, inputs=(source,))


def _sum(draw, name, edges, steps):
    trains = [n for n, e in edges.items() if e.T > 1]
    return SumTime(name=name, inputs=(draw(st.sampled_from(trains or list(edges))),))


def _end(draw, name, edges, steps):
    source = draw(st.sampled_from(list(edges)))
    if len(edges[source].shape) > 1:
        return Reshape(name=name, inputs=(source,), shape=(edges[source].size,))
    if draw(st.booleans()):
        return Readout(name=name, inputs=(source,))
    return Linear(name=name, inputs=(source,), out_channels=3, weight_bits=draw(st.integers(1, 16)))


@given(graphs(), st.integers(1, 9))
def test_counts_are_those_of_the_brute_force(graph, batch):
    assert differences(graph, batch) == []


@pytest.mark.parametrize("name", ["convnet", "vgg9", "vggsnn", "resnet8-thin", "sew-resnet18"])
@pytest.mark.parametrize("bits", ["16/1/4", "2/3/1", "1/1/2/4"])
def test_networks_are_counted_as_by_brute_force(name, bits):
    assert differences(graph_of(name, bits), 64) == []


def small(side):
    """Two layers of three steps on an image of two channels, the first of 4-bit membranes."""
    places = side * side
    return Graph(
        "small",
        (
            Input(name="x", inputs=(), edge=Edge(shape=(2, side, side), T=1, lo=-128, hi=127, scale=1.0)),
            Conv(name="c1", inputs=("x",), out_channels=3, weight_bits=8, kernel_size=(3, 3), padding=(1, 1)),
            Affine(name="n1", inputs=("c1",)),
            Fire(name="f1", inputs=("n1",), T=3, lo=0, hi=2, scale=1.0, membrane_bits=4),
            Conv(name="c2", inputs=("f1",), out_channels=3, weight_bits=1, bias=True, kernel_size=(1, 1)),
            Fire(name="f2", inputs=("c2",), T=3, lo=0, hi=1, scale=1.0),
            Reshape(name="flat", inputs=("f2",), shape=(3 * places,)),
            Linear(name="fc", inputs=("flat",), out_channels=10, weight_bits=16),
            Readout(name="logits", inputs=("fc",)),
        ),
    )


def test_a_network_by_hand():
    """Levels 0..2 are 2 bits; two images."""
    graph = small(4)
    exact, paper = footprints(graph, batch=2)
    weights = (3 * 2 * 9 * 8 + 3 * 3 * 1 + 10 * 48 * 32) / 8
    assert (exact.weights, exact.constants) == (weights, 4 * (2 * 3 + 3))
    assert exact.membranes == 2 * (48 * 4 + 48 * 32) / 8
    assert exact.buffers == 2 * (32 + 12 + 6)  # the image, which every step reads; 48 levels of 2 bits, 48 of 1
    assert (paper.weights, paper.constants, paper.buffers) == (weights, 4 * 2 * 3, 0)
    assert paper.membranes == 2 * 48 * 32 / 8  # two layers are largest; the wider
    assert exact.total == weights + 36 + 2 * (216 + 50)


def squeezed(*behind, T=3, window=()):
    """Neurons on an image of two channels of 4x4, their sum over time, and a convolution of it."""
    return Graph(
        "squeezed",
        (
            Input(name="x", inputs=(), edge=Edge(shape=(2, 4, 4), T=1, lo=-128, hi=127, scale=1.0)),
            Fire(name="f1", inputs=("x",), T=T, lo=0, hi=3, scale=1.0),
            SumTime(name="s1", inputs=("f1",)),
            Conv(name="c1", inputs=("s1",), out_channels=3, weight_bits=2, kernel_size=(1, 1)),
            *behind,
        ),
    )


def test_a_sum_over_time_by_hand():
    """32 levels of 2 bits a step; their sums, 0..9, are 4 bits, and are there from the first step on."""
    assert footprints(squeezed())[0].buffers == 32 + 8 + 16
    assert footprints(squeezed(T=1))[0].buffers == 32 + 8  # one step is no loop: the image has been read by then
    later = Fire(name="f2", inputs=("c1",), T=5, lo=0, hi=2**12 - 1, scale=1.0)
    total = SumTime(name="s2", inputs=("f2",))
    assert footprints(squeezed(later))[0].buffers == 16 + 72  # the images are gone, the sums are read at each step
    assert footprints(squeezed(later, total))[0].buffers == 16 + 72 + 48 * 15 / 8  # 0..5*4095


def test_spikes_that_are_read_beside_their_sum_are_kept_for_all_steps():
    again = Conv(name="c2", inputs=("f1",), out_channels=3, weight_bits=2, kernel_size=(1, 1))
    both = Add(name="sum", inputs=("c1", "c2"))
    last = Fire(name="f2", inputs=("sum",), T=3, lo=0, hi=1, scale=1.0)
    assert footprints(squeezed(again, both, last))[0].buffers == 32 + 3 * 8 + 16


def test_images_are_held_where_steps_read_them_again():
    once, again = (footprints(graph_of("convnet", f"2/1/{steps}"))[0] for steps in (1, 2))
    image, spikes, pooled = 3 * 32 * 32, 16 * 32 * 32 / 8, 16 * 16 * 16 / 8
    assert once.buffers == image + spikes
    assert again.buffers == image + spikes + pooled
    assert (once.membranes, again.membranes) == (0, 4 * (16 * 32**2 + 64 * 16**2 + 128 * 8**2))


def test_a_network_without_neurons_has_weights_only():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 2, 3, bias=False))
    exact, paper = footprints(lower(model, (3, 8, 8)), 7)
    assert (exact.weights, exact.constants, exact.total) == (4 * 225, 4 * 15, 4 * 240)
    assert (paper.weights, paper.constants, paper.total) == (4 * 225, 4 * 10, 4 * 235)


def test_a_float_is_32_bits_here_and_16_in_the_size():
    report = cost(graph_of("convnet", "16/1/4"))
    assert report.memory[0].weights == 4 * report.total.weights
    assert report.memory[0].constants == 4 * (report.total.params - report.total.weights)
    assert report.total.size_bytes == report.memory[0].weights / 2 + report.memory[0].constants
    low = cost(graph_of("convnet", "3/1/4"))
    assert low.memory[0].weights + low.memory[0].constants == low.total.size_bytes


@pytest.mark.parametrize("width", [2, 5, 16])
def test_membrane_bits_of_a_model(width):
    floats, low = (footprints(graph_of("vggsnn", bits), 3) for bits in ("1/1/4", f"1/1/4/{width}"))
    for before, after in zip(floats, low, strict=True):
        assert after.membranes * 32 == before.membranes * width
        assert (after.weights, after.constants, after.buffers) == (before.weights, before.constants, before.buffers)


def test_one_layer_of_its_own_membrane():
    """A plan may give single layers their width; the paper's count takes the largest layer's."""
    exact, paper = footprints(graph_of("convnet", "1/1/4/8", features_1={"u": 2}))
    neurons = [16 * 32**2, 64 * 16**2, 128 * 8**2]
    assert exact.membranes == (neurons[0] * 2 + (neurons[1] + neurons[2]) * 8) / 8
    assert paper.membranes == neurons[1]  # as many as the first layer has, and wider


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_a_batch_of_no_images_is_refused(batch):
    with pytest.raises(UserError, match="want a whole number of at least 1"):
        cost(graph_of("convnet", "2/2/1"), batch=batch)


# each is a mistake in the counts, planted


def half_floats(patch):
    patch.setattr(memory, "FLOAT_BITS", 16)


def short_constants(patch):
    patch.setattr(memory, "CONSTANT_BITS", 16)


def biases_forgotten(patch):
    patch.setattr(memory, "biases", lambda graph: 0)


def bits_cut_off(patch):
    patch.setattr(memory, "ceil", floor)


def dropped_when_first_read(patch):
    def first(values, **options):
        return min(values, **options) if options.keys() == {"default"} else max(values, **options)

    patch.setattr(memory, "max", first, raising=False)


def one_edge_at_a_time(patch):
    patch.setattr(memory, "accumulate", lambda change: [0, *change])


def sums_as_currents(patch):
    patch.setattr(SumTime, "adds_steps", False)


def all_in_one_loop(patch):
    patch.setattr(memory, "_ready", lambda graph, name, stage: stage[name])


@pytest.mark.parametrize("planted", [sums_as_currents, all_in_one_loop])
def test_a_planted_error_of_a_sum_over_time_is_caught(monkeypatch, planted):
    later = Fire(name="f2", inputs=("c1",), T=5, lo=0, hi=2**12 - 1, scale=1.0)
    graph = squeezed(later, SumTime(name="s2", inputs=("f2",)))
    assert differences(graph) == []
    planted(monkeypatch)
    assert differences(graph) != []


@pytest.mark.parametrize(
    "planted",
    [half_floats, short_constants, biases_forgotten, bits_cut_off, dropped_when_first_read, one_edge_at_a_time],
)
def test_the_comparison_catches_a_planted_error(monkeypatch, planted):
    both = small(5), graph_of("resnet8-thin", "2/1/2")  # levels that fill no whole bytes; edges that are read twice
    assert [differences(graph) for graph in both] == [[], []]
    planted(monkeypatch)
    assert [differences(graph) for graph in both] != [[], []]


@pytest.mark.parametrize("planted", [{"T": 1}, {"membrane_bits": 7}, {"hi": 2}])
def test_another_neuron_is_another_footprint(planted):
    """What differs between two networks shows: the brute force of one is not the count of the other."""
    graph = graph_of("convnet", "2/1/2/4")
    first = next(graph.neurons())
    changed = Graph("changed", tuple(replace(n, **planted) if n is first else n for n in graph.nodes))
    assert brute_force(changed, 1) != brute_force(graph, 1)
    assert differences(changed) == []
