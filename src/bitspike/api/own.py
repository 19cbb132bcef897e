"""The network that a config names, where it may be one of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bitspike.errors import UserError
from bitspike.importing import is_import_path, users_code

if TYPE_CHECKING:
    from torch import nn

    from bitspike.training import TrainConfig

__all__ = ["adopted", "network_of", "own_config", "own_training", "warn_of_no_integers"]

OWN_BITS = "4/2/1"
"""What a network of one's own has whose neurons and weights say nothing."""


def network_of(config: TrainConfig) -> nn.Module:
    """A fresh network of the config, initialised from its seed.

    Raises:
        UserError: no such network, one that was given as an object, or a config that does not fit it.
    """
    import torch

    from bitspike.models import own_network
    from bitspike.training.setup import fitted, make_model

    if not is_import_path(config.model):
        return make_model(config)
    torch.manual_seed(config.seed)
    return fitted(adopted(own_network(config.model), config), config)


def adopted(model: nn.Module, config: TrainConfig) -> nn.Module:
    """A network of the house: a plain one is copied, with the config's neurons in place of its ReLUs.

    Raises:
        UserError: a layer or an operator that has no counterpart, with its path in the model.
    """
    from bitspike import conversion
    from bitspike.neurons import BaseNode, make_node
    from bitspike.training.setup import encoder_of

    if any(isinstance(module, BaseNode) for module in model.modules()):
        return model
    with users_code():
        return conversion.adopt(model, lambda: make_node(config.neuron, config.bits), encoder_of(config))


def warn_of_no_integers(model: nn.Module, config: TrainConfig) -> None:
    """Warns, before it is trained, of a network that no freezing will make integers of."""
    from bitspike.lowering import check_freezable
    from bitspike.training.setup import graph_of

    graph = graph_of(config, model)
    try:
        check_freezable(graph)
    except UserError as why:
        warnings.warn(f"what is trained cannot be frozen: {why}", stacklevel=3)


def own_training(label: str, edits: Iterable[str], boxes: bool = False) -> TrainConfig:
    """How a network of one's own is trained, where nothing else is said: as the digits' recipe, or that of ``boxes``.

    Its neurons keep their bits; its weights have 4, and a plain network's neurons 2, unless an edit says otherwise.

    Raises:
        UserError: no such network.
    """
    from bitspike.api.train import configured
    from bitspike.bits import Bits
    from bitspike.models.registry import bits_of_own

    config = configured("yolo-tiny-bccd" if boxes else "digits-convnet").model_copy(
        update={"recipe": label.replace(":", "-"), "model": label, "channels": None, "bits": Bits.parse(OWN_BITS)}
    )
    if boxes:
        config = config.model_copy(update={"detection": None, "layers": {}})
    if any(edit.partition("=")[0] in ("bits", "layers", "model") for edit in edits):
        return config
    from bitspike.models import own_network

    plan = bits_of_own(own_network(label), config.bits)
    return config.model_copy(update={"bits": plan.default, "layers": dict(plan.layers)})


def own_config(label: str, dataset: str | None) -> TrainConfig:
    """How a network of one's own is fine-tuned, where nothing else is said.

    Raises:
        UserError: no data set is named, or one that is unknown.
    """
    from bitspike import conversion
    from bitspike.api.own_data import on_boxes, on_dataset
    from bitspike.api.train import configured
    from bitspike.datasets import find_dataset
    from bitspike.datasets.detection_sets import is_detection

    if dataset is None:
        raise UserError("--dataset", None, "want what your network classifies; see `bitspike data list`")
    own = {"recipe": label.replace(":", "-"), "model": label, "channels": None}
    if is_detection(dataset):
        config = configured("spikezip-yolo-tiny-bccd-ann").model_copy(update={**own, "detection": None})
        return conversion.finetune_config(on_boxes(config, dataset))
    found = find_dataset(dataset)
    own["dataset"] = found.name
    config = conversion.finetune_config(configured("spikezip-convnet-digits-ann").model_copy(update=own))
    return on_dataset(config, found) if found.own else config
