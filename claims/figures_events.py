"""``python -m claims.figures_events``: what a network sees of events and signals, into ``docs/figures/``.

Needs N-MNIST, Fashion-MNIST, the electrocardiograms and the spoken digits in ``$BITSPIKE_DATA``. Writes
``events-n-mnist.png`` and ``events-moving-fashion.png``, a row a recording and a column a step, ON red and OFF blue;
and ``events-signals.png``, levels over time, up red and down blue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.datasets import find_dataset, load_split
from bitspike.datasets.ecg import CLASSES
from bitspike.datasets.frames import FrameSettings, frames_of
from bitspike.datasets.moving import moving_events
from claims.figures_004 import figure, save

FRAMES = FrameSettings(slices=8, clip=15)


def trains(rows: NDArray[np.uint8], names: list[str]) -> Any:
    """Frames ``[N, T, 2, H, W]`` of events."""
    made = figure(8, 1.05 * len(rows))
    cells = made.subplots(len(rows), rows.shape[1])
    for row, name, line in zip(rows, names, cells, strict=True):
        for frame, axes in zip(row, line, strict=True):
            off, on = np.minimum(frame / 4, 1)
            axes.imshow(np.stack([1 - off, 1 - np.maximum(on, off), 1 - on], -1), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize=7)
    return made


def of_each_class(labels: NDArray[np.uint8], count: int) -> list[int]:
    """The first sample of each of the first ``count`` classes."""
    return [int(np.argmax(labels == label)) for label in range(count)]


def signals() -> Any:
    """A spoken digit, and the first second and a half of an electrocardiogram with its labels."""
    made = figure(8, 4)
    digit, heart = made.subplots(2, 1, height_ratios=[3, 2])
    codes, labels = load_split("spoken-digits", "test")
    spoken = find_dataset("spoken-digits").sample
    which = int(np.argmax(labels == 3))
    look = {"cmap": "coolwarm", "aspect": "auto", "interpolation": "nearest", "origin": "lower"}
    digit.imshow(codes[which].astype(int).T + spoken.lo, vmin=spoken.lo, vmax=spoken.hi, **look)
    digit.set(title="spoken-digits: three", xlabel="step (16 ms)", ylabel="band")
    codes, labels = load_split("ecg", "train")
    shown = slice(150, 550)
    heart.imshow(codes[0, shown].astype(int).T - 1, vmin=-1, vmax=1, extent=(150, 550, -0.5, 3.5), **look)
    heart.set(xlabel="step", yticks=range(4), ylabel="channel")
    begins = [150, *(150 + 1 + np.flatnonzero(np.diff(labels[0, shown]))).tolist()]
    for step in begins:
        heart.axvline(step, color="0.4", linewidth=0.5)
        heart.text(step + 1, 3.6, CLASSES[labels[0, step]], fontsize=6)
    heart.set_title("ecg: the first recording, its labels above", pad=12)
    return made


def main() -> None:
    codes, labels = load_split("n-mnist", "train", frames=FRAMES)
    chosen = of_each_class(labels, 5)
    save("events-n-mnist", trains(codes[chosen], [str(label) for label in range(5)]))
    images, labels = load_split("fashion-mnist", "test")
    chosen = of_each_class(labels, 5)
    seen = np.stack([frames_of(events, FRAMES) for events in moving_events(images[chosen])])
    save("events-moving-fashion", trains(seen, list(find_dataset("fashion-mnist").classes[:5])))
    save("events-signals", signals())


if __name__ == "__main__":
    main()
