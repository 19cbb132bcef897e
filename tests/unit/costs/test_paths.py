"""Events on both paths of a residual network, against counting what the neurons of a real one send."""

import importlib
from dataclasses import replace

import pytest
import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.costs import Join, cost, paths
from bitspike.ir import Add, Conv, Edge, Fire, Graph, Input, MaxPool, SumTime
from bitspike.lowering import lower, measure
from bitspike.models import build_model
from bitspike.neurons import SpikingNode, neuron_settings

SHAPE, STEPS = (3, 12, 12), 2
IMAGES = torch.randint(0, 256, (5, *SHAPE), generator=torch.Generator().manual_seed(3)).float()
PATHS = importlib.import_module("bitspike.costs.paths")  # the package has a function of this name


def network(name, sample=SHAPE):
    """Random weights; batch norms that let half of the neurons fire, or nothing would flow."""
    torch.manual_seed(1)
    neuron = neuron_settings(kind="multi-level", levels=4)
    plan = BitPlan(Bits(16, 3, STEPS))
    model = build_model(name, plan, sample=sample, num_classes=10, neuron=neuron, channels=(4, 4, 8, 8))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0.1, 0.3)
            nn.init.constant_(module.weight, 0.5)
    return model.eval()


@torch.no_grad()
def sent(model):
    """Events that each layer of neurons sends, over all images and steps."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, SpikingNode):
            module.register_forward_hook(lambda m, x, y, n=name: found.__setitem__(n, int(y.count_nonzero())))
    model(IMAGES)
    return found


def walk(model):
    """Block by block: events of the direct path, of the shortcut, and of what goes on. The last is a list of parts."""
    events, found = sent(model), []
    parts = [events["stem_neuron"]]
    for index, block in enumerate(model.blocks):
        direct = events[f"blocks.{index}.residual.3"]
        if not isinstance(block.shortcut, nn.Identity):
            parts = [events[f"blocks.{index}.shortcut.1"]]
        residual = sum(parts)
        parts = [events[f"blocks.{index}.barrier"]] if hasattr(block, "barrier") else [direct, *parts]
        found.append((direct, residual, sum(parts)))
    total = sum(events.values()) + (0 if hasattr(model.blocks[0], "barrier") else sum(row[2] for row in found))
    return found, sum(events.values()), total


def disagreements(model, found):
    rows, spikes, events = walk(model)
    wrong = []
    for row, join in zip(rows, found.joins, strict=True):
        for counted, ours in zip(row, (join.direct, join.residual, join.joined), strict=True):
            if counted != ours * len(IMAGES):
                wrong.append((join.name, counted, ours))
    for counted, ours in ((spikes, found.spikes), (events, found.events)):
        if counted != pytest.approx(ours * len(IMAGES)):
            wrong.append(("total", counted, ours))
    return wrong


def measured(model):
    graph = lower(model, SHAPE)
    return graph, measure(model, graph, IMAGES.split(2), "test images")


@pytest.mark.parametrize("name", ["sew-resnet18", "sparse-resnet18"])
def test_every_count_is_that_of_the_walk(name):
    model = network(name)
    graph, activity = measured(model)
    found = paths(graph, activity)
    assert len(found.joins) == 8
    assert all(join.direct > 0 and join.residual > 0 for join in found.joins)  # the test sees what it says it sees
    assert [join.name for join in found.joins] == [f"blocks.{i}.add" for i in range(8)]
    barriers = [f"blocks.{i}.barrier" if name.startswith("sparse") else None for i in range(8)]
    assert [join.barrier for join in found.joins] == barriers
    assert disagreements(model, found) == []
    assert cost(graph, "exact", activity).paths == found


def test_the_avalanche():
    """Sums of SEW-ResNet pass on all that comes; a barrier sends at most one event for each neuron and step."""
    for name in ("sew-resnet18", "sparse-resnet18"):
        graph, activity = measured(network(name))
        for join in paths(graph, activity).joins:
            places = graph.edges[join.name].size * STEPS
            if name == "sew-resnet18":
                assert join.joined == join.direct + join.residual
            else:
                assert join.joined <= min(places, join.direct + join.residual)
    first, second = paths(*measured(network("sew-resnet18"))).joins[:2]
    assert second.residual == first.joined > first.residual


@pytest.mark.parametrize("name", ["resnet8-thin", "ms-resnet18", "vgg9"])
def test_sums_of_currents_are_no_joins(name):
    model = build_model(name, BitPlan(Bits(16, 1, 2)), sample=(3, 16, 16), num_classes=10)
    graph = lower(model, (3, 16, 16))
    found = paths(graph, measure(model, graph, [torch.rand(2, 3, 16, 16) * 255], "noise"))
    assert found.joins == ()
    assert found.spikes == found.events


def test_events_behind_a_pool_are_those_that_its_reader_saw():
    """The stem of ImageNet: the first shortcut takes pooled spikes, as many as the first block reads."""
    model = network("sew-resnet18", (3, 72, 72))
    graph = lower(model, (3, 72, 72))
    activity = measure(model, graph, [torch.rand(1, 3, 72, 72) * 255], "noise")
    first = paths(graph, activity).joins[0]
    assert first.residual == activity.synapses["blocks.0.residual.0.0"].events
    assert 0 < first.residual != activity.neurons["stem_neuron"].spikes


window = {"out_channels": 1, "weight_bits": 16, "kernel_size": (1, 1)}


def chain(*behind):
    edge = Edge(shape=(1, 4, 4), T=1, lo=0, hi=1, scale=1.0)
    conv = Conv(name="a", inputs=("x",), **window)
    fires = tuple(Fire(name=n, inputs=("a",), T=T, lo=0, hi=1, scale=1.0) for n, T in (("f", 1), ("g", 3)))
    return Graph("chain", (Input(name="x", inputs=(), edge=edge), conv, *fires, *behind))


def activity_of(graph):
    made = importlib.import_module("bitspike.costs.activity")
    neurons = {n.name: made.NeuronActivity(16 * n.T, 4 * n.T, 4 * n.T) for n in graph.neurons()}
    return made.Activity(1, "made", {"a": made.SynapseActivity(16, 16, 16, 16)}, neurons)


def test_one_step_that_is_held_is_sent_at_every_step():
    graph = chain(Add(name="sum", inputs=("f", "g")))
    (join,) = paths(graph, activity_of(graph)).joins
    assert (join.direct, join.residual, join.joined) == (4, 12, 3 * 4 + 12)


def test_a_pool_that_no_layer_reads_leaves_a_gap():
    pools = [MaxPool(name=f"{n}.pool", inputs=(n,), kernel_size=(2, 2), stride=(2, 2)) for n in "fg"]
    graph = chain(*pools, Add(name="sum", inputs=("f.pool", "g.pool")))
    found = paths(graph, activity_of(graph))
    assert found.joins == (Join(name="sum", direct=None, residual=None, joined=None, barrier=None),)
    assert (found.spikes, found.events) == (16, None)


def test_events_behind_a_sum_over_time_are_those_that_its_reader_saw():
    """A place where one of three steps has a spike is one event; without a layer that reads the sum none is known."""
    squeeze, conv = SumTime(name="s", inputs=("g",)), Conv(name="b", inputs=("s",), **window)
    graph = chain(squeeze, conv, Add(name="sum", inputs=("f", "s")))
    made = activity_of(graph)
    seen = {**made.synapses, "b": replace(made.synapses["a"], events=7)}
    flowing = PATHS.streams(graph, replace(made, synapses=seen))
    assert flowing["s"] == PATHS.Stream(events=7, highest=3, level_sum=None)
    (join,) = paths(graph, replace(made, synapses=seen)).joins
    assert {join.direct, join.residual} == {4, 7}
    assert join.joined == 11
    unread = chain(squeeze, Add(name="sum", inputs=("f", "s")))
    assert PATHS.streams(unread, activity_of(unread))["s"] == PATHS.Stream(events=None, highest=3, level_sum=None)
    assert paths(unread, activity_of(unread)).events is None


# each takes the patch fixture and returns what a faulty count would have found


def merged(patch, graph, activity):
    """Of a sum, the places where either path has a spike."""
    streams = PATHS.streams

    def wrong(graph, activity):
        found = streams(graph, activity)
        for node in graph.synapses():
            if isinstance(graph[node.inputs[0]], Add):
                seen = activity.synapses[node.name].events / activity.images
                found[node.inputs[0]] = replace(found[node.inputs[0]], events=seen)
        return found

    patch.setattr(PATHS, "streams", wrong)
    return paths(graph, activity)


def paths_swapped(patch, graph, activity):
    depths = PATHS.depths
    patch.setattr(PATHS, "depths", lambda graph: {name: -depth for name, depth in depths(graph).items()})
    return paths(graph, activity)


def levels_for_events(patch, graph, activity):
    neurons = {name: replace(seen, spikes=seen.level_sum // 4) for name, seen in activity.neurons.items()}
    return paths(graph, replace(activity, neurons=neurons))


@pytest.mark.parametrize("planted", [merged, paths_swapped, levels_for_events])
def test_the_comparison_catches_a_planted_error(monkeypatch, planted):
    model = network("sew-resnet18")
    graph, activity = measured(model)
    assert disagreements(model, paths(graph, activity)) == []
    assert disagreements(model, planted(monkeypatch, graph, activity)) != []
