"""What a config says of a data set of one's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bitspike.training.sections import Section

__all__ = ["DataConfig"]


class DataConfig(Section):
    """What a data set of one's own was when it was trained on: written by training, and no choice.

    Attributes:
        sample: what one input is, as ``3x64x64``.
        lo: lowest level of a code. hi: the highest.
        classes: their names.
        images: samples of each split.
    """

    sample: str
    lo: int = -128
    hi: int = 127
    classes: tuple[str, ...]
    images: dict[Literal["train", "validation", "test"], int] = Field(default_factory=dict)
