"""Boxes as PASCAL VOC keeps them: an XML file for each image, and lists of the images of each split.

Source: M. Everingham et al., *The PASCAL Visual Object Classes Challenge 2012 Development Kit*. Corners are numbers of
pixels that count from 1 and belong to the box, so that a box from 1 to the width is the whole image; one whose two
corners are the same is a slip, not an object of one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from bitspike.datasets.boxed import MOST_SIDE, Annotation, DetectionSplit, Faults
from bitspike.datasets.sources import Split
from bitspike.datasets.storage import Storage
from bitspike.errors import UserError

__all__ = ["read_voc", "voc_classes", "voc_home", "voc_validation"]

_XML, _LIST = 1 << 22, 1 << 26  # bytes of an annotation, of a list
_NO_ROOM = "want a VOC folder, with Annotations/, JPEGImages/ and ImageSets/Main/"
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")


def voc_home(place: Storage) -> Storage:
    """The folder that has ``Annotations``: the place itself, or up to two folders deeper in it (``VOCdevkit/VOC2007``).

    Raises:
        UserError: none has, or several have.
    """
    level = [place]
    for _ in range(3):
        if found := [one for one in level if "Annotations" in one.folders()]:
            if len(found) > 1:
                seen = ", ".join(one.called("") for one in found)
                raise UserError("VOC folder", seen, "want one of them: give its path")
            return found[0]
        level = [one.below(folder) for one in level for folder in one.folders()]
    raise UserError("VOC folder", place.called(""), _NO_ROOM)


def voc_classes(home: Storage) -> tuple[str, ...]:
    """The names in ``classes.txt``, one a line; without that file those in the training annotations, sorted.

    Raises:
        UserError: there is none.
    """
    if home.has("classes.txt"):
        lines = home.read("classes.txt", _XML).decode(errors="replace").splitlines()
        names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    else:
        names = sorted({name for _, known in _annotations(home, "train", Faults()) for name in known.names})
    if not names:
        raise UserError(home.called("Annotations"), "no classes", "want boxes with names, or a classes.txt")
    return tuple(names)


def read_voc(name: str, home: Storage, split: Split, classes: tuple[str, ...], faults: Faults) -> DetectionSplit:
    """A split: ``trainval`` or ``train`` to train, ``test`` to test; where there is none, ``train`` and ``val``.

    Raises:
        UserError: there is no such list, or a fault that is refused.
    """
    found = [(one, one.boxes(classes, home.called(file), faults)) for file, one in _annotations(home, split, faults)]
    images = tuple(annotation for annotation, _ in found)
    return DetectionSplit(
        name=f"{name} {split} split",
        place=home.below("JPEGImages"),
        files=tuple(one.image for one in images),
        sizes=tuple(one.size for one in images),
        boxes=tuple(boxes for _, boxes in found),
        classes=classes,
        faults=tuple(faults.lines),
    )


def voc_validation(home: Storage) -> frozenset[str]:
    """The images in ``val.txt`` where they are training images too; none, where they are to test on."""
    lists = home.files("ImageSets/Main")
    if not {"trainval.txt", "test.txt", "val.txt"} <= set(lists):
        return frozenset()
    stems = set(_stems(home, "val.txt"))
    return frozenset(file for file in home.files("JPEGImages") if file.rpartition(".")[0] in stems)


def _annotations(home: Storage, split: Split, faults: Faults) -> Iterator[tuple[str, Annotation]]:
    """Of the images of a split that have one, with the name of its file."""
    pictures = set(home.files("JPEGImages"))
    known = set(home.files("Annotations"))
    for stem in _listed(home, split):
        file = f"Annotations/{stem}.xml"
        image = next((stem + end for end in _ENDINGS if stem + end in pictures), None)
        if f"{stem}.xml" not in known:
            what = "an image without annotation" if image else "neither image nor annotation"
            faults.met(UserError(home.called(file), what, "want its XML file, or leave it out of the list"))
        elif image is None:
            faults.met(UserError(home.called(file), "an annotation without image", f"want JPEGImages/{stem}.jpg"))
        else:
            try:
                yield file, _parsed(home, file, image)
            except UserError as wrong:
                faults.met(wrong)


def _listed(home: Storage, split: Split) -> list[str]:
    lists = home.files("ImageSets/Main")
    own = "test.txt" in lists
    wanted = {"train": ("trainval.txt", "train.txt") if own else ("train.txt",), "test": ("test.txt", "val.txt")}[split]
    for file in wanted:
        if file in lists:
            stems = _stems(home, file)
            if twice := {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else ():
                raise UserError(home.called(f"ImageSets/Main/{file}"), min(twice), "it is there twice")
            return stems
    raise FileNotFoundError(f"no file {home.called(f'ImageSets/Main/{wanted[0]}')}")


def _stems(home: Storage, file: str) -> list[str]:
    """The names in a list; what stands behind one says whether a class is in it."""
    text = home.read(f"ImageSets/Main/{file}", _LIST).decode(errors="replace")
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _parsed(home: Storage, file: str, image: str) -> Annotation:
    where = home.called(file)
    try:
        root = ElementTree.fromstring(home.read(file, _XML))
        size = (_whole(root, "size/height"), _whole(root, "size/width"))
        objects = root.findall("object")
        names = tuple((one.findtext("name") or "").strip() for one in objects)
        ignored = tuple((one.findtext("difficult") or "0").strip() == "1" for one in objects)
        raw = [[float(one.findtext(f"bndbox/{key}") or "") for key in _CORNERS] for one in objects]
    except (ElementTree.ParseError, ValueError) as wrong:
        if isinstance(wrong, UserError):
            raise
        raise UserError(
            where, str(wrong), "want an annotation of VOC: size, and objects with name and bndbox"
        ) from wrong
    if not all(1 <= side <= MOST_SIDE for side in size):
        raise UserError(where, f"size {size[1]}x{size[0]}", f"want 1 to {MOST_SIDE} pixels each")
    corners = tuple((x0 - 1, y0 - 1, x1, y1) if x0 < x1 and y0 < y1 else (x0, y0, x1, y1) for x0, y0, x1, y1 in raw)
    return Annotation(image, size, corners, names, ignored)


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _whole(root: ElementTree.Element, path: str) -> int:
    return int(float(root.findtext(path) or ""))
