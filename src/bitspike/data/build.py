"""Augmentations by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from bitspike.data.augment import Augment, Compose, Cutout, HorizontalFlip, RandomCrop
from bitspike.data.autoaugment import AutoAugmentCIFAR10
from bitspike.data.trains import EventMix, Roll, Rotate, Shear, neuromorphic
from bitspike.errors import UserError

__all__ = ["build_augment"]

_SIZED: Mapping[str, Callable[[int, int], Augment]] = MappingProxyType(
    {
        "crop": RandomCrop,
        "cutout": Cutout,
        "roll": lambda most, fill: Roll(most),
        "rotate": Rotate,
        "shear": Shear,
    }
)
_PLAIN: Mapping[str, Callable[[int], Augment]] = MappingProxyType(
    {
        "flip": lambda fill: HorizontalFlip(),
        "autoaugment": lambda fill: AutoAugmentCIFAR10(),
        "nda": neuromorphic,
    }
)
_MIX = "eventmix"


def build_augment(names: Sequence[str], fill: int = 0) -> Compose:
    """Augmentations by name, in order.

    Args:
        names: ``crop4`` (padding), ``flip``, ``cutout16`` (size), ``autoaugment``; ``roll5`` (pixels), ``rotate15`` and
            ``shear15`` (degrees), ``nda`` (one of these); last, ``eventmix``, which mixes samples.
        fill: the code of what is brought in from outside: black in an image, level 0 in a train.

    Raises:
        UserError: an unknown name, a size out of range, or ``eventmix`` before another.
    """
    *first, last = names or ("",)
    if _MIX in first:
        raise UserError("augment", ",".join(names), f"want {_MIX} once, and last: it mixes what the others made")
    mixes = last == _MIX
    return Compose(tuple(_build(name, fill) for name in (first if mixes else names)), EventMix(fill) if mixes else None)


def _build(name: str, fill: int) -> Augment:
    if name in _PLAIN:
        return _PLAIN[name](fill)
    sized = re.fullmatch(rf"({'|'.join(_SIZED)})([0-9]{{1,4}})", name)
    if sized is None:
        known = ", ".join((*_PLAIN, _MIX, "crop4, cutout16, roll5, rotate15 or shear15 (any size)"))
        raise UserError("augment", name, f"want {known}")
    return _SIZED[sized[1]](int(sized[2]), fill)
