"""The conventions: what each leaves out, and the widths that it counts with."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.costs import COUNTINGS, Activity, NeuronActivity, SynapseActivity, cost
from bitspike.errors import UserError
from bitspike.ir import Add, Conv, Edge, Fire, Graph, Input, Relu, SumTime
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.neurons import MultiBitLIFNode


def graph_of(name, bits, **layers):
    plan = BitPlan(Bits.parse(bits), {layer.replace("_", "."): widths for layer, widths in layers.items()})
    with torch.device("meta"):
        return lower(build_model(name, plan, sample=(3, 32, 32), num_classes=10), (3, 32, 32), name)


def widths(graph, counting):
    return {layer.name: (layer.w, layer.s, layer.t) for layer in cost(graph, counting).layers}


def everywhere(graph, share=4):
    """Activity in which every ``share``-th element is an event."""
    edges = {node.name: graph.input_edge(node) for node in graph.synapses()}
    return Activity(
        images=2,
        source="made up",
        synapses={
            name: SynapseActivity(n := 2 * edge.T * edge.size, n // share, sops=3 * n, additions=5 * n)
            for name, edge in edges.items()
        },
        neurons={node.name: NeuronActivity(2 * node.T * graph.edges[node.name].size, 0, 0) for node in graph.neurons()},
    )


def test_exact_counts_each_layer_as_it_runs():
    """Pixels are 8 bits and one step; the sum of two 2-bit spikes is 3 bits wide, of three 4."""
    seen = widths(graph_of("sew-resnet18", "4/2/3"), "exact")
    assert seen["stem.0"] == (4, 8, 1)
    assert seen["blocks.0.residual.0.0"] == (4, 2, 3)
    assert seen["blocks.1.residual.0.0"] == (4, 3, 3)  # levels 0..6
    assert seen["blocks.2.residual.0.0"] == (4, 4, 3)  # levels 0..9
    assert seen["head.2"][1] == 8  # 16 places of levels 0..9 make 0..144


def test_the_papers_count_spikes_only():
    graph = graph_of("sew-resnet18", "4/2/3", stem_0={"w": 8})
    for counting in ("paper-000", "paper-001"):
        seen = widths(graph, counting)
        assert seen.pop("stem.0") == (8, 2, 3)
        assert set(seen.values()) == {(4, 2, 3)}


def test_the_papers_count_the_spikes_that_arrive():
    seen = widths(graph_of("convnet", "4/2/3", features_4={"s": 5}), "paper-000")
    assert seen == {
        "features.0.0": (4, 2, 3),
        "features.3.0": (4, 2, 3),
        "features.6.0": (4, 5, 3),
        "classifier.1.0": (4, 2, 3),
    }


def squeezed(bits, steps, joined=True):
    """Two layers behind neurons of these bits; where ``joined``, each reads the sum of the neurons' steps."""
    nodes = [Input(name="x", inputs=(), edge=Edge(shape=(2, 4, 4), T=1, lo=-128, hi=127, scale=1.0))]
    for index, T in enumerate(steps):
        source = nodes[-1].name
        nodes.append(Fire(name=f"fire{index}", inputs=(source,), T=T, lo=0, hi=2**bits - 1, scale=1.0))
        if joined:
            nodes.append(SumTime(name=f"sum{index}", inputs=(f"fire{index}",)))
        source, window = nodes[-1].name, {"weight_bits": 4, "kernel_size": (1, 1)}
        nodes.append(Conv(name=f"conv{index}", inputs=(source,), out_channels=2, **window))
    return Graph("squeezed", tuple(nodes))


def test_a_squeezed_map_is_read_once_at_the_width_of_its_sum():
    """2-bit levels of three steps are 0..9: 4 bits; of five steps 0..15. The papers keep the width of a spike."""
    graph = squeezed(2, (3, 5))
    assert widths(graph, "exact") == {"conv0": (4, 4, 1), "conv1": (4, 4, 1)}
    assert widths(squeezed(2, (3, 6)), "exact")["conv1"] == (4, 5, 1)
    for counting in ("paper-000", "paper-001"):
        assert widths(graph, counting) == {"conv0": (4, 2, 1), "conv1": (4, 2, 1)}
        assert widths(squeezed(2, (5, 5), joined=False), counting) == {"conv0": (4, 2, 5), "conv1": (4, 2, 5)}


@pytest.mark.parametrize(
    ("name", "counting", "left_out"),
    [
        ("resnet18", "exact", ()),
        ("resnet18", "paper-000", ("stem.0",)),
        ("resnet18", "paper-001", ("stem.0",)),
        ("resnet19", "paper-000", ("stem.0",)),
        ("resnet19", "paper-001", ()),
        ("resnet20", "paper-000", ("stem.0",)),
        ("resnet20", "paper-001", ()),
        ("resnet20-thin", "paper-001", ("stem.0",)),
        ("vgg9", "paper-000", ("features.0.0",)),
    ],
)
def test_what_is_left_out(name, counting, left_out):
    graph = graph_of(name, "2/2/1")
    report = cost(graph, counting, everywhere(graph))
    assert report.left_out == left_out
    assert tuple(layer.name for layer in report.layers if not layer.counted) == left_out
    counted = [layer for layer in report.layers if layer.counted]
    for metric in ("macs", "s_ace", "sops", "additions", "ns_ace"):
        assert getattr(report.total, metric) == sum(getattr(layer, metric) for layer in counted)
    assert report.total.weights == sum(layer.weights for layer in report.layers)  # a size leaves nothing out
    assert all(layer.s_ace == (layer.macs * layer.bit_budget if layer.counted else 0) for layer in report.layers)
    assert report.total.mean_bit_budget == report.total.s_ace / report.total.macs


@pytest.mark.parametrize("model", ["resnet18", "resnet19", "resnet20", "resnet20-thin", "pre-resnet20", "vgg9"])
@pytest.mark.parametrize("name", ["mine", "resnet19", "resnet20", "pre-resnet20"])
def test_a_network_under_another_name_costs_the_same(model, name):
    graph = graph_of(model, "2/2/1")
    renamed = replace(graph, name=name)
    for counting in COUNTINGS:
        assert replace(cost(renamed, counting), model=graph.name) == cost(graph, counting)


def test_paper_001_counts_the_first_convolution_of_wide_networks():
    """That is all that its two kinds of rows differ in: 128 channels and more, or 64."""
    for channels, left_out in (((64, 256, 512), ("stem.0",)), ((127, 8, 8), ("stem.0",)), ((128, 8, 8), ())):
        with torch.device("meta"):
            plan = BitPlan(Bits.parse("2/2/1"))
            model = build_model("resnet20", plan, sample=(3, 32, 32), num_classes=10, channels=channels)
            graph = lower(model, (3, 32, 32), "resnet20")
        assert cost(graph, "paper-001").left_out == left_out


def test_only_a_convolution_of_the_images_is_left_out():
    linear = nn.Sequential(Encoder(), OverTime(nn.Flatten(), nn.Linear(12, 3)), MultiBitLIFNode(1, 2))
    assert cost(lower(linear, (3, 2, 2)), "paper-000").left_out == ()
    late = nn.Sequential(Encoder(), MultiBitLIFNode(1, 2), OverTime(nn.Conv2d(3, 3, 1)))
    assert cost(lower(late, (3, 2, 2)), "paper-000").left_out == ()
    assert cost(Graph("empty", (Input(name="x", inputs=(), edge=Edge(shape=(1,), T=1)),))).total.mean_bit_budget == 0


def test_synaptic_operations_of_the_papers():
    """``SOPs = fr * n * b_s * T`` and ``NS-ACE = b_w * SOPs`` (000, Eq. 9); exact: as measured, times both widths."""
    graph = graph_of("convnet", "4/2/3")
    for counting in ("paper-000", "paper-001"):
        for layer in cost(graph, counting, everywhere(graph)).layers:
            assert layer.firing_rate == 0.25
            assert layer.sops == 0.25 * layer.macs * 2 * 3
            assert layer.ns_ace == 4 * layer.sops
    for layer in cost(graph, "exact", everywhere(graph)).layers:
        edge = graph.input_edge(graph[layer.name])
        assert layer.sops == 3 * edge.T * edge.size
        assert layer.ns_ace == layer.w * layer.s * layer.sops


def test_constants_beside_the_weights():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 3, bias=False))
    weights, constants = 3 * 5 * 9 + 5 * 2 * 9, 5 + 2 * 5  # a bias, and two numbers a normed channel
    for counting, bits in (("exact", 32), ("paper-000", 0)):
        total = cost(lower(model, (3, 8, 8)), counting).total
        assert (total.weights, total.params) == (weights, weights + constants)
        assert total.size_bytes == (16 * weights + bits * constants) / 8


def test_a_network_that_does_not_spike_is_16_bits_and_one_step():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    for counting in COUNTINGS:
        assert set(widths(lower(model, (3, 8, 8)), counting).values()) == {(16, 16, 1)}


def test_many_branches_that_meet_are_walked_once():
    """Sixty blocks without neurons: as many paths as 2^60."""
    nodes = [
        Input(name="x", inputs=(), edge=Edge(shape=(1, 4, 4), T=1)),
        Fire(name="early", inputs=("x",), T=2, lo=0, hi=7),
        Relu(name="join0", inputs=("early",)),
    ]
    for i in range(60):
        nodes.append(Relu(name=f"left{i}", inputs=(f"join{i}",)))
        nodes.append(Add(name=f"join{i + 1}", inputs=(f"left{i}", f"join{i}")))
    nodes.append(Conv(name="conv", inputs=("join60",), out_channels=1, weight_bits=4, kernel_size=(1, 1)))
    assert widths(Graph("deep", tuple(nodes)), "paper-000") == {"conv": (4, 3, 2)}


def test_an_unknown_convention_is_named():
    with pytest.raises(UserError, match=r"counting: got 'paper-002'; did you mean 'paper-00\d'"):
        cost(graph_of("convnet", "2/2/1"), "paper-002")
    assert all(rule.name == name and rule.about for name, rule in COUNTINGS.items())
