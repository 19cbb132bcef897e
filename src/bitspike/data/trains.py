"""Augmentation of event data: what moves the pixels of a sensor, the same at every step, and what mixes recordings.

Each takes images too. What a movement brings in from outside is ``fill``, the code of level 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.data import pixelops
from bitspike.data.augment import Augment, Compose, Cutout, HorizontalFlip, drawn_for, pixels_of
from bitspike.errors import UserError

__all__ = ["EventMix", "OneOf", "Roll", "Rotate", "Shear", "neuromorphic"]

GAUSSIANS = 3
"""Bells of a mask of `EventMix`."""


def _either_way(most: int, count: int, generator: torch.Generator) -> Tensor:
    """Numbers between ``-most`` and ``most``."""
    return (torch.rand(count, generator=generator, dtype=torch.float64) * 2 - 1) * most


@dataclass(frozen=True)
class Roll:
    """Shifts by up to ``most`` pixels both ways; what leaves on one side comes in on the other."""

    most: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 64:
            raise UserError("roll", self.most, "want 1 to 64 pixels")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("roll", shape)
        return {"shift": torch.randint(-self.most, self.most + 1, (count, 2), generator=generator)}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        planes = images.flatten(1, -3)
        for axis in (0, 1):
            length = planes.shape[2 + axis]
            place = torch.arange(length, device=images.device)
            source = ((place - drawn["shift"][:, axis, None]) % length)[:, None]
            index = (source[..., None] if axis == 0 else source[:, :, None]).expand(planes.shape)
            planes = planes.gather(2 + axis, index)
        return planes.view_as(images)


@dataclass(frozen=True)
class Rotate:
    """Turns about the middle by up to ``most`` degrees; a pixel is the one that it comes from, nothing is blended."""

    most: int = 15
    fill: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 180:
            raise UserError("rotate", self.most, "want 1 to 180 degrees")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("rotate", shape)
        return {"degrees": _either_way(self.most, count, generator)}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        return pixelops.rotate(images.flatten(1, -3), drawn["degrees"], self.fill).view_as(images)


@dataclass(frozen=True)
class Shear:
    """Slants by up to ``most`` degrees about the middle: a row is shifted by a whole number of pixels."""

    most: int = 15
    fill: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 45:
            raise UserError("shear", self.most, "want 1 to 45 degrees")

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("shear", shape)
        return {"degrees": _either_way(self.most, count, generator)}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        planes = images.flatten(1, -3)
        height, width = planes.shape[2:]
        below = torch.arange(height, device=images.device) + (1 - height) / 2
        shift = (torch.tan(torch.deg2rad(drawn["degrees"]))[:, None] * below + 0.5).floor().long()  # [B, H]
        source = (torch.arange(width, device=images.device) + shift[..., None])[:, None].expand(planes.shape)
        slanted = planes.gather(3, source.clamp(0, width - 1))
        return torch.where((source >= 0) & (source < width), slanted, self.fill).view_as(images)


@dataclass(frozen=True)
class OneOf:
    """Does one of several augmentations to each sample, drawn evenly."""

    augments: tuple[Augment, ...]

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        drawn = Compose(self.augments).draw(count, shape, generator)
        return drawn | {"kind": torch.randint(len(self.augments), (count,), generator=generator)}

    def __call__(self, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        images = images.clone()
        for number, augment in enumerate(self.augments):
            rows = torch.nonzero(drawn["kind"] == number).flatten()
            if len(rows):
                own = {name: values[rows] for name, values in drawn_for(str(number), drawn).items()}
                images[rows] = augment(images[rows], own)
        return images


def neuromorphic(fill: int = 0) -> Compose:
    """Mirrors half of the samples, then rolls, turns, covers or slants each: NDA.

    Source: Y. Li, Y. Kim, H. Park, T. Geller, P. Panda, *Neuromorphic Data Augmentation for Training Spiking Neural
    Networks*, ECCV 2022. By up to 5 pixels, 15 degrees, a square of 8 pixels, 15 degrees.
    """
    return Compose((HorizontalFlip(), OneOf((Roll(5), Rotate(15, fill), Cutout(8, fill), Shear(15, fill)))))


@dataclass(frozen=True)
class EventMix:
    """Mixes half of the samples with another one of the set each, and their labels as the events are shared.

    A mask over time and place says where the other one is taken: where the sum of `GAUSSIANS` bells is highest. How
    much of time and place that is, is drawn evenly from 0 to 1, and so are the middles of the bells; their widths are
    a tenth to a half of the side.

    Source: G. Shen, D. Zhao, Y. Zeng, *EventMix: An Efficient Data Augmentation Strategy for Event-Based Learning*,
    Information Sciences 644, 2023. The numbers are ours. A label's share is the share of the events that are its
    sample's (the levels' distance from 0); of a mixture without events it is that of the mask.
    """

    dark: int = 0
    chance: float = 0.5

    def draw(self, count: int, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        pixels_of("eventmix", shape)
        bells = torch.rand(count, GAUSSIANS, 2, 3, generator=generator, dtype=torch.float64)
        return {
            "partner": torch.randint(count, (count,), generator=generator),
            "mixed": torch.rand(count, generator=generator) < self.chance,
            "share": torch.rand(count, generator=generator, dtype=torch.float64),
            "bells": bells,
        }

    def mask(self, shape: tuple[int, ...], drawn: Mapping[str, Tensor]) -> Tensor:
        """Where each mixture is its partner: ``[B, *shape]``, the same for all channels.

        Args:
            shape: of a sample, ``(C, H, W)`` or ``(T, C, H, W)``.
        """
        steps, (height, width) = (shape[0] if len(shape) == 4 else 1), shape[-2:]
        middle, breadth = drawn["bells"].unbind(2)  # [B, G, 3]
        field = torch.zeros(len(middle), steps, height, width, dtype=torch.float64, device=middle.device)
        for bell in range(GAUSSIANS):
            over = []
            for axis, length in enumerate((steps, height, width)):
                place = (torch.arange(length, device=middle.device) + 0.5) / length
                far = (place - middle[:, bell, axis, None]) / (0.1 + 0.4 * breadth[:, bell, axis, None])
                over.append(torch.exp(-(far**2) / 2))
            field += over[0][:, :, None, None] * over[1][:, None, :, None] * over[2][:, None, None, :]
        field = field.flatten(1)
        taken = (drawn["share"] * (field.shape[1] + 1)).long().clamp(max=field.shape[1])
        taken = torch.where(drawn["mixed"], taken, 0)
        order = field.argsort(1, descending=True)
        rank = torch.empty_like(order).scatter_(
            1, order, torch.arange(field.shape[1], device=order.device).expand_as(order)
        )
        chosen = (rank < taken[:, None]).view(-1, steps, 1, height, width)
        return (chosen if len(shape) == 4 else chosen[:, 0]).expand(-1, *shape)

    def __call__(self, images: Tensor, others: Tensor, drawn: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The mixtures of ``images`` with their partners, and the share ``float32 [B]`` of each that is its own."""
        chosen = self.mask(tuple(images.shape[1:]), drawn)
        mixed = torch.where(chosen, others, images)
        events = (mixed.to(torch.int16) - self.dark).abs().long().flatten(1)
        foreign = chosen.flatten(1)
        whole, own = events.sum(1), (events * ~foreign).sum(1)
        share = torch.where(whole > 0, own / whole.clamp(min=1), (~foreign).double().mean(1))
        return mixed, share.float()
