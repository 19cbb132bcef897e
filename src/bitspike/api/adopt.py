"""`bitspike.adopt`: a model of another framework, as a network of the house."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.files import at_home

if TYPE_CHECKING:
    from torch import nn

    from bitspike.layers import Encoder, EventEncoder

__all__ = ["adopt"]


def adopt(
    model: nn.Module | str | Path, T: int | None = None, *, encoder: Encoder | EventEncoder | None = None
) -> nn.Module:
    """Takes a model of SpikingJelly or snnTorch in, or a NIR file: its weights, and neurons that send the same spikes.

    From there on it is any network of one's own: trained, given quantized weights, costed, frozen and exported.

    >>> net = bitspike.adopt(torch.nn.Sequential(torch.nn.Flatten(), model))
    >>> bitspike.cost(net, sample=(1, 28, 28)).total.macs
    794000

    Args:
        model: of one framework. It may loop over the steps in its forward, take all of them at once, or take one. Or
            the path of a NIR file, whose floats count; `bitspike.from_nir` reads the integers of one of ours.
        T: steps, where the model leaves them to its user.
        encoder: how it sees its input: ``Encoder(mean=..., std=...)`` of images, by default pixels/255, or
            ``EventEncoder(sample)`` of trains.

    Returns:
        Codes ``[N, ...]`` to what its last layer sends at each step, ``[T, N, K]``. Sums and means of that at the end
        of the model's forward are left out: the readout is the mean.

    Raises:
        UserError: a class or an operator that has no counterpart, by its path in the model; steps that are not alike.
    """
    from bitspike import frameworks

    return frameworks.adopt(at_home(model) if isinstance(model, str | Path) else model, T, encoder)
