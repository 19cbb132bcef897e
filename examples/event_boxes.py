"""Pictures of event frames with boxes, in VOC's layout: several recordings of an event data set on one sensor.

    python examples/event_boxes.py frames moving:digits
    bitspike train yolo-tiny-bccd --dataset voc:frames --set detection.size=[64,96] --set augment=translate0.15

Of ``n-mnist`` or another event data set (``bitspike data list``) the recordings are a real sensor's. Each is counted
over all of its time: events that are ON are red, OFF green; its box is where there are many.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bitspike.data import load

HEIGHT, WIDTH = 64, 96
MOST, CLEAR = 3, 0.2
"""Recordings in a picture; events that a place in a box has, of those that the brightest has: the others are noise."""
COUNTS = {"trainval": 640, "val": 40, "test": 80}
"""Pictures of each list; those of ``val`` are the last of ``trainval``."""


def picture(samples, rng):
    """A picture ``[H, W, 3]`` of recordings at places that do not meet, with the class and the box of each."""
    pixels, boxes = np.zeros((HEIGHT, WIDTH, 3), np.uint8), []
    for index in rng.integers(0, len(samples), rng.integers(1, MOST + 1)).tolist():
        events = samples.images[index].numpy().sum(0, dtype=np.int64)  # [2, h, w], of all steps
        _, high, wide = events.shape
        top, left = rng.integers(0, HEIGHT - high + 1), rng.integers(0, WIDTH - wide + 1)
        place = pixels[top : top + high, left : left + wide]
        if place.any():
            continue
        place[..., :2] = (255 * events / events.max()).transpose(1, 2, 0)[..., ::-1]
        clear = events.sum(0) >= CLEAR * events.sum(0).max()
        rows, columns = (np.flatnonzero(clear.any(axis)) for axis in (1, 0))
        sides = (left + columns[0] + 1, top + rows[0] + 1, left + columns[-1] + 1, top + rows[-1] + 1)
        boxes.append((samples.classes[int(samples.labels[index])], *sides))
    return pixels, boxes


def annotation(boxes):
    """VOC's file of an image."""
    said = (
        "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
    )
    objects = [said.format(*box) for box in boxes]
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    return f"<annotation>{size}{''.join(objects)}</annotation>\n"


def write(home, name, counts=COUNTS, data_dir=None):
    """The folder, of the data set called ``name``."""
    train, test = load(name, data_dir)
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (home / folder).mkdir(parents=True)
    (home / "classes.txt").write_text("".join(f"{one}\n" for one in train.classes))
    for seed, (samples, part) in enumerate(((train, "trainval"), (test, "test"))):
        rng = np.random.default_rng(seed)
        stems = [f"{part}{number:04}" for number in range(counts[part])]
        for stem in stems:
            pixels, boxes = picture(samples, rng)
            Image.fromarray(pixels).save(home / f"JPEGImages/{stem}.png")
            (home / f"Annotations/{stem}.xml").write_text(annotation(boxes))
        lists = {part: stems} | ({"val": stems[-counts["val"] :]} if part == "trainval" else {})
        for listed, of in lists.items():
            (home / f"ImageSets/Main/{listed}.txt").write_text("".join(f"{stem}\n" for stem in of))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
