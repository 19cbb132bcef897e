"""Augmentations by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from bitspike.data.augment import Augment, Compose, Cutout, HorizontalFlip, RandomCrop
from bitspike.data.autoaugment import AutoAugmentCIFAR10
from bitspike.data.erasing import RandomErasing
from bitspike.data.mixing import Mixing
from bitspike.data.randaugment import RandAugment
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
_NUMBERED: Mapping[str, Callable[..., Augment]] = MappingProxyType(
    {
        r"rand-m([0-9]{1,2})-n([0-9]{1,2})": lambda _, m, n: RandAugment(int(m), int(n)),
        r"erase([0-9.]{1,6})": lambda fill, part: RandomErasing(number("erase", part), fill),
    }
)
_MIX = "eventmix"
_MIXING = r"(mixup|cutmix)([0-9.]{1,6})"


def build_augment(names: Sequence[str], fill: int = 0) -> Compose:
    """Augmentations by name, in order.

    Args:
        names: ``crop4`` (padding), ``flip``, ``cutout16`` (size), ``autoaugment``, ``rand-m9-n1`` (RandAugment's
            magnitude and number), ``erase0.25`` (probability); ``roll5`` (pixels), ``rotate15`` and ``shear15``
            (degrees), ``nda`` (one of these); last, what mixes samples: ``eventmix``, or ``mixup0.5``, ``cutmix1``
            (``alpha``) or both.
        fill: the code of what is brought in from outside: black in an image, level 0 in a train.

    Raises:
        UserError: an unknown name, a number out of range, or what mixes samples twice, or before another.
    """
    mixing = [found for name in names if (found := re.fullmatch(_MIXING, name))]
    alphas = {found[1]: number(found[1], found[2]) for found in mixing}
    mixes = [name for name in names if name == _MIX or re.fullmatch(_MIXING, name)]
    plain = list(names[: len(names) - len(mixes)])
    twice = len(alphas) + (_MIX in mixes) < len(mixes) or (alphas and _MIX in mixes)
    if twice or [*plain, *mixes] != list(names):
        raise UserError(
            "augment", ",".join(names), f"want {_MIX}, or mixup and cutmix, once and last: they mix the rest"
        )
    mix = EventMix(fill) if _MIX in mixes else Mixing(**alphas) if alphas else None
    return Compose(tuple(_build(name, fill) for name in plain), mix)


def _build(name: str, fill: int) -> Augment:
    if name in _PLAIN:
        return _PLAIN[name](fill)
    for pattern, make in _NUMBERED.items():
        if found := re.fullmatch(pattern, name):
            return make(fill, *found.groups())
    sized = re.fullmatch(rf"({'|'.join(_SIZED)})([0-9]{{1,4}})", name)
    if sized is None:
        numbered = "crop4, cutout16, roll5, rotate15 or shear15 (any size), rand-m9-n1, erase0.25, mixup0.5 or cutmix1"
        raise UserError("augment", name, f"want {', '.join((*_PLAIN, _MIX, numbered))}")
    return _SIZED[sized[1]](int(sized[2]), fill)


def number(name: str, text: str) -> float:
    """The number behind a name, as ``0.5`` of ``mixup0.5``."""
    try:
        return float(text)
    except ValueError:
        raise UserError(name, text, "want a number behind it, as 0.5") from None
