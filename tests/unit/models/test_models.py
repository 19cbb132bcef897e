"""The networks: built, run, counted, and given bits layer by layer."""

import pytest
import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.errors import UserError
from bitspike.layers import Encoder, EventEncoder
from bitspike.lowering import lower
from bitspike.models import MODELS, apply_weight_bits, build_model
from bitspike.neurons import BaseNode, IFNode, LIFNode, MultiBitLIFNode, SpikingNode, neuron_settings, quantize_membrane
from bitspike.quant import (
    AdaptiveWeights,
    UniformSymmetric,
    quantize_weights,
    synapses,
    weight_bits,
    weight_quantizer,
)
from bitspike.sample import Sample

SMALL = {  # image side and channels: the smallest that the network's pooling leaves alive
    "vgg16": (32, (2, 2, 2, 2, 2)),
    "vggsnn": (16, (2, 2, 2, 2, 2)),
    **dict.fromkeys(["mlp", "mlp-plain", "recurrent"], (4, (6, 5))),
    **dict.fromkeys(["convnet", "vgg9", "resnet8-thin", "resnet20-thin", "resnet19", "resnet20"], (8, (4, 4, 4))),
    **dict.fromkeys(["resnet18", "sew-resnet18", "sew-resnet34", "sew-resnet50", "ms-resnet18"], (8, (2, 2, 2, 2))),
    **dict.fromkeys(["sparse-resnet18", "sparse-resnet18-without-ste"], (8, (2, 2, 2, 2))),
    **dict.fromkeys(["pre-resnet8-thin", "pre-resnet20-thin", "pre-resnet20"], (8, (4, 4, 4))),
    **dict.fromkeys(["pre-resnet18", "pre-sew-resnet34"], (8, (2, 2, 2, 2))),
    **dict.fromkeys(["sew-resnet-dvs", "sew-resnet-dvs-wide"], (8, (2, 2, 4))),
    **{name: (16, (2, 2, 2, 48)) for name in MODELS if "spikformer" in name},  # heads divide the last
    "yolo-tiny": (32, (2, 2, 2, 2)),
    "yolov3": (32, (4, 4, 4, 4, 4, 8)),
}
ANSWERS = {"yolo-tiny": [(4, 8), (4, 16)], "yolov3": [(15, 8), (15, 16), (15, 32)]}
"""Channels beside those of each class, or of three anchors, and the stride of each map, where answers are maps."""
ADAPTIVE = neuron_settings(kind="adaptive", tau=1.0, squeeze=True)


def fitting(name: str, **options) -> dict:
    """``options``; where neurons stand before the synapses, the only ones that can read an image."""
    return {**options, "neuron": ADAPTIVE, "quantizer": AdaptiveWeights} if name.startswith("pre-") else options


def small(name: str, plan: BitPlan | str = "2/2/2", side: int | None = None, **options) -> nn.Module:
    torch.manual_seed(0)
    default_side, channels = SMALL[name]
    side = side or default_side
    plan = plan if isinstance(plan, BitPlan) else BitPlan(Bits.parse(plan))
    options = fitting(name, **options)
    return build_model(name, plan, sample=(3, side, side), num_classes=5, channels=channels, **options)


def images(side: int, n: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def neurons(model: nn.Module) -> dict[str, BaseNode]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BaseNode)}


def same(ours: object, theirs: object) -> bool:
    pairs = zip(*(each if isinstance(each, tuple) else (each,) for each in (ours, theirs)), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def steps_of_logits(name: str, bits: str) -> int:
    """A squeezed map is one step."""
    return 1 if name.startswith("pre-") else Bits.parse(bits).t


def said(name: str, given: object, steps: int, n: int, side: int, classes: int) -> tuple[torch.Tensor, ...]:
    """What a model has said, of the shapes that it should be: logits, or maps."""
    outputs = given if isinstance(given, tuple) else (given,)
    per_anchor = 3 if name == "yolov3" else 1
    maps = [(more + per_anchor * classes, side // stride, side // stride) for more, stride in ANSWERS.get(name, ())]
    assert [tuple(each.shape) for each in outputs] == [(steps, n, *shape) for shape in maps or [(classes,)]]
    return outputs


def count(model: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in synapses(model).values())


def on_meta(name: str, side: int, num_classes: int, bits: str = "16/1/4") -> nn.Module:
    plan, shape = BitPlan(Bits.parse(bits)), (3, side, side)
    with torch.device("meta"):
        return build_model(name, plan, sample=shape, num_classes=num_classes, **fitting(name)).eval()


def test_every_model_is_tried_here():
    assert SMALL.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bits", ["16/1/2", "2/2/1"])
def test_every_model_runs_and_every_parameter_learns(name, bits):
    model = small(name, bits, neuron=neuron_settings(kind="lif", surrogate_function="atan") if "/1/" in bits else None)
    side = SMALL[name][0]
    outputs = said(name, model(images(side)), steps_of_logits(name, bits), 3, side, 5)
    assert all(each.isfinite().all() for each in outputs)
    sum(((each - 1).mean(0) ** 2).mean() for each in outputs).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", MODELS)
def test_a_state_dict_restores_every_model(name):
    model, other = small(name).eval(), small(name).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.25)
    x = images(SMALL[name][0])
    other.load_state_dict(model.state_dict())
    assert same(model(x), other(x))


@pytest.mark.parametrize(
    ("name", "side", "num_classes", "weights"),
    [
        ("resnet20", 32, 10, 17_277_312),  # 001: 34.555 MB at 16 bits
        ("pre-resnet20", 32, 10, 17_277_312),
        ("sew-resnet34", 224, 1000, 21_779_648),  # 001: 43.559 MB
        ("pre-sew-resnet34", 224, 1000, 21_779_648),
        ("resnet18", 32, 100, 11_210_432),  # 001: 22.421 MB
        ("pre-resnet18", 32, 100, 11_210_432),
    ],
)
def test_weights_are_as_many_as_the_papers_count(name, side, num_classes, weights):
    model = on_meta(name, side, num_classes)
    assert count(model) == weights
    assert count(on_meta(name, side, num_classes + 1)) != weights
    assert count(on_meta(name, side, num_classes, "2/2/1")) == weights


def test_resnet19_is_as_large_as_the_paper_counts():
    """001 counts batch norm's affine and running numbers too: 25.252 MB at 16 bits, 100 classes."""
    model = on_meta("resnet19", 32, 100)
    norms = sum(4 * m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert round(2 * (count(model) + norms) / 1e6, 2) == 25.25


@pytest.mark.parametrize("name", MODELS)
def test_every_model_runs_on_the_meta_device(name):
    side = {"vgg16": 32, "yolov3": 32, "sew-resnet-dvs": 128, "sew-resnet-dvs-wide": 128}.get(name, 16)
    with torch.device("meta"):
        given = on_meta(name, side, 10, "2/2/3")(torch.empty(2, 3, side, side))
    assert all(each.is_meta for each in said(name, given, steps_of_logits(name, "2/2/3"), 2, side, 10))


def test_large_images_get_the_imagenet_stem():
    with torch.device("meta"):
        model = small("sew-resnet34", side=224)
        at_blocks = model.stem_pool(model.stem_neuron(model.stem(model.encoder(torch.empty(1, 3, 224, 224)))))
    assert at_blocks.shape[-2:] == (56, 56)
    assert isinstance(small("sew-resnet18", side=64).stem_pool, nn.Identity)


def test_the_stem_runs_once_for_a_static_image():
    model = small("resnet8-thin", "16/1/4")
    seen = []
    model.stem.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[0]))
    model.stem_neuron.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[0]))
    model(images(8))
    assert seen == [1, 4]
    assert isinstance(model.encoder, Encoder)


def test_a_plan_gives_bits_by_layer():
    plan = BitPlan(
        Bits(2, 2, 2),
        {"stem.0": {"w": 8}, "head.*": {"w": 16}, "blocks.0.neuron1": {"s": 4}, "blocks.1.*": {"w": 3, "s": 3}},
    )
    model = small("resnet8-thin", plan)
    widths = {name: weight_bits(layer) for name, layer in synapses(model).items()}
    assert widths == {
        name: 8 if name == "stem.0" else 16 if name == "head.2" else 3 if name.startswith("blocks.1.") else 2
        for name in widths
    }
    assert weight_quantizer(synapses(model)["head.2"]) is None  # 16 bits stay floats
    tops = {name: node.staircase.hi for name, node in neurons(model).items()}
    assert tops == {
        name: 15 if name == "blocks.0.neuron1" else 7 if name.startswith("blocks.1.") else 3 for name in tops
    }
    assert model(images(8)).shape == (2, 3, 5)


def test_a_plan_gives_steps_to_all():
    assert {node.T for node in neurons(small("convnet", "16/2/3")).values()} == {3}


def test_a_plan_gives_membrane_bits_by_layer():
    plan = BitPlan(Bits(2, 1, 2, 4), {"blocks.1.*": {"u": 8}, "stem_neuron": {"s": 2, "u": 2}})
    model = small("resnet8-thin", plan)
    found = {name: node.membrane_bits for name, node in neurons(model).items()}
    assert found == {name: 2 if name == "stem_neuron" else 8 if name.startswith("blocks.1.") else 4 for name in found}
    assert len(found) == 7
    stores = [node.store for node in neurons(model).values()]
    assert len(set(map(id, stores))) == len(stores)  # each layer has its own maximum
    assert model(images(8)).shape == (2, 3, 5)
    assert all(store.batches_tracked == 1 for store in stores)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_takes_narrow_membranes(name):
    model = small(name, "1/1/3/2", neuron=neuron_settings(kind="quant-lif"))
    x = images(SMALL[name][0])
    model(x)
    other = small(name, "1/1/3/2", neuron=neuron_settings(kind="quant-lif"))
    other.load_state_dict(model.state_dict())
    assert same(model.eval()(x), other.eval()(x))
    assert {node.membrane_bits for node in neurons(model).values()} == {2}


def vggsnn_layers(**options) -> list[str]:
    with torch.device("meta"):
        model = build_model("vggsnn", BitPlan(Bits(1, 1, 2)), sample=(3, 48, 48), num_classes=10, **options)
    names = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            assert (module.kernel_size, module.stride, module.padding) == ((3, 3), (1, 1), (1, 1))
            names.append(f"conv {module.in_channels} {module.out_channels}")
        elif isinstance(module, nn.Linear):
            names.append(f"fc {module.in_features} {module.out_features}")
        elif isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            names.append(f"{type(module).__name__} {module.kernel_size}")
        elif isinstance(module, SpikingNode):
            names.append("fire")
    return names


def test_vggsnn_is_the_papers_network():
    """64, 128, P, 256, 256, P, 512, 512, P, 512, 512, P, fc, with average pools, on 48 x 48."""
    channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    expected = []
    for index in range(8):
        expected += [f"conv {channels[index]} {channels[index + 1]}", "fire"]
        expected += ["AvgPool2d 2"] if index % 2 else []
    assert vggsnn_layers() == [*expected, f"fc {512 * 3 * 3} 10"]
    assert vggsnn_layers(channels=(8, 16, 32, 64, 64))[0] == "conv 3 8"


@pytest.mark.parametrize("name", MODELS)
def test_floats_have_no_quantizer(name):
    assert all(weight_quantizer(layer) is None for layer in synapses(small(name, "16/1/1")).values())


def test_the_quantizer_is_by_choice():
    model = small("convnet", quantizer=UniformSymmetric)
    assert all(isinstance(weight_quantizer(layer), UniformSymmetric) for layer in synapses(model).values())


def test_the_neuron_is_by_choice():
    assert {type(node) for node in neurons(small("convnet")).values()} == {MultiBitLIFNode}
    chosen = small("convnet", "2/1/2", neuron=neuron_settings(kind="lif"))
    assert {type(node) for node in neurons(chosen).values()} == {LIFNode}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet21"}, "model: got 'resnet21'; did you mean 'resnet20'"),
        ({"channels": ()}, "channels: got"),
        ({"channels": (4, 0, 4)}, "channels: got"),
        ({"channels": (4, 4)}, "want 3 numbers, one for each stage"),
        ({"plan": BitPlan(Bits(2, 2, 1), {"stem": {"w": 8}})}, "plan layer: got 'stem'"),
        ({"plan": BitPlan(Bits(2, 2, 1, 1))}, "membrane bits: got 1; want 2 to 16"),
        ({"plan": BitPlan(Bits(2, 2, 1, 17))}, "membrane bits: got 17"),
        ({"plan": BitPlan(Bits(2, 2, 1), {"stem_neuron": {"u": 1}})}, "membrane bits: got 1; want 2 to 16"),
        ({"name": "vggsnn", "channels": (2,) * 5, "sample": (3, 32, 15)}, "want at least 16 pixels a side"),
        ({"neuron": neuron_settings(kind="if")}, "spike bits: got 2"),
        ({"name": "convnet", "sample": (1, 4, 28)}, "want at least 8 pixels a side"),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    usual = {"name": "resnet8-thin", "plan": BitPlan(Bits(2, 2, 1)), "sample": (3, 8, 8), "num_classes": 5}
    with pytest.raises(UserError, match=message):
        build_model(**usual | change)


class OwnNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.neuron, self.last = nn.Linear(4, 4), IFNode(2), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(self.neuron(self.first(x)))
        return logits


def test_a_users_model_takes_weight_bits():
    model = apply_weight_bits(OwnNet(), BitPlan(Bits(3, 1, 2), {"last": {"w": 16}}))
    assert [weight_bits(layer) for layer in synapses(model).values()] == [3, 16]
    assert model(torch.randn(2, 5, 4)).shape == (2, 5, 2)


@pytest.mark.parametrize("u", [2, 8])
def test_a_users_membranes_are_what_the_plan_says(u):
    model = OwnNet()
    quantize_membrane(model.neuron, u)
    apply_weight_bits(model, BitPlan(Bits(3, 1, 2, u)))
    assert [weight_bits(layer) for layer in synapses(model).values()] == [3, 3]
    for told in (None, u + 1):
        other = OwnNet()
        quantize_membrane(other.neuron, u)
        with pytest.raises(UserError, match=rf"bits of neuron: .*steps/membrane bits \(1, 2, {u}\)"):
            apply_weight_bits(other, BitPlan(Bits(3, 1, 2, told)))


@pytest.mark.parametrize(
    ("bits", "entry"),
    [
        ("3/2/2", {}),
        ("3/1/1", {}),
        ("3/1/2/4", {}),
        ("3/1/2", {"neuron": {"s": 2}}),
        ("3/1/2", {"neuron": {"u": 2}}),
    ],
)
def test_a_users_neurons_stay_what_they_are(bits, entry):
    model = OwnNet()
    with pytest.raises(UserError, match="bits of neuron"):
        apply_weight_bits(model, BitPlan(Bits.parse(bits), entry))
    assert [weight_bits(layer) for layer in synapses(model).values()] == [16, 16]


def test_a_plan_for_a_quantized_model_is_refused():
    with pytest.raises(UserError, match="has a parametrization already"):
        apply_weight_bits(quantize_weights(OwnNet(), 3), BitPlan(Bits(3, 1, 2)))


@pytest.mark.parametrize(
    ("name", "levels"), [("resnet8-thin", {0, 1}), ("sew-resnet18", {0, 1, 2}), ("sew-resnet50", {0, 1, 2})]
)
def test_blocks_join_where_their_family_joins(name, levels):
    """Spiking ResNet joins currents, so one spike leaves a block; SEW adds the spikes of both branches."""
    model = small(name, "16/1/4", neuron=neuron_settings(kind="if", v_threshold=0.25))
    spikes = torch.randint(0, 2, (4, 2, SMALL[name][1][0], 8, 8), generator=torch.Generator().manual_seed(0)).float()
    assert set(model.blocks[0](spikes).unique().tolist()) == levels


@pytest.mark.parametrize(
    ("name", "sample", "features"),
    [
        ("vggsnn", Sample((2, 48, 48), T=10, lo=0, hi=15), 512 * 3 * 3),
        ("vggsnn", Sample((2, 128, 128), T=10, lo=0, hi=15), 512 * 8 * 8),
        ("sew-resnet-dvs", Sample((2, 128, 128), T=16, lo=0, hi=15), 32),
        ("sew-resnet-dvs-wide", Sample((2, 128, 128), T=16, lo=0, hi=15), 128),
        ("spikformer-2-256-dvs", Sample((2, 128, 128), T=16, lo=0, hi=15), 256),
        ("sparse-resnet18", Sample((2, 128, 128), T=1, lo=0, hi=255), 512),
    ],
)
def test_networks_read_trains_of_events(name, sample, features):
    with torch.device("meta"):
        model = build_model(name, BitPlan(Bits(1, 1, sample.T)), sample=sample, num_classes=11)
        logits = model.eval()(torch.empty(3, *sample.array_shape))
    assert logits.shape == (sample.T, 3, 11)
    assert [m for m in model.modules() if isinstance(m, nn.Linear)][-1].in_features == features
    assert isinstance(model.encoder, EventEncoder) == (not sample.is_image)


def test_7b_net_is_the_papers_network():
    """c32k3s1-BN-PLIF-{SEW Block-MPk2s2}*7-FC11 on 128 x 128, in which a block has two 3x3 convolutions."""
    with torch.device("meta"):
        model = build_model("sew-resnet-dvs", BitPlan(Bits(16, 1, 16)), sample=(2, 128, 128), num_classes=11)
    assert count(model) == 9 * 2 * 32 + 7 * 2 * 9 * 32 * 32 + 32 * 11
    with pytest.raises(UserError, match="want at least 128 pixels a side, or fewer channels"):
        build_model("sew-resnet-dvs", BitPlan(Bits(16, 1, 16)), sample=(2, 48, 48), num_classes=11)


@pytest.mark.parametrize("name", ["mlp", "mlp-plain", "recurrent"])
@pytest.mark.parametrize("shape", [(5,), (2, 4), (2, 3, 4)])
def test_a_fully_connected_network_reads_trains_of_any_shape(name, shape):
    sample = Sample(shape, 3, -1, 1)
    torch.manual_seed(0)
    model = build_model(name, BitPlan(Bits(16, 2, 3)), sample=sample, num_classes=4, channels=(7, 6)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(20)  # so that there are spikes
    codes = torch.randint(3, (2, *sample.array_shape), generator=torch.Generator().manual_seed(0)).byte()
    assert model(codes).shape == (3, 2, 4)
    assert not torch.equal(model(codes), model(codes.flip(1)))
    graph = lower(model, sample, name)
    assert [node.T for node in graph.neurons()] == [3, 3]
    layers = [(7,), (6,), (4,)] if name != "recurrent" else [(7,), (7,), (6,), (6,), (4,)]
    assert [graph.edges[node.name].shape for node in graph.synapses()] == layers
