"""From a config to what it names: images, model, graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bitspike.data import ImageSet, find_dataset, load, split_validation
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import per_path
from bitspike.lowering import lower
from bitspike.models import build_model, morph
from bitspike.neurons import QReLUSettings
from bitspike.quant import QUANTIZERS
from bitspike.training.config import TrainConfig
from bitspike.training.learned_bits import fix_bits

__all__ = ["Images", "convertible", "graph_of", "load_images", "make_model"]


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
        quantizer=config.quantizer,
        channels=config.channels,
    )
    if config.sign_temperature and not config.quantizer.anneals:
        able = ", ".join(kind for kind, settings in QUANTIZERS.items() if settings.anneals)
        wanted = f"null: the quantizer {config.quantizer.kind} has no temperature; {able} have"
        raise UserError("sign_temperature", config.sign_temperature, f"want {wanted}")
    fix_bits(model, config)
    return convertible(model, config)


def convertible(model: nn.Module, config: TrainConfig) -> nn.Module:
    """``model`` as the config's ``q-relu`` want it: morphed, and with batch norm for each path. Others stay."""
    if isinstance(config.neuron, QReLUSettings):
        model = morph(model, config.reroute)
        return per_path(model, 1 + len(config.neuron.paths)) if config.neuron.paths else model
    if config.reroute:
        raise UserError("reroute", True, "only a network of neuron.kind=q-relu is re-routed")
    return model


def graph_of(config: TrainConfig, model: nn.Module) -> Graph:
    """The structural graph of the config's model."""
    return lower(model, find_dataset(config.dataset).image_shape, config.model)
