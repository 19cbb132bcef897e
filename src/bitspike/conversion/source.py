"""What a network that is to be converted computes, beside the same network as it was read: before work is spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.data import ImageSet
from bitspike.errors import UserError
from bitspike.layers import Encoder, Normalization, OverTime, mean_over_time
from bitspike.models import MaxPools, morph

__all__ = ["Seen", "as_parameters", "check_same", "looked_at", "max_pools_of", "seen"]

IMAGES, TRIED = 1000, 200
"""Images that networks are compared on; that other normalisations are tried on."""
BATCH = 100
FAR = 5.0
"""Points of accuracy that are too many to be chance."""

Each = tuple[float, ...]
USUAL: Mapping[str, tuple[Each, Each]] = MappingProxyType(
    {
        "pixels/255": ((0.0,), (1.0,)),
        "-1 to 1": ((0.5,), (0.5,)),
        "(pixel - 128)/64": ((128 / 255,), (64 / 255,)),
        "MNIST": ((0.1307,), (0.3081,)),
        "Fashion-MNIST": ((0.2860,), (0.3530,)),
        "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "pixels": ((0.0,), (1 / 255,)),
    }
)
"""Means and stds that networks are trained with."""


@dataclass(frozen=True)
class Seen:
    """A network of ReLUs as it was read, and what is known of it before it is fine-tuned. Accuracies are in percent.

    Attributes:
        images: how many were looked at.
        accuracy: of the network as it was read.
        own_accuracy: of its own forward; ``None`` of a network of the house.
        difference: the largest of a logit from that of its own forward.
        largest_logit: of its own forward.
        max_pool: what max pools become (`bitspike.models.MaxPools`).
        max_pools: by path.
        mean_pools_accuracy: once they are mean pools, before anything has learned; ``None`` where they are none.
        better: mean and std with which its own forward is right more often, by far, and how often.
        chance: what guessing gives.
    """

    images: int
    accuracy: float
    own_accuracy: float | None
    difference: float | None
    largest_logit: float | None
    max_pool: MaxPools
    max_pools: tuple[str, ...]
    mean_pools_accuracy: float | None
    better: dict[str, Any] | None
    chance: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@torch.no_grad()
def seen(model: nn.Module, images: ImageSet, own: nn.Module | None = None, max_pool: MaxPools = "mean") -> Seen:
    """Looks at the network as it was read, in evaluation mode, and with its max pools made mean pools if they will be.

    Args:
        model: of ReLUs, with its `Encoder`: images ``[N, C, H, W]`` to logits ``[T, N, K]``.
        images: real ones, that it did not learn from. The first 1000 count.
        own: the network that it was read from, if it is another's: normalised images to logits ``[N, K]``.
        max_pool: what its max pools will become.

    Raises:
        UserError: the network that was given fails on images, or computes something else than was read.
    """
    images = images.first(min(IMAGES, len(images)))
    logits = _run(model, images.images, lambda net, pixels: mean_over_time(net(pixels)))
    encoder = next((module for module in model.modules() if isinstance(module, Encoder)), None)
    own_accuracy = difference = largest = better = None
    if own is not None and own is not model and encoder is not None:
        whole = encoder.normalization or HOUSE
        given = _run(own, images.images, lambda net, pixels: net(as_parameters(encoder(pixels)[0], net)))
        check_same(own, given, logits)
        answers = _own(own, images.images, whole)
        own_accuracy, largest = _right(answers, images), float(answers.abs().max())
        difference = float((answers - logits).abs().max())
        better = _better(own, images.first(min(TRIED, len(images))), whole)
    pools = max_pools_of(model)
    meaned = None
    if pools and max_pool == "mean":
        morphed = morph(deepcopy(model))
        meaned = _right(_run(morphed, images.images, lambda net, pixels: mean_over_time(net(pixels))), images)
    return Seen(
        len(images),
        _right(logits, images),
        own_accuracy,
        difference,
        largest,
        max_pool,
        pools,
        meaned,
        better,
        100 / len(images.classes),
    )


HOUSE = Normalization(*USUAL["(pixel - 128)/64"])
"""What an `Encoder` makes of pixels that is told nothing else."""


def _own(model: nn.Module, pixels: Tensor, how: Normalization) -> Tensor:
    """Logits of the network as its own user runs it."""
    mean, std = (torch.tensor(part).view(-1, 1, 1) for part in (how.mean, how.std))
    return _run(model, pixels, lambda net, some: net(as_parameters((some / 255 - mean) / std, net)))


def as_parameters(images: Tensor, model: nn.Module) -> Tensor:
    """Images as the model's parameters are: of their type, on their device."""
    return images.to(next((p for p in model.parameters() if p.is_floating_point()), images))


def _run(model: nn.Module, pixels: Tensor, answer: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
    """The model's logits ``[N, K]`` in evaluation mode."""
    with looked_at(model, pixels.shape):
        return torch.cat([answer(model, some).float().cpu() for some in pixels.split(BATCH)])


@contextmanager
def looked_at(model: nn.Module, shape: Sequence[int]) -> Iterator[None]:
    """The model in evaluation mode; it, and the state of random numbers, are left as they were.

    Args:
        shape: of the images that it is run on, ``[N, C, H, W]``.

    Raises:
        UserError: it fails.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    except UserError:
        raise
    except Exception as wrong:  # whatever its own code raises
        said = f"its forward fails on images {list(shape[1:])}: {type(wrong).__name__}: {wrong}"
        raise UserError("model", type(model).__name__, said) from wrong
    finally:
        for module in training:
            module.training = True


def check_same(own: nn.Module, given: Tensor, read: Tensor, said: str = "logit") -> None:
    """That the network was read right, as far as real images tell; ``said`` is what its answers are called.

    Raises:
        UserError: it was not.
    """
    if given.shape != read.shape:
        raise UserError(
            "model", list(given.shape), f"its forward gives that; as it was read it gives {list(read.shape)}"
        )
    kinds = {parameter.dtype for parameter in own.parameters() if parameter.is_floating_point()}
    rounding = max(torch.finfo(kind).eps for kind in {*kinds, torch.float32})
    apart, largest = float((given - read).abs().max()), float(given.abs().max())
    if not apart <= math.sqrt(rounding) * max(largest, 1e-6):
        wanted = f"want layers that compute what their class says; its largest {said} is {largest:.4g}"
        raise UserError(
            "model", f"{said}s {apart:.4g} apart", f"it was read as a network that computes another; {wanted}"
        )


def _right(logits: Tensor, images: ImageSet) -> float:
    return 100 * float((logits.argmax(1) == images.labels).double().mean())


def _better(own: nn.Module, images: ImageSet, used: Normalization) -> dict[str, Any] | None:
    """The usual normalisation, or that of these images, with which the network is right far more often."""
    pixels, channels = images.images, images.images.shape[1]
    std, mean = torch.std_mean(pixels.double() / 255, dim=(0, 2, 3))
    theirs = tuple(tuple(round(float(part), 4) for part in each) for each in (mean, std.clamp_min(1e-3)))
    tried: Sequence[tuple[Each, Each]] = [*USUAL.values(), (theirs[0], theirs[1])]
    found = [
        (_right(_own(own, pixels, Normalization(mean, std)), images), mean, std)
        for mean, std in tried
        if len(mean) in (1, channels)
    ]
    accuracy, mean_, std_ = max(found, key=lambda each: each[0])
    if accuracy < max(_right(_own(own, pixels, used), images) + FAR, 2 * 100 / len(images.classes)):
        return None
    return {"mean": list(mean_), "std": list(std_), "accuracy": accuracy}


def max_pools_of(model: nn.Module) -> tuple[str, ...]:
    """Paths, without the number that a layer has in an `OverTime` of its own."""
    found = []
    for path, module in model.named_modules():
        if isinstance(module, nn.MaxPool2d):
            parent = model.get_submodule(path.rpartition(".")[0])
            alone = isinstance(parent, OverTime) and len(parent) == 1
            found.append(path.rpartition(".")[0] if alone else path)
    return tuple(found)
