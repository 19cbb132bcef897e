"""From a config to what it names: images, model, graph."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from bitspike.datasets import Dataset
from bitspike.errors import UserError, closest
from bitspike.importing import is_import_path
from bitspike.ir import Graph
from bitspike.layers import Encoder
from bitspike.lowering import lower
from bitspike.models import MODELS, apply_weight_bits, build_model, own_network
from bitspike.neurons import BaseNode, QReLU
from bitspike.training.config import TrainConfig
from bitspike.training.methods import METHODS, methods_of
from bitspike.training.tasks import Images, task_of

__all__ = ["as_named", "encoder_of", "fitted", "graph_of", "load_images", "make_model", "prepared"]


def load_images(config: TrainConfig, data_dir: Path | None, dataset: Dataset | None = None) -> Images:
    """See `bitspike.training.tasks.Task.load`."""
    return task_of(config).load(data_dir, dataset)


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
    task = task_of(config)
    model = build_model(
        config.model,
        config.plan,
        sample=task.sample,
        num_classes=len(task.classes),
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
        UserError: what has no op, by its path in the model, or other answers than the data set asks for.
    """
    task = task_of(config)
    graph = lower(model, task.sample, config.model, config.readout)
    task.check(graph)
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
