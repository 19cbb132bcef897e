"""A network of one's own, as ``package.module:function``: the user's code, run by design."""

from __future__ import annotations

from torch import nn

from bitspike.errors import UserError
from bitspike.importing import made

__all__ = ["own_network"]


def own_network(target: str) -> nn.Module:
    """What ``package.module:function`` returns, called without arguments.

    Raises:
        UserError: there is no such module or function, it fails, or it returns no network.
    """
    model = made("model", target)
    if not isinstance(model, nn.Module):
        raise UserError("model", target, f"it returned {type(model).__name__}; want an nn.Module")
    return model
