"""Training batches that are the same however a run is divided or resumed.

A batch's indices come from `EpochBatches`, its augmented images from `TrainingImages`; both depend on the
seed and the epoch alone. Of many processes each takes a part of the same batch, ``indices[rank::world]`` for
example. As a loader: ``DataLoader(images, batch_sampler=batches, collate_fn=as_is)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset, Sampler

from bitspike.data.augment import Augment, Compose, drawn_for
from bitspike.data.images import ImageSet
from bitspike.data.randomness import seeded
from bitspike.errors import UserError

__all__ = ["EpochBatches", "TrainingImages", "as_is"]

T = TypeVar("T")

_ORDER, AUGMENT = 0, 1  # what the generator of (seed, epoch, what) is used for


class EpochBatches(Sampler[list[int]]):
    """The batches of one epoch as indices: a permutation by ``(seed, epoch)``, cut into ``batch_size``.

    Args:
        count: number of training images.
        batch_size: images in a batch, over all processes.
        seed: the seed of the run.
        epoch: from 0 up.
        start_batch: batches that are left out at the start: a resumed run has them behind it.
        drop_last: leaves the last batch out if it is not full.

    Raises:
        UserError: a size below 1, fewer images than a full batch needs, or no such batch to start with.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int = 0,
        epoch: int = 0,
        start_batch: int = 0,
        drop_last: bool = True,
    ) -> None:
        if batch_size < 1:
            raise UserError("batch_size", batch_size, "want at least 1")
        if drop_last and batch_size > count:
            raise UserError("batch_size", batch_size, f"want at most {count}, the number of training images")
        self.batches = count // batch_size if drop_last else -(-count // batch_size)
        if not 0 <= start_batch <= self.batches:
            raise UserError("start_batch", start_batch, f"want 0 to {self.batches}, the batches of an epoch")
        self.count, self.batch_size, self.drop_last = count, batch_size, drop_last
        self.seed, self.epoch, self.start_batch = seed, epoch, start_batch

    def __len__(self) -> int:
        return self.batches - self.start_batch

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.count, generator=seeded(self.seed, self.epoch, _ORDER))
        for batch in order.split(self.batch_size)[self.start_batch : self.batches]:
            yield batch.tolist()


class TrainingImages(Dataset[tuple[Tensor, Tensor]]):
    """Samples ``uint8 [B, *array_shape]``, augmented as ``(seed, epoch)`` says, and labels ``int64 [B]`` or ``[B, T]``.

    Of samples that are mixed labels are soft: ``float32 [B, K]`` or ``[B, T, K]``.

    Random numbers are drawn on the processor, the same wherever the images lie, and go there once an epoch; all else is
    done where they lie, and labels where these do.

    A whole batch is fetched at once, so `as_is` takes the place of collating, and workers are not needed.
    Call `set_epoch` before each epoch. (A loader prepared by ``accelerate`` calls it too, with a count of its
    own that starts at 0: tell such a loader, ``loader.set_epoch(epoch)``.)
    """

    def __init__(self, images: ImageSet, augment: Augment | None = None, seed: int = 0) -> None:
        self.images, self.seed = images, seed
        self.augment: Augment = augment or Compose()
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draws the augmentation of an epoch."""
        generator = seeded(self.seed, epoch, AUGMENT)
        drawn = self.augment.draw(len(self.images), self.images.sample.array_shape, generator)
        self.drawn = {name: values.to(self.images.images.device) for name, values in drawn.items()}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        rows, every = torch.as_tensor(indices), self.images.labels
        images, drawn = self._augmented(rows)
        labels = every[rows.to(every.device)]
        mix = self.augment.mix if isinstance(self.augment, Compose) else None
        if mix is None:
            return images, labels
        own = drawn_for("mix", drawn)
        others, _ = self._augmented(own["partner"])
        images, share = mix(images, others, own)
        share, classes = share.view(-1, *(1,) * labels.ndim).to(every.device), len(self.images.classes)
        theirs = F.one_hot(every[own["partner"].to(every.device)], classes)
        return images, share * F.one_hot(labels, classes) + (1 - share) * theirs

    def _augmented(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The images at ``rows``, each as it becomes in this epoch, and what was drawn for them."""
        there = rows.to(self.images.images.device)
        drawn = {name: values[there] for name, values in self.drawn.items()}
        return self.augment(self.images.images[there], drawn), drawn


def as_is(batch: T) -> T:
    """Collates what is a batch already."""
    return batch
