"""Training images with boxes, augmented, and the same however a run is divided or resumed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from bitspike.data.loader import AUGMENT
from bitspike.data.randomness import seeded
from bitspike.data.scenes import Scene, SceneAugments, Tile
from bitspike.datasets.boxed import DetectionSplit, in_letterbox
from bitspike.datasets.pictures import THREADS
from bitspike.detection import Boxes, Letterbox
from bitspike.detection.letterbox import BARS
from bitspike.errors import UserError, require

__all__ = ["TrainingDetections", "letterboxed"]

Pixels = NDArray[np.uint8]
KEPT = 1 << 28
"""Bytes of decoded images that are kept: all of a small set, so that a mosaic need not decode four files."""
LEAST_SHARE, LEAST_SIDE = 0.1, 2.0
"""Of a box that is cut off: what must be left of its area, and of each side in pixels, or it is no longer wanted."""


class TrainingDetections(Dataset[tuple[Tensor, Boxes]]):
    """Images ``uint8 [B, 3, H, W]``, letterboxed and augmented as ``(seed, epoch)`` says, and their boxes in there.

    Boxes that are to be ignored are left out. Call `set_epoch` before each epoch.

    Args:
        split: the images.
        size: height and width of what a network reads.
        augment: what happens to them; by default nothing.
        seed: of the run.
    """

    def __init__(
        self, split: DetectionSplit, size: tuple[int, int], augment: SceneAugments | None = None, seed: int = 0
    ) -> None:
        if min(size) < 1:
            raise UserError("image size", size, "want at least one pixel each")
        self.split, self.size, self.seed = split, size, seed
        self.augment = augment or SceneAugments()
        self._kept: dict[int, Pixels] = {}
        self._bytes = 0
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draws the augmentation of an epoch."""
        self.drawn = self.augment.draw(len(self.split), seeded(self.seed, epoch, AUGMENT))

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Tensor, Boxes]:
        images, boxes = self.__getitems__([index])
        return images[0], boxes[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, list[Boxes]]:
        """Raises:
        UserError: an image cannot be read; the line names its file.
        """
        scenes = [self.scene(index) for index in indices]
        self._read({tile.index for scene in scenes for tile in scene.tiles})
        pixels = np.stack([self._drawn(scene) for scene in scenes]).transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(pixels)), [self.boxes(scene) for scene in scenes]

    def scene(self, index: int) -> Scene:
        """What the training image of an index shows in this epoch."""
        return self.augment(self.alone(index), index, self.drawn, self.alone)

    def alone(self, index: int) -> Scene:
        """An image in its letterbox, and nothing else."""
        box = self._letterbox(index)
        (top, left), (rows, columns) = box.corner, box.fitted
        area = (float(left), float(top), float(left + columns), float(top + rows))
        return Scene(self.size, (Tile(index, area, (0.0, 0.0, float(self.size[1]), float(self.size[0]))),))

    def boxes(self, scene: Scene) -> Boxes:
        """The boxes of a scene, without those of which too little is left."""
        found = []
        for tile in scene.tiles:
            own = self.split.boxes[tile.index]
            own = own[~own.ignored]
            (left, top, right, bottom), (x0, y0, x1, y1) = _whole(tile.area), _seen(tile, scene.size)
            height, width = self.split.sizes[tile.index]
            moved = own.mapped(((right - left) / width, (bottom - top) / height), (left, top))
            cut = replace(moved, xyxy=moved.xyxy.clip((x0, y0) * 2, (max(x0, x1), max(y0, y1)) * 2).astype(np.float32))
            sides = cut.xyxy[:, 2:] - cut.xyxy[:, :2]
            found.append(cut[(sides >= LEAST_SIDE).all(1) & (cut.area >= LEAST_SHARE * moved.area)])
        xyxy = np.concatenate([boxes.xyxy for boxes in found])
        height, width = scene.size
        if scene.mirrored[0]:
            xyxy = np.stack((width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]), 1)
        if scene.mirrored[1]:
            xyxy = np.stack((xyxy[:, 0], height - xyxy[:, 3], xyxy[:, 2], height - xyxy[:, 1]), 1)
        return Boxes(xyxy, np.concatenate([boxes.labels for boxes in found]))

    def _letterbox(self, index: int) -> Letterbox:
        return Letterbox(self.split.sizes[index], self.size)

    def _read(self, indices: set[int]) -> None:
        """Reads what is not kept; where the room is full, what these do not need makes room."""
        missing = sorted(indices - self._kept.keys())
        if self._bytes > KEPT and missing:
            self._kept = {index: one for index, one in self._kept.items() if index in indices}
            self._bytes = sum(one.nbytes for one in self._kept.values())
        with ThreadPoolExecutor(THREADS) as pool:
            read = pool.map(lambda index: self.split.read(index, self._letterbox(index).fitted), missing)
            for index, image in zip(missing, read, strict=True):
                self._kept[index] = image
                self._bytes += image.nbytes

    def _drawn(self, scene: Scene) -> Pixels:
        """The pixels ``[H, W, 3]`` of a scene."""
        canvas = np.full((*scene.size, 3), BARS, np.uint8)
        for tile in scene.tiles:
            (left, top, right, bottom), (x0, y0, x1, y1) = _whole(tile.area), _seen(tile, scene.size)
            if x0 < x1 and y0 < y1:
                image = _scaled(self._kept[tile.index], (right - left, bottom - top))
                canvas[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
        across, down = (-1 if mirrored else 1 for mirrored in scene.mirrored)
        return _coloured(canvas[::down, ::across], scene.colour)


def letterboxed(split: DetectionSplit, index: int, size: tuple[int, int]) -> Pixels:
    """An image as networks of ``size`` read it, without augmentation: ``uint8 [3, H, W]``.

    Raises:
        UserError: it cannot be read; the line names its file.
    """
    return in_letterbox(split.read(index), size)


def _whole(area: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Where a tile is drawn: at least one pixel each way."""
    left, top, right, bottom = (round(edge) for edge in area)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _seen(tile: Tile, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What is seen of it; nothing, where the first edges are not before the last."""
    areas = (_whole(tile.area), tuple(round(edge) for edge in tile.window), (0, 0, size[1], size[0]))
    left, top = (max(area[side] for area in areas) for side in (0, 1))
    right, bottom = (min(area[side] for area in areas) for side in (2, 3))
    return left, top, right, bottom


def _scaled(image: Pixels, size: tuple[int, int]) -> Pixels:
    """To another width and height, by Pillow: its fixed-point arithmetic is the same on every machine."""
    if image.shape[1::-1] == size:
        return image
    pillow: Any = require("PIL.Image", "data")
    return np.asarray(pillow.fromarray(image).resize(size, pillow.Resampling.BILINEAR))


def _coloured(image: Pixels, factors: tuple[float, float, float]) -> Pixels:
    """Hue goes round, saturation and brightness stop at their ends."""
    if factors == (1.0, 1.0, 1.0):
        return image
    pillow: Any = require("PIL.Image", "data")
    codes = np.arange(256)
    tables = [(codes * factors[0]).astype(np.int64) % 256]
    tables += [(codes * factor).clip(0, 255).astype(np.int64) for factor in factors[1:]]
    found = np.asarray(pillow.fromarray(np.ascontiguousarray(image)).convert("HSV"))
    changed = np.stack([table[found[..., axis]] for axis, table in enumerate(tables)], -1).astype(np.uint8)
    return np.asarray(pillow.fromarray(changed, "HSV").convert("RGB"))
