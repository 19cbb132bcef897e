"""The network of a run, with the weights that it was trained to."""

from __future__ import annotations

from torch import nn

from bitspike.training.checkpoint import load_model
from bitspike.training.run_folder import RunFolder
from bitspike.training.setup import make_model

__all__ = ["trained_model"]


def trained_model(folder: RunFolder) -> nn.Module:
    """The network of the run's config with the weights of its last checkpoint, on the CPU, in evaluation mode.

    Raises:
        UserError: no run, no checkpoint, or one that is broken or of another network.
    """
    model = make_model(folder.read_config())
    load_model(folder.checkpoint_file, model)
    return model.eval()
