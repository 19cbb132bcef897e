"""From a config to what it names: images, model, graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bitspike.data import ImageSet, find_dataset, load, split_validation
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import Encoder
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.training.config import TrainConfig
from bitspike.training.methods import METHODS, methods_of

__all__ = ["Images", "encoder_of", "graph_of", "load_images", "make_model", "prepared"]


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
    if encoder := encoder_of(config):
        for path in [path for path, module in model.named_modules() if isinstance(module, Encoder)]:
            model.set_submodule(path, encoder)
    return prepared(model, config)


def encoder_of(config: TrainConfig) -> Encoder | None:
    """What makes images levels, where the config says how they are normalised.

    Raises:
        UserError: a mean or std that no pixels have.
    """
    given = config.mean is not None or config.std is not None
    return Encoder(mean=config.mean, std=config.std) if given else None


def prepared(model: nn.Module, config: TrainConfig) -> nn.Module:
    """``model`` as the config's methods want it, changed in place or another.

    Raises:
        UserError: a model that a method does not fit, or that needs one that the config leaves out.
    """
    for name, method in METHODS.items():
        if name not in config.methods:
            model = method.without(model, config)
    for chosen in methods_of(config).values():
        model = chosen.prepare(model, config)
    return model


def graph_of(config: TrainConfig, model: nn.Module) -> Graph:
    """The structural graph of the config's model."""
    return lower(model, find_dataset(config.dataset).image_shape, config.model)
