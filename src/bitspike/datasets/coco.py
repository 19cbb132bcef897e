"""Boxes as COCO keeps them: one JSON file for each split.

Source: the format's page, cocodataset.org/#format-data. A box is left, top, width and height in pixels as lengths; a
crowd is to be ignored. Classes are numbered in the order of the numbers that the file gives them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from bitspike.datasets.boxed import MOST_SIDE, Annotation, DetectionSplit, Faults
from bitspike.datasets.sources import Split
from bitspike.datasets.storage import Storage
from bitspike.errors import UserError

__all__ = ["coco_classes", "coco_home", "coco_validation", "read_coco"]

_JSON = 1 << 31  # bytes; instances_train2017.json has 448 million
_PARTS = {"train": ("train2017", "train2014", "train"), "test": ("test", "val2017", "val2014", "val")}
_WANTED = "want a COCO folder, with annotations/instances_train2017.json and its pictures in train2017/"


def coco_home(place: Storage) -> Storage:
    """The folder that has ``annotations``: the place itself, or one in it.

    Raises:
        UserError: none has, or several have.
    """
    level = [place, *(place.below(folder) for folder in place.folders())]
    found = [one for one in level if "annotations" in one.folders()]
    if len(found) != 1:
        raise UserError("COCO folder", place.called(""), _WANTED)
    return found[0]


def coco_classes(home: Storage) -> tuple[str, ...]:
    """The names of the categories of the training file, by number.

    Raises:
        UserError: it has none, or is no such file.
    """
    _, file = _file(home, "train")
    return tuple(_categories(home, file, _parsed(home, file)).values())


def coco_validation(home: Storage) -> frozenset[str]:
    """No images: what COCO calls validation is tested on."""
    return frozenset()


def read_coco(name: str, home: Storage, split: Split, classes: tuple[str, ...], faults: Faults) -> DetectionSplit:
    """A split: ``train`` to train, ``test`` or ``val`` to test, each with or without a year.

    Raises:
        UserError: there is no such file, it is no COCO file, or a fault that is refused.
    """
    part, file = _file(home, split)
    where, content = home.called(file), _parsed(home, file)
    names, place = _categories(home, file, content), _pictures(home, part)
    known = set(place.files())
    rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in content["annotations"]:
        rows[_field(where, row, "image_id")].append(row)
    images = content["images"]
    numbers = [_field(where, image, "id") for image in images]
    if len(set(numbers)) < len(numbers):
        raise UserError(where, "two images of one id", "want a number of its own for each")
    for number in sorted(rows.keys() - set(numbers), key=str):
        faults.met(UserError(where, f"{len(rows[number])} boxes of image {number}", "there is no such image"))
    found = []
    for number, image in zip(numbers, images, strict=True):
        try:
            annotation = _annotation(where, image, rows.get(number, []), names)
            if annotation.image not in known:
                raise UserError(place.called(annotation.image), "no such file", f"want the image {number} of {where}")
            found.append((annotation, annotation.boxes(classes, where, faults)))
        except UserError as wrong:
            faults.met(wrong)
    return DetectionSplit(
        name=f"{name} {split} split",
        place=place,
        files=tuple(annotation.image for annotation, _ in found),
        sizes=tuple(annotation.size for annotation, _ in found),
        boxes=tuple(boxes for _, boxes in found),
        classes=classes,
        faults=tuple(faults.lines),
    )


def _file(home: Storage, split: Split) -> tuple[str, str]:
    """What a split is called here, and its file."""
    there = set(home.files("annotations"))
    for part in _PARTS[split]:
        for name in (f"instances_{part}.json", f"{part}.json"):
            if name in there:
                return part, f"annotations/{name}"
    raise FileNotFoundError(f"no file {home.called(f'annotations/instances_{_PARTS[split][-1]}.json')}")


def _pictures(home: Storage, part: str) -> Storage:
    """Where the pictures of a split lie."""
    tried = [home.below(part), home.below("images").below(part), home.below("images")]
    for place in tried:
        if place.files():
            return place
    raise FileNotFoundError(f"no pictures in {tried[0].called('')}")


def _parsed(home: Storage, file: str) -> dict[str, Any]:
    where = home.called(file)
    try:
        content = json.loads(home.read(file, _JSON))
    except (ValueError, RecursionError) as wrong:
        if isinstance(wrong, UserError):
            raise
        raise UserError(where, str(wrong), "want JSON, whole: get it again") from wrong
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(where, f"no list of {key}", "want a COCO file, with images, annotations and categories")
    return content


def _categories(home: Storage, file: str, content: dict[str, Any]) -> dict[int, str]:
    """Names by their number, in its order."""
    where = home.called(file)
    pairs = [(_field(where, row, "id"), str(_field(where, row, "name"))) for row in content["categories"]]
    names = dict(sorted(pairs, key=lambda pair: (str(type(pair[0])), pair[0])))
    if not pairs or len(names) < len(pairs) or len(set(names.values())) < len(pairs):
        raise UserError(where, f"{len(pairs)} categories", "want some, each of a number and name of its own")
    return names


def _field(where: str, row: Any, key: str) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get(key), int | str):
        raise UserError(where, row, f"want an entry with {key}")
    return row[key]


def _annotation(where: str, image: dict[str, Any], rows: list[dict[str, Any]], names: dict[int, str]) -> Annotation:
    file = str(_field(where, image, "file_name"))
    if "/" in file or "\\" in file or file.startswith("."):
        raise UserError(where, file, "want the name of a file, without folders")
    sides = [image.get(key) for key in ("height", "width")]
    if not all(isinstance(side, int) and 1 <= side <= MOST_SIDE for side in sides):
        raise UserError(where, f"{file} of height {sides[0]} and width {sides[1]}", f"want 1 to {MOST_SIDE} pixels")
    corners, labels = [], []
    for row in rows:
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(isinstance(edge, int | float) for edge in box):
            raise UserError(where, f"a box {box!r} of {file}", "want left, top, width and height")
        left, top, width, height = (float(edge) for edge in box)
        corners.append((left, top, left + width, top + height))
        label = _field(where, row, "category_id")
        labels.append(names.get(label, f"number {label}"))
    ignored = tuple(bool(row.get("iscrowd")) for row in rows)
    return Annotation(file, (image["height"], image["width"]), tuple(corners), tuple(labels), ignored)
