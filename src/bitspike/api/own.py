"""A network of one's own, as ``package.module:function``: the user's code, run by design."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from bitspike.api.train import configured
from bitspike.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from bitspike.training import TrainConfig

__all__ = ["own_config", "own_network", "users_code"]


@contextmanager
def users_code() -> Iterator[None]:
    """While it runs, modules of the working folder can be imported, and what is printed goes to stderr: it is no part
    of a result."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(here)


def own_network(target: str) -> nn.Module:
    """What ``package.module:function`` returns, called without arguments (within `users_code`).

    Raises:
        UserError: there is no such module or function, it fails, or it returns no network.
    """
    from torch import nn

    module, _, function = target.partition(":")
    try:
        model = getattr(importlib.import_module(module), function)()
    except (Exception, SystemExit) as wrong:
        raise UserError("model", target, f"cannot be made: {type(wrong).__name__}: {wrong}") from wrong
    if not isinstance(model, nn.Module):
        raise UserError("model", target, f"it returned {type(model).__name__}; want an nn.Module")
    return model


def own_config(label: str, dataset: str | None) -> TrainConfig:
    """How a network of one's own is fine-tuned, where nothing else is said.

    Raises:
        UserError: no data set is named.
    """
    from bitspike import conversion

    if dataset is None:
        raise UserError("--dataset", None, "want what your network classifies; see `bitspike data list`")
    own = {"recipe": label.replace(":", "-"), "model": label, "dataset": dataset, "channels": None}
    return conversion.finetune_config(configured("spikezip-convnet-digits-ann").model_copy(update=own))
