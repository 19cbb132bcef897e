"""Augmentation of images with boxes: what lies where is decided first, and drawn once.

As all augmentation it depends on the seed, the epoch and the image alone: `SceneAugment.draw` draws for every image of
an epoch, and an image's row decides what it becomes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from bitspike.errors import UserError

__all__ = ["Colour", "Flip", "Mosaic", "Rescale", "Scene", "SceneAugment", "SceneAugments", "Shift", "Tile"]

Area = tuple[float, float, float, float]
"""Left, top, right, bottom."""
MOSAIC = 4


@dataclass(frozen=True)
class Tile:
    """One image in a scene.

    Args:
        index: which.
        area: where the whole of it lies, in pixels of the scene.
        window: what of the scene it may cover.
    """

    index: int
    area: Area
    window: Area

    def mapped(self, scale: float, shift: tuple[float, float]) -> Tile:
        """Every point ``p`` becomes ``p * scale + shift``."""

        def moved(area: Area) -> Area:
            left, top, right, bottom = area
            (x, y), z = shift, scale
            return left * z + x, top * z + y, right * z + x, bottom * z + y

        return replace(self, area=moved(self.area), window=moved(self.window))


@dataclass(frozen=True)
class Scene:
    """What a training image will show.

    Args:
        size: height and width.
        tiles: its images.
        mirrored: whether it is mirrored, left to right and upside down.
        colour: factors of hue, saturation and brightness.
    """

    size: tuple[int, int]
    tiles: tuple[Tile, ...]
    mirrored: tuple[bool, bool] = (False, False)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def mapped(self, scale: float, shift: tuple[float, float]) -> Scene:
        return replace(self, tiles=tuple(tile.mapped(scale, shift) for tile in self.tiles))


class SceneAugment(Protocol):
    """Changes scenes, each by its row of what was drawn."""

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draws for ``count`` images: tensors whose first axis is ``count``."""

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        """The scene that comes out.

        Args:
            drawn: the row of this image.
            alone: the scene of another image by its index, as it is without augmentation.
        """


def _evenly(count: int, generator: torch.Generator, columns: int = 1) -> Tensor:
    """Numbers between -1 and 1."""
    return torch.rand(count, columns, generator=generator, dtype=torch.float64) * 2 - 1


@dataclass(frozen=True)
class Mosaic:
    """Four images about a point, each in its quarter: the image itself and three others, drawn of all.

    Source: A. Bochkovskiy, C.-Y. Wang, H.-Y. M. Liao, *YOLOv4*, arXiv:2004.10934, 2020.

    Args:
        share: of the images that become one.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        _check("mosaic", self.share, 1)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "mosaic": torch.rand(count, generator=generator, dtype=torch.float64) < self.share,
            "partners": torch.randint(count, (count, MOSAIC - 1), generator=generator),
            "point": torch.rand(count, 2, generator=generator, dtype=torch.float64),
        }

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        if not drawn["mosaic"]:
            return scene
        height, width = scene.size
        x, y = (drawn["point"] * torch.tensor([width, height], dtype=torch.float64)).tolist()
        tiles = list(scene.tiles)
        for place, other in enumerate([None, *drawn["partners"].tolist()]):
            (tile,) = scene.tiles if other is None else alone(other).tiles
            left, top, right, bottom = tile.area
            dx, dy = (x - right, x - left)[place % 2], (y - bottom, y - top)[place // 2]
            tile = tile.mapped(1.0, (dx, dy))
            corner = (x - width, x)[place % 2], (y - height, y)[place // 2]
            moved = replace(tile, window=(*corner, corner[0] + width, corner[1] + height))
            tiles[place:] = [moved]
        return replace(scene, tiles=tuple(tiles))


@dataclass(frozen=True)
class Rescale:
    """Larger or smaller by up to ``most``, about the middle of the scene."""

    most: float = 0.5

    def __post_init__(self) -> None:
        _check("scale", self.most, 0.95)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"scale": 1 + _evenly(count, generator)[:, 0] * self.most}

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        scale, (height, width) = float(drawn["scale"]), scene.size
        return scene.mapped(scale, ((1 - scale) * width / 2, (1 - scale) * height / 2))


@dataclass(frozen=True)
class Shift:
    """Moved by up to ``most`` of its width and height."""

    most: float = 0.1

    def __post_init__(self) -> None:
        _check("translate", self.most, 1)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"shift": _evenly(count, generator, 2) * self.most}

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        across, down = drawn["shift"].tolist()
        return scene.mapped(1.0, (across * scene.size[1], down * scene.size[0]))


@dataclass(frozen=True)
class Flip:
    """Mirrored, every second time: left to right, or upside down."""

    upside_down: bool = False

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"flip": torch.rand(count, generator=generator) < 0.5}

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        across, down = scene.mirrored
        flip = bool(drawn["flip"])
        return replace(scene, mirrored=(across, down ^ flip) if self.upside_down else (across ^ flip, down))


@dataclass(frozen=True)
class Colour:
    """Hue, saturation and brightness, each times a number that is up to so far from 1.

    The defaults are those of YOLO's trainings.
    """

    hue: float = 0.015
    saturation: float = 0.7
    brightness: float = 0.4

    def __post_init__(self) -> None:
        for most in (self.hue, self.saturation, self.brightness):
            _check("hsv", most, 1)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        most = torch.tensor([self.hue, self.saturation, self.brightness], dtype=torch.float64)
        return {"colour": 1 + _evenly(count, generator, 3) * most}

    def __call__(self, scene: Scene, drawn: Mapping[str, Tensor], alone: Callable[[int], Scene]) -> Scene:
        hue, saturation, brightness = (
            old * new for old, new in zip(scene.colour, drawn["colour"].tolist(), strict=True)
        )
        return replace(scene, colour=(hue, saturation, brightness))


@dataclass(frozen=True)
class SceneAugments:
    """One after the other; none at all leaves images as they are."""

    augments: tuple[SceneAugment, ...] = ()

    @classmethod
    def named(cls, names: Sequence[str]) -> SceneAugments:
        """By name, in order.

        Args:
            names: ``mosaic`` (``mosaic0.5`` of half the images), ``scale0.5``, ``translate0.1``, ``flip``, ``updown``,
                ``hsv``.

        Raises:
            UserError: an unknown name, a number out of range, or a mosaic that is not the first.
        """
        found = tuple(_named(name) for name in names)
        if any(isinstance(augment, Mosaic) for augment in found[1:]):
            raise UserError("augment", ",".join(names), "want mosaic once and first: the rest changes all of it")
        return cls(found)

    def draw(self, count: int, generator: torch.Generator) -> list[dict[str, Tensor]]:
        return [augment.draw(count, generator) for augment in self.augments]

    def __call__(
        self, scene: Scene, index: int, drawn: Sequence[Mapping[str, Tensor]], alone: Callable[[int], Scene]
    ) -> Scene:
        for augment, values in zip(self.augments, drawn, strict=True):
            scene = augment(scene, {name: value[index] for name, value in values.items()}, alone)
        return scene


_PLAIN: Mapping[str, Callable[[], SceneAugment]] = MappingProxyType(
    {"mosaic": Mosaic, "scale": Rescale, "translate": Shift, "flip": Flip, "updown": lambda: Flip(True), "hsv": Colour}
)
_NUMBERED: Mapping[str, Callable[[float], SceneAugment]] = MappingProxyType(
    {"mosaic": Mosaic, "scale": Rescale, "translate": Shift}
)


def _named(name: str) -> SceneAugment:
    if name in _PLAIN:
        return _PLAIN[name]()
    found = re.fullmatch(rf"({'|'.join(_NUMBERED)})([0-9]{{1,3}}|[0-9]?\.[0-9]{{1,6}})", name)
    if found is None:
        numbered = ", ".join(f"{one}0.5" for one in _NUMBERED)
        raise UserError("augment", name, f"of images with boxes want {', '.join(_PLAIN)}; with a number {numbered}")
    return _NUMBERED[found[1]](float(found[2]))


def _check(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise UserError(name, value, f"want a number of 0 to {most}")
