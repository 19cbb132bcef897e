"""Boxes in images: what trained and frozen networks find, and how that looks side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run
from bitspike.api.sources import as_net, as_run, is_run
from bitspike.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bitspike.api.results import BoxEvaluation
    from bitspike.backends import Backend
    from bitspike.datasets.boxed import DetectionSplit
    from bitspike.detection import Boxes, Head
    from bitspike.ir import FrozenGraph

__all__ = ["Finder", "boxes_judged", "boxes_of_split", "boxes_side_by_side", "finder", "found_in"]

SHOWN = 0.3
"""The probability that a box has at least where boxes are shown: those that a metric counts begin far below."""
IMAGES = 4
AT_ONCE = 128
"""Images that are run together: a compiler that an engine calls is called as often."""


@dataclass(frozen=True)
class Finder:
    """A network made ready to find boxes.

    Attributes:
        label: what it is called beside others.
        dataset: that it was trained on.
        size: height and width of what it reads.
        head: what its outputs mean.
        found: the boxes of codes ``[N, 3, H, W]`` in there, each at least as sure as the probability given.
    """

    label: str
    dataset: str
    size: tuple[int, int]
    head: Head
    found: Callable[[NDArray[np.uint8], float], list[Boxes]]

    def within(self, images: Sequence[NDArray[np.uint8]], lowest: float = SHOWN) -> list[Boxes]:
        """The boxes of each image ``[H, W, 3]``, in its own pixels, with probabilities for scores; the surest first."""
        import numpy as np

        from bitspike.datasets.boxed import in_letterbox
        from bitspike.detection import Letterbox, in_probability

        codes = np.stack([in_letterbox(image, self.size) for image in images])
        shapes = [image.shape[:2] for image in images]
        return [
            in_probability(Letterbox(shape, self.size).back(boxes), self.head)
            for shape, boxes in zip(shapes, self.found(codes, lowest), strict=True)
        ]


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


def finder(source: Run | FrozenGraph | str | Path) -> Finder:
    """The network made ready, once, for any number of images.

    Raises:
        UserError: no run and no network there, or one that finds no boxes.
    """
    if isinstance(source, Run) or (isinstance(source, str | Path) and is_run(source)):
        return _of_run(as_run(source))
    label = Path(source).name if isinstance(source, str | Path) else source.graph.name
    return _of_net(as_net(source), label)


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

    head = _head_of(net, net.graph.name)
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


def _head_of(net: FrozenGraph, label: str) -> Head:
    if net.head is None:
        raise UserError("network", label, "it finds no boxes; want one that was trained on a data set of boxes")
    return net.head


def _of_net(net: FrozenGraph, label: str) -> Finder:
    """Integers, run by the fastest engine that has all of the network's ops."""
    from bitspike.backends import backend
    from bitspike.detection.found import found_in_integers

    head, native = _head_of(net, label), backend("native")
    outputs = (native if native.lacks(net) is None else backend("oracle")).prepare(net)
    scales = [readout.scale for readout in net.readouts]

    def found(codes: NDArray[Any], lowest: float) -> list[Boxes]:
        return found_in_integers(outputs(codes), head, scales, lowest)

    return Finder(label, net.dataset, net.sample.shape[1:], head, found)  # type: ignore[arg-type]


def _of_run(run: Run) -> Finder:
    """The network in floats."""
    import torch

    from bitspike.detection.found import found_in_floats
    from bitspike.training.tasks import Detect, task_of

    task, graph = task_of(run.config), run.graph()
    if not isinstance(task, Detect):
        wanted = f"it was trained on {run.config.dataset} and finds no boxes; want a data set of boxes"
        raise UserError("network", str(run.folder), wanted)
    head, model = task.head([graph.edges[node.name].shape for node in graph.readouts()]), run.model()

    @torch.no_grad()
    def found(codes: NDArray[Any], lowest: float) -> list[Boxes]:
        answers = task.answers(model(torch.from_numpy(codes)))
        return found_in_floats([answer.numpy() for answer in answers], head, lowest)

    label = Path(os.path.realpath(run.folder)).name
    return Finder(label, run.config.dataset, task.settings.size, head, found)
