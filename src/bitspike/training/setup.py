"""From a config to what it names: images, model, graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bitspike.data import ImageSet, find_dataset, load, split_validation
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import per_path
from bitspike.lowering import lower
from bitspike.models import build_model, morph
from bitspike.quant import LSQ, AdaptiveWeights, UniformSymmetric, binary
from bitspike.quant.attach import QuantizerFactory
from bitspike.training.config import QuantizerName, TrainConfig
from bitspike.training.learned_bits import fix_bits

__all__ = ["Images", "convertible", "graph_of", "load_images", "make_model", "quantizer_of"]


@dataclass(frozen=True)
class Images:
    """The three parts of a data set. ``test`` is for the one evaluation at the end."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet


def load_images(config: TrainConfig, data_dir: Path | None) -> Images:
    """Reads the data set and splits the validation images off (by class; the same ones whatever the seed of the run).

    Raises:
        UserError: the data set is unknown, missing or broken, or smaller than the config asks for.
    """
    train, test = load(config.dataset, data_dir)
    train, validation = split_validation(train, config.validation_size)
    if config.train_size is not None:
        if config.train_size > len(train):
            raise UserError("train_size", config.train_size, f"want at most {len(train)}")
        if config.train_size < len(train):
            train = split_validation(train, config.train_size)[1]  # balanced over the classes
    return Images(train, validation, test)


def make_model(config: TrainConfig) -> nn.Module:
    """A fresh model, initialised from the config's seed.

    Raises:
        UserError: a config that does not fit its model.
    """
    torch.manual_seed(config.seed)
    dataset = find_dataset(config.dataset)
    model = build_model(
        config.model,
        config.plan,
        image_shape=dataset.image_shape,
        num_classes=dataset.num_classes,
        neuron=config.neuron,
        quantizer=quantizer_of(config),
        channels=config.channels,
    )
    if config.sign_temperature and config.quantizer not in _SIGNS:
        wanted = f"null: the quantizer {config.quantizer} has no temperature; {', '.join(_SIGNS)} have"
        raise UserError("sign_temperature", config.sign_temperature, f"want {wanted}")
    fix_bits(model, config)
    return convertible(model, config)


def convertible(model: nn.Module, config: TrainConfig) -> nn.Module:
    """``model`` as the config's ``q-relu`` want it: morphed, and with batch norm for each path. Others stay."""
    if config.neuron.kind == "q-relu":
        model = morph(model, config.reroute)
        return per_path(model, 1 + len(config.neuron.paths)) if config.neuron.paths else model
    if config.reroute:
        raise UserError("reroute", True, "only a network of neuron.kind=q-relu is re-routed")
    return model


def quantizer_of(config: TrainConfig) -> QuantizerFactory:
    """The config's quantizer of weights."""
    quantizers: dict[QuantizerName, QuantizerFactory] = {
        "lsq": LSQ,
        "lsq-channel": partial(LSQ, channelwise=True),
        "adaptive": partial(AdaptiveWeights, spare=config.neuron.spare_bits),
        "uniform": UniformSymmetric,
        "binary": partial(binary, over="nothing"),
        "ws-dr": binary,
        "ws-dr-paper": partial(binary, over="layer"),
        "ws-dr-code": partial(binary, power_of_two=True),
    }
    return quantizers[config.quantizer]


_SIGNS = ("binary", "ws-dr", "ws-dr-paper", "ws-dr-code")


def graph_of(config: TrainConfig, model: nn.Module) -> Graph:
    """The structural graph of the config's model."""
    return lower(model, find_dataset(config.dataset).image_shape, config.model)
