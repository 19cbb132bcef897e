"""The recipes of paper 002: its published numbers, and networks that exist."""

from __future__ import annotations

import pytest
import torch

from bitspike import Bits
from bitspike.data import find_dataset
from bitspike.neurons import SpikingNode
from bitspike.quant import BinaryRegulated, MaxScaled, synapses, weight_quantizer
from bitspike.recipes import qsnn, recipe
from bitspike.training import TrainConfig
from bitspike.training.methods import AnnealedSignSettings, SpikeRegulationSettings
from bitspike.training.setup import graph_of, make_model

NAMES = [name.replace("_", "-") for name in qsnn.__all__]
FULL = [name for name in NAMES if "thin" not in name]
every_recipe = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("name", FULL)
def test_the_published_numbers(name: str) -> None:
    config = recipe(name)
    optimizer, loss, neuron = config.optimizer, config.loss, config.neuron
    assert (optimizer.kind, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.1, 0.9, 1e-4)
    assert (optimizer.warmup_epochs, config.batch_size, config.epochs) == (0, 256, 300)
    assert (loss.kind, loss.tet_lambda, loss.label_smoothing) == ("tet", 0, 0)  # cross-entropy of every step
    assert config.methods == {
        "spike-regulation": SpikeRegulationSettings(weight=1e-3, reduction="mean"),
        "annealed-sign": AnnealedSignSettings(first=0.1, last=10),
    }
    assert config.quantizer.kind == "ws-dr"
    assert (neuron.kind, neuron.tau, neuron.v_reset, neuron.detach_reset) == ("quant-lif", 2.0, 0.0, False)
    assert (neuron.surrogate_function, neuron.membrane) == (None, "carry")
    assert config.augment == ("crop4", "flip", "autoaugment", "cutout16")
    assert set(map(str, config.layers.values())) == {"{'w': 8}"}


def test_steps_by_network_and_data() -> None:
    assert {name: recipe(name).bits for name in NAMES} == {
        "qsnn-resnet19-cifar10": Bits(1, 1, 2, 2),
        "qsnn-resnet19-cifar100": Bits(1, 1, 2, 2),
        "qsnn-vgg16-cifar10": Bits(1, 1, 4, 2),
        "qsnn-vggsnn-cifar10": Bits(1, 1, 10, 2),
        "qsnn-vggsnn-thin-fashion": Bits(1, 1, 2, 2),
        "qsnn-resnet8-thin-cifar10": Bits(1, 1, 2, 2),
    }


def on_meta(config: TrainConfig) -> torch.nn.Module:
    with torch.device("meta"):
        return make_model(config)


@every_recipe
def test_its_network_has_8_bits_at_the_ends_and_signs_between(name: str) -> None:
    config = recipe(name)
    model = on_meta(config)
    layers = synapses(model)
    ends = (next(iter(layers)), next(reversed(layers)))
    assert tuple(config.layers) == ends
    for layer_name, layer in layers.items():
        quantizer = weight_quantizer(layer)
        assert quantizer is not None
        kind, bits = (MaxScaled, 8) if layer_name in ends else (BinaryRegulated, 1)
        assert (type(quantizer), quantizer.bits) == (kind, bits), layer_name
    neurons = [module for module in model.modules() if isinstance(module, SpikingNode)]
    assert {(node.T, node.membrane_bits) for node in neurons} == {(config.bits.t, 2)}


@every_recipe
def test_its_graph_carries_the_bits(name: str) -> None:
    config = recipe(name)
    graph = graph_of(config, on_meta(config))
    assert {node.weight_bits for node in graph.synapses() if node.name in config.layers} == {8}
    assert {node.weight_bits for node in graph.synapses() if node.name not in config.layers} == {1}
    assert {node.membrane_bits for node in graph.neurons()} == {2}
    assert graph.edges[graph.nodes[0].name].shape == find_dataset(config.dataset).sample.shape
