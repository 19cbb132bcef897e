"""Neurons before the synapses (paper 001): who reads whom, where the shortcut joins, and the bits of each layer."""

import math

import pytest
import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError
from bitspike.ir import Fire, Graph, Synapse
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.models.preneuron import PreNeuronBlock, PreNeuronSEWBlock
from bitspike.neurons import AdaptiveIFNode, neuron_settings
from bitspike.quant import AdaptiveWeights, synapses, weight_bits

SQUEEZED = neuron_settings(kind="adaptive", tau=1.0, squeeze=True)
UNSQUEEZED = SQUEEZED.model_copy(update={"squeeze": False})
FEW = {"pre-resnet8-thin": (4, 6, 8), "pre-resnet18": (2, 4, 4, 6), "pre-sew-resnet34": (2, 4, 4, 6)}


def built(name: str = "pre-resnet8-thin", plan: BitPlan | str = "3/2/2", side: int = 8, **options) -> nn.Module:
    torch.manual_seed(0)
    plan = plan if isinstance(plan, BitPlan) else BitPlan(Bits.parse(plan))
    usual = {"neuron": SQUEEZED, "quantizer": AdaptiveWeights, "channels": FEW[name]}
    return build_model(name, plan, sample=(3, side, side), num_classes=5, **usual | options)


def images(n: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def readers(graph: Graph) -> dict[str, list[str]]:
    """The layers with weights that each layer of neurons is read by, through whatever lies between."""
    found: dict[str, list[str]] = {node.name: [] for node in graph.neurons()}
    for node in graph.nodes:
        waiting = list(node.inputs) if isinstance(node, Synapse) else []
        while waiting:
            source = graph[waiting.pop()]
            if isinstance(source, Fire):
                found[source.name].append(node.name)
            else:
                assert not isinstance(source, Synapse), f"{node.name} reads {source.name}, which is no neuron"
                waiting += source.inputs
    return found


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("config", [SQUEEZED, UNSQUEEZED], ids=["squeezed", "unsqueezed"])
def test_every_layer_with_weights_reads_one_layer_of_neurons_of_its_own(name, config):
    model = built(name, neuron=config)
    graph = lower(model, (3, 8, 8))
    found = readers(graph)
    assert all(len(some) == 1 for some in found.values()), found
    assert sorted(name for (name,) in found.values()) == sorted(synapses(model))
    assert [node.name for node in graph.neurons() if node.lo < 0] == ["stem.0.0" if config.squeeze else "stem.0"]


def test_the_comparison_of_readers_can_fail():
    model = built("pre-resnet18")
    model.blocks[2].shortcut = model.blocks[2].shortcut[1]  # a planted error: the shortcut has no neuron
    with pytest.raises(AssertionError, match=r"blocks\.2\.shortcut\.0 reads|reads"):
        readers(lower(model, (3, 8, 8)))


@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("name", FEW)
def test_squeezed_maps_have_one_step_and_unsqueezed_ones_all(name, T):
    for config, steps in ((SQUEEZED, 1), (UNSQUEEZED, T)):
        model = built(name, f"3/2/{T}", neuron=config)
        graph = lower(model, (3, 8, 8))
        assert {graph.input_edge(node).T for node in graph.synapses()} == {steps}
        assert {node.T for node in graph.neurons()} == {T}
        assert model(images()).shape == (steps, 2, 5)


def test_layers_may_have_steps_of_their_own_where_they_are_squeezed():
    plan = BitPlan(Bits(3, 2, 2), {"stem.0.0": {"t": 1}, "blocks.1.conv2.0.0": {"t": 3}})
    model = built(plan=plan)
    steps = {node.name: node.T for node in lower(model, (3, 8, 8)).neurons()}
    assert steps == dict.fromkeys(steps, 2) | {"stem.0.0": 1, "blocks.1.conv2.0.0": 3}
    assert model(images()).shape == (1, 2, 5)


def test_weights_start_with_the_papers_deviation():
    """``sqrt(2/(k^2 C_out))``: a 3x3 of stride 2, and a 1x1 whose inputs are half its outputs."""
    model = built(plan="16/2/1", channels=(32, 64, 128))
    for layer, k in ((model.blocks[1].conv1[1][0], 3), (model.blocks[2].conv2[1][0], 3), (model.blocks[2].shortcut, 1)):
        conv = layer if isinstance(layer, nn.Conv2d) else layer[1][0]
        weight, deviation = conv.weight.detach(), math.sqrt(2 / (k * k * conv.out_channels))
        assert float(weight.std()) == pytest.approx(deviation, rel=0.04)
        assert abs(float(weight.mean())) < 0.05 * deviation


class Sends(nn.Module):
    """The same number, whatever it reads."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, self.value)


@pytest.mark.parametrize(
    ("kind", "residual", "shortcut", "sum_of"),
    [
        (PreNeuronBlock, -1.0, 3.0, 2.0),  # relu(-1 + 3)
        (PreNeuronSEWBlock, -1.0, 3.0, 3.0),  # relu(-1) + relu(3)
        (PreNeuronBlock, 2.0, -5.0, 0.0),  # relu(2 - 5)
        (PreNeuronSEWBlock, 2.0, -5.0, 2.0),
        (PreNeuronBlock, 2.0, None, 5.0),  # x itself is 3
        (PreNeuronSEWBlock, -2.0, None, 3.0),
    ],
)
def test_the_shortcut_joins_before_the_relu_or_behind_it(kind, residual, shortcut, sum_of):
    block = kind(4, 4, 1 if shortcut is None else 2, lambda encodes_image=False: nn.Identity())
    block.conv1[1], block.conv2[1] = Sends(1.0), Sends(residual)
    if shortcut is None:
        assert isinstance(block.shortcut, nn.Identity)
    else:
        block.shortcut[1] = Sends(shortcut)
    assert block(torch.full((1, 2, 4, 3, 3), 3.0)).unique().tolist() == [sum_of]


@pytest.mark.parametrize("kind", [PreNeuronBlock, PreNeuronSEWBlock])
def test_between_the_two_convolutions_is_a_relu(kind):
    block = kind(4, 4, 1, lambda encodes_image=False: nn.Identity())
    seen = []
    block.conv1[1], block.conv2[1] = Sends(-1.0), Sends(0.0)
    block.conv2.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].unique().tolist()))
    block(torch.ones(1, 2, 4, 3, 3))
    assert seen == [[0.0]]


@pytest.mark.parametrize(("in_channels", "stride", "resampled"), [(4, 1, False), (2, 1, True), (4, 2, True)])
def test_a_shortcut_that_resamples_has_a_neuron_of_its_own(in_channels, stride, resampled):
    made = []

    def neuron(encodes_image=False):
        made.append(encodes_image)
        return nn.Identity()

    block = PreNeuronBlock(in_channels, 4, stride, neuron)
    assert made == [False] * (2 + resampled)
    assert block(torch.ones(1, 2, in_channels, 6, 6)).shape == (1, 2, 4, 6 // stride, 6 // stride)


@pytest.mark.parametrize("kind", ["multibit", "if", "lif", "plif", "quant-lif", "multi-level"])
def test_neurons_that_cannot_read_an_image_are_refused_in_one_line(kind):
    with pytest.raises(UserError, match=rf"neuron\.kind: got '{kind}'.*want adaptive") as refused:
        built(plan="3/1/2", neuron=neuron_settings(kind=kind))
    assert "\n" not in str(refused.value)


def test_channels_for_other_stages_are_refused():
    with pytest.raises(UserError, match="want 3 numbers, one for each stage"):
        built(channels=(4, 4))


def test_a_plan_reaches_neurons_and_weights_and_the_eye_stays_signed():
    layers = {
        "stem.0.0": {"s": 3, "t": 3},
        "stem.1.0": {"w": 5},
        "blocks.1.*": {"s": 4, "w": 1},
        "head.1.0": {"t": 1},
        "head.2.0": {"w": 16},
    }
    model = built(plan=BitPlan(Bits(3, 2, 2), layers))
    nodes = {name: module for name, module in model.named_modules() if isinstance(module, AdaptiveIFNode)}
    found = {name: (node.staircase.lo, node.staircase.hi, node.T) for name, node in nodes.items()}
    expected = {name: (0, 15, 2) if name.startswith("blocks.1.") else (0, 3, 2) for name in nodes}
    assert found == expected | {"stem.0.0": (-3, 3, 3), "head.1.0": (0, 3, 1)}
    assert [name for name, node in nodes.items() if node.signed] == ["stem.0.0"]
    widths = {name: weight_bits(layer) for name, layer in synapses(model).items()}
    assert widths == {name: 1 if name.startswith("blocks.1.") else 3 for name in widths} | {
        "stem.1.0": 5,
        "head.2.0": 16,
    }
    assert model(images()).isfinite().all()


@pytest.mark.parametrize("s", [1, 2])
def test_an_eye_of_one_bit_has_two(s):
    eye = built(plan=f"3/{s}/1").stem[0][0]
    assert (eye.staircase.lo, eye.staircase.hi) == (-1, 1)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("config", [SQUEEZED, UNSQUEEZED], ids=["squeezed", "unsqueezed"])
def test_shapes_alone_lower_to_the_same_graph(name, config):
    with torch.device("meta"):
        shapes = built(name, neuron=config)
    assert all(p.is_meta for n, p in shapes.named_parameters() if n.endswith("weight.original"))
    lowered, wanted = lower(shapes, (3, 8, 8), name), lower(built(name, neuron=config), (3, 8, 8), name)
    assert lowered == wanted


def test_large_images_get_the_imagenet_stem():
    with torch.device("meta"):
        model = built("pre-sew-resnet34", side=224)
        graph = lower(model, (3, 224, 224))
    assert graph.edges["blocks.0.conv1.0.0"].shape == (2, 56, 56)
    assert built("pre-sew-resnet34", side=64).stem[1][0].kernel_size == (3, 3)
