"""The network that a config names, where it may be one of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitspike.errors import UserError
from bitspike.importing import is_import_path, users_code

if TYPE_CHECKING:
    from torch import nn

    from bitspike.training import TrainConfig

__all__ = ["adopted", "network_of", "own_config"]


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


def own_config(label: str, dataset: str | None) -> TrainConfig:
    """How a network of one's own is fine-tuned, where nothing else is said.

    Raises:
        UserError: no data set is named, or one that is unknown.
    """
    from bitspike import conversion, data
    from bitspike.api.train import configured

    if dataset is None:
        raise UserError("--dataset", None, "want what your network classifies; see `bitspike data list`")
    own = {
        "recipe": label.replace(":", "-"),
        "model": label,
        "dataset": data.find_dataset(dataset).name,
        "channels": None,
    }
    return conversion.finetune_config(configured("spikezip-convnet-digits-ann").model_copy(update=own))
