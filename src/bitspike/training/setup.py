"""From a config to what it names: images, model, graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bitspike.data import Dataset, ImageSet, load_of, split_validation
from bitspike.data.streamed import StreamedImages
from bitspike.datasets.sources import BOTH
from bitspike.errors import UserError, closest
from bitspike.importing import is_import_path
from bitspike.ir import Graph
from bitspike.layers import Encoder
from bitspike.lowering import lower
from bitspike.models import MODELS, apply_weight_bits, build_model, own_network
from bitspike.neurons import BaseNode, QReLU
from bitspike.training.config import TrainConfig
from bitspike.training.described import found_dataset
from bitspike.training.methods import METHODS, methods_of
from bitspike.training.trains import checked_dataset

__all__ = ["Images", "as_named", "encoder_of", "fitted", "graph_of", "load_images", "make_model", "prepared"]


HELD = 1 << 28
"""Bytes of a split of pictures that is read at once; a larger one is read batch by batch."""


@dataclass(frozen=True)
class Images:
    """The three parts of a data set. ``test`` is for the one evaluation at the end."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet


def load_images(config: TrainConfig, data_dir: Path | None, dataset: Dataset | None = None) -> Images:
    """Reads the data set and splits the validation images off (by class; the same ones whatever the seed of the run).

    Args:
        dataset: the data set itself, where it was given as an object.

    Raises:
        UserError: the data set is unknown, missing or broken, or smaller than the config asks for.
    """
    checked_dataset(config)  # before anything is read
    found = found_dataset(config, dataset)
    train, test = (held(load_of(found, split, data_dir)) for split in BOTH)
    if "validation" in found.images:  # of its own
        validation = part_of(held(load_of(found, "validation", data_dir)), "validation_size", config.validation_size)
    else:
        train, validation = split_validation(train, config.validation_size)
    if config.train_size is not None:
        train = part_of(train, "train_size", config.train_size)
    return Images(train, validation, test)


def part_of(images: ImageSet, key: str, size: int) -> ImageSet:
    """So many of them, balanced over the classes.

    Raises:
        UserError: more than there are.
    """
    if size > len(images):
        raise UserError(key, size, f"want at most {len(images)}")
    return images if size == len(images) else split_validation(images, size)[1]


def held(images: ImageSet) -> ImageSet:
    """Pictures in files, read once where all fit in little memory: a damaged one is found before any work is done."""
    streamed: Any = images.images
    if not isinstance(streamed, StreamedImages) or streamed.pictures.bytes > HELD:
        return images
    return replace(images, images=streamed.read())


def make_model(config: TrainConfig) -> nn.Module:
    """A fresh model, initialised from the config's seed.

    Raises:
        UserError: a config that does not fit its model, or a model that was given as an object.
    """
    torch.manual_seed(config.seed)
    if is_import_path(config.model):
        return fitted(own_network(config.model), config)
    if config.model not in MODELS:
        again = "or package.module:function of your own; a network that was given as an object cannot be made again"
        raise UserError("model", config.model, f"{closest(config.model, MODELS)}; {again}")
    dataset = checked_dataset(config)
    model = build_model(
        config.model,
        config.plan,
        sample=dataset.sample,
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


def fitted(model: nn.Module, config: TrainConfig) -> nn.Module:
    """A network of one's own with the config's weight bits and methods, changed in place or another.

    Raises:
        UserError: what a config says of the networks of the registry, or what does not fit this one.
    """
    if config.channels is not None:
        raise UserError("channels", config.channels, f"{config.model} has its own; want channels=null")
    if not any(isinstance(module, BaseNode | QReLU | Encoder) for module in model.modules()):
        wanted = "it has no neurons and no Encoder; bitspike.train and bitspike.convert take it as it is"
        raise UserError("model", config.model, wanted)
    return prepared(apply_weight_bits(model, config.plan, config.quantizer), config)


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
    """The structural graph of the config's model.

    Raises:
        UserError: what has no op, by its path in the model, or other logits than one for each class.
    """
    dataset = checked_dataset(config)
    graph = lower(model, dataset.sample, config.model, config.readout)
    if graph.classes != dataset.num_classes:
        seen = ", ".join(str(edge.shape) for edge in graph.outputs)
        raise UserError("logits", seen, f"want {dataset.num_classes}, one for each class of {config.dataset}")
    (answer,) = graph.outputs
    if config.readout == "each" and answer.T != dataset.sample.T:
        seen = f"of {answer.T} steps"
        raise UserError("logits", seen, f"want {dataset.sample.T}, one for each step of {config.dataset}")
    return graph


def as_named(config: TrainConfig, model: nn.Module) -> TrainConfig:
    """The config of a run that trains ``model``, where that is given as an object.

    It names the network of the registry only if this is one; else the object's class, from which no command can make
    it again, and says so. An import path stays, as the caller's word.
    """
    if is_import_path(config.model) or config.model not in MODELS:
        return config
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.device("meta"):  # shapes are enough
        named = make_model(config)
    shapes = [{name: value.shape for name, value in m.state_dict().items()} for m in (named, model)]
    if shapes[0] == shapes[1] and graph_of(config, named) == graph_of(config, model):
        return config
    return config.model_copy(update={"model": f"{type(model).__module__}.{type(model).__qualname__}"})
