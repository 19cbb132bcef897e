"""The network of a run, with the weights that it was trained to."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bitspike.training.checkpoint import load_model
from bitspike.training.config import TrainConfig
from bitspike.training.run_folder import RunFolder
from bitspike.training.setup import make_model

__all__ = ["trained_model"]


def trained_model(folder: RunFolder, network: Callable[[TrainConfig], nn.Module] = make_model) -> nn.Module:
    """The network of the run's config with the weights of its last checkpoint, on the CPU, in evaluation mode.

    Args:
        folder: of the run.
        network: makes a fresh one of a config.

    Raises:
        UserError: no run, no checkpoint, or one that is broken or of another network.
    """
    model = network(folder.read_config())
    load_model(folder.checkpoint_file, model)
    return model.eval()
