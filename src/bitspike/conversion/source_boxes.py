"""What a network of one's own that finds boxes computes, beside itself as it was read: before work is spent."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.conversion.source import as_parameters, check_same, looked_at, max_pools_of
from bitspike.data import BoxedImages
from bitspike.errors import UserError
from bitspike.layers import Encoder
from bitspike.models import MaxPools, morph
from bitspike.training.evaluate import batches
from bitspike.training.tasks import Detect

__all__ = ["SeenBoxes", "seen_boxes"]

IMAGES, AT_ONCE = 100, 8

Maps = tuple[Tensor, ...]


@dataclass(frozen=True)
class SeenBoxes:
    """A network of ReLUs as it was read, and what is known of it before it is fine-tuned. Precisions are in percent.

    Attributes:
        images: how many were looked at.
        map50: mean average precision of the network as it was read. own_map50: of its own forward.
        difference: the largest of an output from that of its own forward. largest_output: of that.
        max_pool: what max pools become (`bitspike.models.MaxPools`). max_pools: by path.
        mean_pools_map50: once they are mean pools, before anything has learned; ``None`` where they are none.
    """

    images: int
    map50: float
    own_map50: float
    difference: float
    largest_output: float
    max_pool: MaxPools
    max_pools: tuple[str, ...]
    mean_pools_map50: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@torch.no_grad()
def seen_boxes(
    model: nn.Module, images: BoxedImages, task: Detect, own: nn.Module, max_pool: MaxPools = "mean"
) -> SeenBoxes:
    """Looks at the network as it was read, in evaluation mode, and with its max pools made mean pools if they will be.

    Args:
        model: of ReLUs, with its `Encoder`: images ``[N, C, H, W]`` to maps ``[T, N, C, h, w]``.
        images: real ones, that it did not learn from. The first 100 count.
        task: what it is for.
        own: the network that it was read from: normalised images to maps ``[N, C, h, w]``.
        max_pool: what its max pools will become.

    Raises:
        UserError: the network that was given fails on images, or computes something else than was read.
    """
    images = images.first(min(IMAGES, len(images)))
    encoder = next((module for module in model.modules() if isinstance(module, Encoder)), None)

    def as_read(net: nn.Module, pixels: Tensor) -> Maps:
        return task.answers(net(pixels))

    def as_given(net: nn.Module, pixels: Tensor) -> Maps:
        answer = net(as_parameters(pixels if encoder is None else encoder(pixels)[0], net))
        maps = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
        if not all(isinstance(each, Tensor) for each in maps):
            raise UserError("model", type(net).__name__, "want a forward that returns its maps, a tuple of tensors")
        return tuple(each.float() for each in maps)

    read = _maps(model, images, as_read)
    given = read if own is model else _maps(own, images, as_given)
    for ours, theirs in zip(read, given, strict=True):
        check_same(own, theirs, ours, "output")
    pools, meaned = max_pools_of(model), None
    if pools and max_pool == "mean":
        meaned = _judged(task, images, _maps(morph(deepcopy(model)), images, as_read))
    return SeenBoxes(
        images=len(images),
        map50=_judged(task, images, read),
        own_map50=_judged(task, images, given),
        difference=max(float((one - other).abs().max()) for one, other in zip(read, given, strict=True)),
        largest_output=max(float(each.abs().max()) for each in given),
        max_pool=max_pool,
        max_pools=pools,
        mean_pools_map50=meaned,
    )


def _maps(model: nn.Module, images: BoxedImages, answer: Callable[[nn.Module, Tensor], Maps]) -> Maps:
    """What the model says of all images, a tensor for each output."""
    with looked_at(model, images.images.shape):
        parts = [[each.cpu() for each in answer(model, some)] for some in batches(images.images, AT_ONCE)]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def _judged(task: Detect, images: BoxedImages, maps: Maps) -> float:
    found = task.found([each.numpy() for each in maps], images.fitted)
    return task.judged(found, images).map50
