"""Every network of the registry: one graph on every device, with the shapes and ranges of the real tensors."""

from math import prod

import pytest
import torch

from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError
from bitspike.ir import Concat, Conv, Linear, MatMul, Permute, Reshape, Times
from bitspike.lowering import lower
from bitspike.models import MODELS, build_model

IMAGES = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
BITS = BitPlan(Bits(2, 2, 3), {"stem*": {"w": 8}, "features.0.0": {"w": 8}})


def small(name, bits=BITS.default, device="cpu", side=32, layers=None):
    """A network with few channels, and its graph."""
    plan = BitPlan(bits, layers or {})
    stages = 5 if "dvs" in name and "sew" in name else len(MODELS[name].channels)  # it halves an image so often
    channels = [2 + i for i in range(stages)]
    if "spikformer" in name:
        channels[-1] = 48  # heads divide it
    with torch.device(device):
        model = build_model(name, plan, sample=(3, side, side), num_classes=5, channels=channels)
    return model.eval(), lower(model, (3, side, side), name)


@pytest.mark.parametrize("name", MODELS)
def test_the_meta_device_gives_the_same_graph(name):
    assert small(name)[1] == small(name, device="meta")[1]


@pytest.mark.parametrize("name", MODELS)
def test_full_width_on_the_meta_device(name):
    side = 128 if "sew-resnet-dvs" in name else 32
    with torch.device("meta"):
        model = build_model(name, BitPlan(Bits(4, 1, 4)), sample=(3, side, side), num_classes=10)
    graph = lower(model, (3, side, side), name)
    convs = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    assert {node.name for node in graph.synapses()} == set(convs)
    for node in graph.synapses():
        assert node.weight_count(graph.input_edge(node)) == convs[node.name].weight.numel()
        assert node.weight_bits == 4
        assert isinstance(node, Conv if isinstance(convs[node.name], torch.nn.Conv2d) else Linear)
    if "yolo" not in name:
        assert graph.edges[graph.nodes[-1].name].shape == (10,)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "recurrent"])  # whose loops run step by step
def test_edges_are_the_tensors_that_flow(name):
    """Shape, steps, and where the edge has a range, levels within it; sums of a block are its output."""
    model, _ = small(name)
    with torch.no_grad():
        model.train()(IMAGES)  # learned steps start from what they see
    graph = lower(model.eval(), (3, 32, 32), name)
    modules, seen = dict(model.named_modules()), {}
    for op in graph.edges:
        if (path := op.removesuffix(".add")) in modules:
            modules[path].register_forward_hook(lambda m, x, y, op=op: seen.setdefault(op, y))
    with torch.no_grad():
        model(IMAGES)
    functions = {node.name for node in graph.nodes if isinstance(node, MatMul | Times | Permute | Reshape | Concat)}
    assert graph.edges.keys() - seen.keys() - functions == {node.name for node in graph.readouts()}
    for op, tensor in seen.items():
        edge = graph.edges[op]
        assert tensor.shape[tensor.ndim - len(edge.shape) :] == edge.shape, op
        assert prod(tensor.shape) == edge.T * len(IMAGES) * edge.size, op
        if edge.lo is not None:
            levels = tensor / edge.scale
            assert (levels - levels.round()).abs().max() <= 1e-5 * edge.hi, op  # a learned scale is no power of two
            assert edge.lo <= levels.round().min() <= levels.round().max() <= edge.hi, op


@pytest.mark.parametrize("bits", ["2/1/2", "2/2/1", "2/3/2", "16/4/1"])
def test_fire_has_the_alphabet_that_spikes_show(bits):
    asked = Bits.parse(bits)
    model, graph = small("convnet", asked)
    for node in graph.neurons():
        drive = torch.linspace(-9, 9, 2000).expand(node.T, 1, -1)
        levels = model.get_submodule(node.name)(drive) / node.scale
        assert sorted(levels.unique().tolist()) == list(range(node.lo, node.hi + 1))
        assert (graph.edges[node.name].bits, graph.edges[node.name].T) == (asked.s, asked.t)


def test_the_image_net_stem():
    graph = small("sew-resnet18", side=96)[1]
    assert graph.edges["stem.0"].shape == (2, 48, 48)
    assert graph.edges["stem_pool.0"].shape == (2, 24, 24)


def test_bits_of_single_layers_arrive():
    layers = {"features.0.0": {"w": 8}, "features.4": {"s": 4}, "classifier.1.0": {"w": 16}}
    graph = small("convnet", Bits(2, 2, 1), layers=layers)[1]
    assert {node.name: node.weight_bits for node in graph.synapses()} == {
        "features.0.0": 8,
        "features.3.0": 2,
        "features.6.0": 2,
        "classifier.1.0": 16,
    }
    assert {node.name: graph.edges[node.name].bits for node in graph.neurons()} == {
        "features.1": 2,
        "features.4": 4,
        "features.7": 2,
    }


def test_steps_that_do_not_meet_name_the_layer():
    with pytest.raises(UserError, match=r"^fire blocks\.1\.neuron1: got '2 steps'; wants T=3"):
        small("resnet8-thin", Bits(2, 2, 2), layers={"blocks.1.neuron1": {"t": 3}})


def test_one_step_is_held_over_all_that_follow():
    model, graph = small("convnet", Bits(2, 2, 3), layers={"features.1": {"t": 1}})
    assert [graph.edges[node.name].T for node in graph.neurons()] == [1, 3, 3]
    assert model(IMAGES).shape == (3, 2, 5)
