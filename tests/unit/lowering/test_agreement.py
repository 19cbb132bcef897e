"""Agreement of floats and integers: nothing where they are equal; a planted error in the layer where it was planted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import BitPlan, Bits, UserError
from bitspike.backends import oracle
from bitspike.ir import FrozenGraph
from bitspike.lowering import agreement, freeze
from bitspike.lowering.agreement import Agreement, LayerAgreement
from bitspike.models import build_model
from bitspike.neurons import neuron_settings
from bitspike.quant import synapses, weight_quantizer

IMAGE, COUNT, T = (1, 8, 8), 12, 3
CLASS = 3  # that some of the images are said to be, not all
LAYERS = ("features.1", "features.4", "features.7")


def dyadic(v_reset: float | None = 0.0, channels: tuple[int, ...] = (4, 6, 8)) -> nn.Module:
    """A network whose constants float32 and fixed point both hold exactly."""
    generator = torch.Generator().manual_seed(5)

    def draw(shape: torch.Size, lo: int, hi: int) -> Tensor:
        return torch.randint(lo, hi + 1, shape, generator=generator).float()

    model = build_model(
        "convnet",
        BitPlan(Bits(3, 2, T)),
        sample=IMAGE,
        num_classes=5,
        neuron=neuron_settings(v_reset=v_reset),
        channels=channels,
    )
    for layer in synapses(model).values():
        quantizer: Any = weight_quantizer(layer)
        quantizer.step.data.fill_(0.25)
        original: Any = layer.parametrizations.weight.original  # type: ignore[union-attr]
        original.data = 0.25 * draw(original.shape, -quantizer.top, quantizer.top)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
            module.running_var = torch.ones_like(module.running_var)  # type: ignore[arg-type]
            module.running_mean = draw(module.running_mean.shape, -4, 4) / 8  # type: ignore[union-attr]
            module.weight.data = draw(module.weight.shape, 1, 8) / 8
            module.bias.data = draw(module.bias.shape, -4, 8) / 8
    return model.eval()


def images(count: int = COUNT) -> Tensor:
    return torch.randint(0, 256, (count, *IMAGE), generator=torch.Generator().manual_seed(9), dtype=torch.uint8)


def planted(net: FrozenGraph, name: str, change: int, channel: int = 0) -> FrozenGraph:
    """The network with one tensor of one op changed in one channel."""
    values = net.tensors[name].astype("int64")
    values[channel] += change
    return FrozenGraph(net.graph, {**net.tensors, name: values})


def by_name(found: Agreement) -> Mapping[str, LayerAgreement]:
    return {layer.name: layer for layer in found.layers}


@pytest.mark.parametrize("v_reset", [0.0, None, -0.25])
def test_equal_networks_agree_in_everything(v_reset: float | None) -> None:
    model = dyadic(v_reset)
    net = freeze(model, IMAGE)
    found = agreement(model, net, [images()])
    assert (found.images, found.same_class) == (COUNT, COUNT)
    assert tuple(layer.name for layer in found.layers) == LAYERS
    for layer in found.layers:
        assert layer.elements == net.graph.edges[layer.name].size * T * COUNT
        assert (layer.mismatches, layer.own, layer.farthest_own, layer.rate) == (0, 0, 0.0, 0.0)
    spikes = oracle.run(net, images().numpy())
    assert all(spikes[name].any() and not spikes[name].all() for name in LAYERS), "the networks say too little"


@pytest.mark.parametrize("at", range(3))
def test_a_planted_error_is_own_where_it_is_and_handed_down_after(at: int) -> None:
    model = dyadic()
    net = freeze(model, IMAGE)
    dynamics = net.graph[LAYERS[at]].dynamics  # type: ignore[attr-defined]
    change = 1 << (dynamics.fraction_bits - 2)  # a quarter of the threshold
    layers = by_name(agreement(model, planted(net, f"{LAYERS[at]}.current0.offset", change), [images()]))
    for before in LAYERS[:at]:
        assert (layers[before].mismatches, layers[before].own) == (0, 0)
    wrong = layers[LAYERS[at]]
    assert wrong.own == wrong.mismatches > 0
    assert wrong.rate == wrong.mismatches / wrong.elements
    assert 0 < wrong.farthest_own <= 0.25 * T
    for after in LAYERS[at + 1 :]:
        assert layers[after].mismatches > 0
        assert (layers[after].own, layers[after].farthest_own) == (0, 0.0)


def test_own_and_handed_down_errors_are_told_apart() -> None:
    """Two errors at once: the later layer has its own ones still, fewer than all."""
    model = dyadic()
    net = freeze(model, IMAGE)
    both = net
    for name in LAYERS[:2]:
        both = planted(both, f"{name}.current0.offset", 1 << (both.graph[name].dynamics.fraction_bits - 2))  # type: ignore[attr-defined]
    alone = planted(net, f"{LAYERS[1]}.current0.offset", 1 << (net.graph[LAYERS[1]].dynamics.fraction_bits - 2))  # type: ignore[attr-defined]
    layers = by_name(agreement(model, both, [images()]))
    assert layers[LAYERS[1]].own == by_name(agreement(model, alone, [images()]))[LAYERS[1]].own
    assert 0 < layers[LAYERS[1]].own < layers[LAYERS[1]].mismatches


def test_the_same_class_is_counted() -> None:
    model = dyadic()
    net = freeze(model, IMAGE)
    with torch.no_grad():
        answer = model(images()).mean(0).argmax(1).numpy()
    assert 0 < (answer == CLASS).sum() < COUNT
    readout = net.graph.nodes[-1].inputs[0]
    found = agreement(model, planted(net, f"{readout}.offset", 1 << 28, CLASS), [images()])
    assert found.same_class == int((answer == CLASS).sum())
    assert all(layer.mismatches == 0 for layer in found.layers)


def test_batches_add_up() -> None:
    model = dyadic()
    net = planted(freeze(model, IMAGE), f"{LAYERS[0]}.current0.offset", 1 << 15)
    whole = agreement(model, net, [images()])
    assert sum(layer.mismatches for layer in whole.layers) > 0
    assert agreement(model, net, images().split(5)) == whole
    assert agreement(model, net, iter(images().split(1))) == whole


def test_the_result_as_json() -> None:
    model = dyadic()
    found = agreement(model, freeze(model, IMAGE), [images()]).to_dict()
    assert found == json.loads(json.dumps(found))
    assert found.keys() == {"images", "same_class", "layers"}
    for layer in found["layers"]:
        assert layer.keys() == {"name", "elements", "mismatches", "own", "farthest_own", "rate"}


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_no_hook_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dyadic()
    net = freeze(model, IMAGE)
    before = hooks(model)
    agreement(model, net, [images()])
    assert hooks(model) == before

    def breaks(*_: object) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(model.get_submodule("features.4"), "forward", breaks)
    with pytest.raises(ZeroDivisionError):
        agreement(model, net, [images()])
    assert hooks(model) == before


def test_no_images_are_refused() -> None:
    model = dyadic()
    with pytest.raises(UserError, match="images to compare on: got 0; want at least one"):
        agreement(model, freeze(model, IMAGE), [])
