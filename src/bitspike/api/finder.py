"""A network of boxes made ready, once, for any number of images: of a run in floats, of a file in integers."""

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
    from numpy.typing import NDArray

    from bitspike.detection import Boxes, Head
    from bitspike.ir import FrozenGraph

__all__ = ["SHOWN", "Finder", "finder", "head_of"]

SHOWN = 0.3
"""The probability that a box has at least where boxes are shown: those that a metric counts begin far below."""


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


def finder(source: Run | FrozenGraph | str | Path) -> Finder:
    """The network made ready, once, for any number of images.

    Raises:
        UserError: no run and no network there, or one that finds no boxes.
    """
    if isinstance(source, Run) or (isinstance(source, str | Path) and is_run(source)):
        return _of_run(as_run(source))
    label = Path(source).name if isinstance(source, str | Path) else source.graph.name
    return _of_net(as_net(source), label)


def head_of(net: FrozenGraph, label: str) -> Head:
    """What the outputs of a frozen network mean.

    Raises:
        UserError: it finds no boxes.
    """
    if net.head is None:
        raise UserError("network", label, "it finds no boxes; want one that was trained on a data set of boxes")
    return net.head


def _of_net(net: FrozenGraph, label: str) -> Finder:
    """Integers, run by the fastest engine that has all of the network's ops."""
    from bitspike.backends import backend
    from bitspike.detection.found import found_in_integers

    head, native = head_of(net, label), backend("native")
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
