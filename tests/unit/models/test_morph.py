"""SNN-friendly morphing: pools, dropout, re-routed residuals, one step for what is added."""

import pytest
import torch
from torch import nn

from bitspike import BitPlan, Bits, UserError
from bitspike.layers import Encoder, OverTime
from bitspike.lowering import lower
from bitspike.models import build_model, morph
from bitspike.neurons import QReLU, neuron_settings

SHAPE = (3, 8, 8)


def network(name: str, channels: tuple[int, ...] = (4, 5, 6), **neuron) -> nn.Module:
    torch.manual_seed(0)
    config = neuron_settings(kind="q-relu", levels=4, **neuron)
    return build_model(name, BitPlan(Bits(16, 3, 1)), sample=SHAPE, num_classes=5, neuron=config, channels=channels)


def neurons(model: nn.Module) -> dict[str, QReLU]:
    return {name: module for name, module in model.named_modules() if isinstance(module, QReLU)}


@pytest.mark.parametrize("reroute", [False, True])
def test_parameters_keep_their_names_and_values(reroute):
    before = network("resnet8-thin")
    wanted = before.state_dict()
    found = morph(network("resnet8-thin"), reroute).state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    extra = {f"blocks.{block}.neuron2_shortcut.step_size" for block in (1, 2)}
    assert found.keys() - wanted.keys() == (extra if reroute else set())


def by_hand(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Re-routed blocks, as Fig. 3 draws them."""
    there = neurons(model)
    x = there["stem_neuron"](model.stem(model.encoder(x)))
    for index in range(3):
        block = model.blocks.get_submodule(str(index))
        main = there[f"blocks.{index}.neuron2"](block.conv2(block.neuron1(block.conv1(x))))
        short = there[f"blocks.{index}.neuron2_shortcut"](block.shortcut(x)) if index else x
        x = main + short
    return model.head(x)


def test_rerouted_blocks_are_those_of_the_figure():
    model = morph(network("resnet8-thin"), True)
    x = torch.randint(0, 256, (6, *SHAPE), dtype=torch.uint8)
    model(x)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), by_hand(model, x))


def test_what_is_added_shares_its_step():
    there = neurons(morph(network("resnet8-thin"), True))
    first = [there[name].step_size for name in ("stem_neuron", "blocks.0.neuron2")]
    assert first[0] is first[1]
    assert there["blocks.1.neuron2"].step_size is there["blocks.1.neuron2_shortcut"].step_size
    assert there["blocks.1.neuron2"].step_size is not there["blocks.2.neuron2"].step_size
    assert len({id(there[f"blocks.{i}.neuron1"].step_size) for i in range(3)}) == 3


def test_a_chain_of_sums_shares_one_step():
    there = neurons(morph(network("resnet20-thin"), True))
    stage = [there["stem_neuron"], *(there[f"blocks.{i}.neuron2"] for i in range(3))]
    assert len({id(neuron.step_size) for neuron in stage}) == 1


def test_a_sum_of_spikes_is_an_integer_edge_only_because_of_it():
    model = morph(network("resnet8-thin"), True)
    model(torch.randint(0, 256, (6, *SHAPE), dtype=torch.uint8))
    graph = lower(model.eval(), SHAPE)
    sums = [graph.edges[node.name] for node in graph.nodes if type(node).__name__ == "Add"]
    assert [(edge.lo, edge.hi) for edge in sums] == [(0, 8)] * 3


def test_without_rerouting_the_sum_is_read_by_its_neuron():
    model = morph(network("resnet8-thin"))
    assert len({id(neuron.step_size) for neuron in neurons(model).values()}) == len(neurons(model))


def test_max_pools_become_mean_pools_and_dropout_goes():
    model = network("convnet")
    model.features.insert(2, nn.Dropout())
    morph(model)
    kinds = {type(module) for module in model.modules()}
    assert nn.AvgPool2d in kinds
    assert not kinds & {nn.MaxPool2d, nn.Dropout}


def test_a_new_neuron_has_the_paths_of_its_sum():
    there = neurons(morph(network("resnet8-thin", paths=(2, 1), scaled=False), True))
    made = there["blocks.1.neuron2_shortcut"]
    assert (made.levels, made.paths, made.scaled) == (4, (2, 1), False)


def test_max_pools_that_will_spike_stay_as_they_are():
    model = nn.Sequential(Encoder(), OverTime(nn.Conv2d(3, 4, 3)), QReLU(4), OverTime(nn.MaxPool2d(2), nn.Dropout()))
    pool = model[3][0]
    assert morph(model, max_pool="spiking")[3][0] is pool
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())


@pytest.mark.parametrize("max_pool", ["mean", "spiking"])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, dilation=2)])
def test_max_pools_that_no_other_stands_for_are_refused(pool, max_pool):
    with pytest.raises(UserError, match="max pool 1"):
        morph(nn.Sequential(nn.Identity(), pool))


@pytest.mark.parametrize("between", [(), (nn.BatchNorm2d(4),), (nn.Identity(), nn.AvgPool2d(1))])
def test_a_max_pool_of_a_current_becomes_no_mean(between):
    """The mean of a current is far from its maximum; that of spikes is near."""
    layers = nn.Conv2d(3, 4, 3), *between, nn.MaxPool2d(2)
    with pytest.raises(UserError, match=f"max pool 1.{1 + len(between)}: got 'a current'; wants spikes"):
        morph(nn.Sequential(Encoder(), OverTime(*layers), QReLU(4)))
    morph(nn.Sequential(Encoder(), OverTime(*layers[:-1]), QReLU(4), OverTime(nn.MaxPool2d(2))))
