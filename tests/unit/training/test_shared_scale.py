"""MINT's shared scale: membranes in whole weights, trained, found again, frozen where one scale is a layer's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bitspike import Bits, UserError
from bitspike.backends import backend, oracle
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import agreement, freeze
from bitspike.neurons import NotDescribedError, describe, make_node, neuron_settings
from bitspike.quant import MembraneQuantizer, SharedMembraneQuantizer, quantize_weights, quantizer_settings
from bitspike.recipes import recipe
from bitspike.training import TrainConfig
from bitspike.training.methods import SharedScale, SharedScaleSettings
from bitspike.training.setup import make_model

SHARED = (
    "bits=1/1/3/4",
    "neuron=quant-lif",
    "quantizer=ws-dr",
    "methods.annealed-sign.last=10",
    "methods.shared-scale={}",
)
Tiny = Callable[..., TrainConfig]


def network(weights: str = "lsq", bits: Bits | None = None, norm: bool = False) -> nn.Module:
    """Three layers; with no batch norm and one step a layer, unless told otherwise."""
    torch.manual_seed(1)
    bits = bits or Bits(4, 1, 4, 3)

    def block(*layers: nn.Module) -> OverTime:
        return OverTime(*layers, *([nn.BatchNorm2d(6)] if norm else []))

    def neuron() -> nn.Module:
        return make_node(neuron_settings("quant-lif", v_threshold=0.25), bits)

    model = nn.Sequential(
        Encoder(),
        block(nn.Conv2d(1, 6, 3, padding=1, bias=False)),
        neuron(),
        block(nn.Conv2d(6, 6, 3, padding=1, bias=False)),
        neuron(),
        OverTime(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6, 4, bias=False)),
    )
    quantize_weights(model, bits.w, quantizer=quantizer_settings(weights).make)
    model = SharedScale(SharedScaleSettings()).prepare(model, recipe("digits-convnet"))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (8, 1, 4, 4)).float())
    return model.eval()


@given(st.lists(st.integers(-40, 40), min_size=6, max_size=6), st.integers(2, 5))
def test_a_membrane_is_a_whole_number_of_weights(sixteenths: list[int], bits: int) -> None:
    norm = nn.BatchNorm2d(3, eps=0.0).eval()
    norm.weight.data = torch.tensor([2.0, -1.0, 0.5])
    layer = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False))
    rows = [[1.0, -1.0], [-0.5, -0.5], [0.25, 0.25]]  # exact, as the norms are
    layer[0].weight.data = torch.tensor(rows).view(3, 2, 1, 1)
    quantize_weights(layer, 1, quantizer=quantizer_settings("binary").make)
    store = SharedMembraneQuantizer(bits, layer[0], norm)
    a = layer[0].weight.detach().abs().amax((1, 2, 3))
    v = torch.tensor(sixteenths).view(1, 3, 2, 1) * (a / 16).view(1, 3, 1, 1)
    top = 2 ** (bits - 1) - 1
    for c, gain in enumerate((2.0, 1.0, 0.5)):
        step = float(a[c]) * gain
        wanted = [min(top, max(-top, int(np.floor(n / 16 / gain + 0.5)))) for n in sixteenths[2 * c : 2 * c + 2]]
        assert torch.allclose(store(v)[0, c, :, 0], torch.tensor(wanted) * step, rtol=1e-5, atol=1e-6)


def test_a_copy_has_the_scale_of_its_own_weights() -> None:
    model = network()
    copy = deepcopy(model)
    quantizer = copy[3].get_submodule("0").parametrizations.weight[0]
    quantizer.step.data *= 2
    assert copy[4].store.step_size() == 2 * model[4].store.step_size()
    assert copy.state_dict().keys() == model.state_dict().keys()
    assert not any("scaled_by" in key for key in model.state_dict())


def test_it_trains_and_is_found_again(tiny: Tiny, losses: Callable[..., list[float]]) -> None:
    config = tiny(*SHARED, "epochs=1", "train_size=128")
    assert np.isfinite(losses(config)).all()
    model = make_model(config)
    stores = [type(module) for module in model.modules() if isinstance(module, MembraneQuantizer)]
    assert stores == [MembraneQuantizer, SharedMembraneQuantizer, SharedMembraneQuantizer]  # the first reads the image


def test_where_all_channels_have_one_scale_it_freezes_and_equals_everywhere() -> None:
    model = network()
    net = freeze(model, (1, 4, 4), "mint")
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    found = agreement(model, net, [torch.from_numpy(images)])
    assert sum(layer.own for layer in found.layers) <= 2e-3 * sum(layer.elements for layer in found.layers)
    assert {int(node.top) for node in net.graph.neurons()} == {3}
    wanted = oracle.run(net, images)
    fired = [wanted[node.name] for node in net.graph.neurons()]
    assert all(each.any() and not each.all() for each in fired)
    for engine in ("native", *(("c",) if shutil.which("cc") else ())):
        logits, edges = backend(engine).trace(net, images)
        assert np.array_equal(logits, oracle.logits(net, images))
        assert all(np.array_equal(edges[name], wanted[name]) for name in edges)
    model[4].store = SharedMembraneQuantizer(3, model[1].get_submodule("0"))  # another layer's scale: a planted error
    assert agreement(model, net, [torch.from_numpy(images)]).layers[1].own > found.layers[1].own


@pytest.mark.parametrize(("weights", "norm"), [("lsq", True), ("lsq-channel", False)])
def test_scales_of_channels_are_refused_when_it_is_frozen(weights: str, norm: bool) -> None:
    model = network(weights, norm=norm)
    with pytest.raises(NotDescribedError, match="want one for all channels"):
        describe(model[4])
    with pytest.raises(UserError, match=r"neuron 4|fire 4"):
        freeze(model, (1, 4, 4), "mint")


def test_what_has_no_one_scale_is_refused_by_its_neuron(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r"neuron 4: got 'Identity'; want membrane bits"):
        network(bits=Bits(4, 1, 4))
    with pytest.raises(UserError, match="floats have no scale to share"):
        make_model(tiny(*SHARED, "bits=16/1/3/4"))
    with pytest.raises(UserError, match=r"got 'TanhMembraneQuantizer'; want .*neuron\.membrane=carry"):
        make_model(tiny(*SHARED, "neuron.membrane=carry-tanh"))
    with pytest.raises(UserError, match="what is added has scales of its own"):
        make_model(tiny(*SHARED, "model=resnet8-thin"))
    with pytest.raises(UserError, match="have no step that a membrane could share"):
        SharedMembraneQuantizer(4, nn.Linear(2, 2)).steps()
