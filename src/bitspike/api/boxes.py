"""Boxes in images: what trained and frozen networks find, and how that looks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.api.finder import SHOWN, Finder, finder, head_of
from bitspike.api.run import Run
from bitspike.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bitspike.api.results import BoxEvaluation
    from bitspike.backends import Backend
    from bitspike.datasets.boxed import DetectionSplit
    from bitspike.detection import Boxes
    from bitspike.ir import FrozenGraph

__all__ = ["boxes_judged", "boxes_of_split", "boxes_side_by_side", "found_in"]

IMAGES = 4
AT_ONCE = 128
"""Images that are run together: a compiler that an engine calls is called as often."""


def found_in(
    source: Run | FrozenGraph | str | Path, image: NDArray[np.uint8] | str | Path, lowest: float = SHOWN
) -> tuple[Boxes, tuple[str, ...]]:
    """The boxes that a network finds in one image, the surest first, and the names of its classes.

    >>> boxes, classes = found_in("cells.bitspike", "blood.jpg")
    >>> print(classes[boxes.labels[0]], round(boxes.scores[0], 2), boxes.xyxy[0])
    RBC 0.97 [312.5 100.1 402.2 189.8]

    Args:
        source: a run, its folder, a frozen network, or its file.
        image: ``uint8 [H, W, 3]``, or a picture in a file; of any size, it is letterboxed.
        lowest: probability below which there is no box.

    Raises:
        UserError: no network there, one that finds no boxes, or no such picture.
    """
    import numpy as np

    from bitspike.datasets.pictures import decoded
    from bitspike.files import at_home

    ready = finder(source)
    if isinstance(image, str | Path):
        image = np.asarray(decoded(str(image), at_home(image)), np.uint8)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise UserError("image", f"{image.dtype} {list(image.shape)}", "want uint8 [H, W, 3], or a picture's file")
    return ready.within([image], lowest)[0], ready.head.classes


def boxes_side_by_side(
    sources: Sequence[str | Path], data_dir: Path | None = None, images: int = IMAGES, lowest: float = SHOWN
) -> Figure:
    """The picture of what networks find in the first test images of the data set that they were trained on.

    Args:
        sources: run folders and files, in the order of their columns.
        images: how many.
        lowest: probability below which no box is shown.

    Raises:
        UserError: a network that finds no boxes, or networks of different data sets.
    """
    from bitspike.datasets.detection_sets import load_detection
    from bitspike.reports.boxes import Shown, boxes_figure

    ready: dict[str, Finder] = {}
    for source in sources:
        one = finder(source)
        ready[one.label if one.label not in ready else str(source)] = one
    names = {one.dataset for one in ready.values()}
    if len(names) != 1:
        raise UserError("data sets", ", ".join(sorted(names)) or "none", "want networks of one data set, side by side")
    (dataset,) = names
    test = load_detection(dataset, "test", data_dir)
    if not 1 <= images <= len(test):
        raise UserError("--images", images, f"want 1 to {len(test)}, the test images of {dataset}")
    pixels = [test.read(index) for index in range(images)]
    found = {label: one.within(pixels, lowest) for label, one in ready.items()}
    rows = []
    for index in range(images):
        own = {label: boxes[index] for label, boxes in found.items()}
        rows.append(Shown(test.files[index], pixels[index], test.boxes[index], own))
    return boxes_figure(rows, test.classes, f"{dataset} test, {100 * lowest:g} % sure or more")


def boxes_judged(net: FrozenGraph, runner: Backend, engine: str, data_dir: Path | None) -> BoxEvaluation:
    """How good the boxes are that a frozen network finds in the test images of its data set.

    Args:
        runner: runs it. engine: what that is called.

    Raises:
        UserError: missing or broken data, or other classes than the network's.
    """
    from bitspike.api.results import BoxEvaluation
    from bitspike.datasets.detection_sets import load_detection
    from bitspike.detection import mean_average_precision

    test = load_detection(net.dataset, "test", data_dir)
    judged = mean_average_precision(boxes_of_split(net, runner, test), test.boxes, test.classes)
    of_class = {name: None if part is None else 100 * part for name, part in judged.of_class.items()}
    numbers = (100 * judged.ap50, 100 * judged.ap, of_class)
    return BoxEvaluation(net.dataset, "test", len(test), *numbers, engine=engine)


def boxes_of_split(net: FrozenGraph, runner: Backend, split: DetectionSplit) -> list[Boxes]:
    """The boxes that a frozen network finds in each image, in its pixels, as sure as the network's head asks for.

    Raises:
        UserError: the network finds none, or boxes of other classes, or an image cannot be read.
    """
    import numpy as np

    from bitspike.datasets.boxed import in_letterbox
    from bitspike.detection import Letterbox
    from bitspike.detection.found import found_in_integers

    head = head_of(net, net.graph.name)
    if head.classes != split.classes:  # a folder of one's own may have others by now
        raise UserError(f"classes of {split.name}", ", ".join(split.classes), f"want {', '.join(head.classes)}")
    size, outputs, found = net.sample.shape[-2:], runner.prepare(net), []
    for start in range(0, len(split), AT_ONCE):
        rows = range(start, min(start + AT_ONCE, len(split)))
        codes = np.stack([in_letterbox(split.read(row), (size[0], size[1])) for row in rows])
        own = found_in_integers(outputs(codes), head, [readout.scale for readout in net.readouts])
        found += [
            Letterbox(split.sizes[row], (size[0], size[1])).back(boxes) for row, boxes in zip(rows, own, strict=True)
        ]
    return found
