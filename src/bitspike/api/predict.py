"""`bitspike.predict`: what a trained or frozen network sees in files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.run import Run
from bitspike.api.sources import as_net, as_run, is_run
from bitspike.errors import UserError
from bitspike.files import at_home

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bitspike.datasets.frames import FrameSettings
    from bitspike.ir import FrozenGraph
    from bitspike.sample import Sample

__all__ = ["Prediction", "Predictor", "predict", "predictor"]


@dataclass(frozen=True)
class Prediction:
    """What was seen in one sample. ``print`` says it in a line.

    Attributes:
        file: that it is in; of an array of several with its number behind it.
        label: the class, as a number; ``name``: what it is called.
        logits: by class: integers of a frozen network, of a run their mean over the steps.
        scores: the logits' softmax, by class, adding up to 1; empty of a frozen network that does not say what one
            unit of a logit is worth.
        classes: what they are called, in order.
    """

    file: str
    label: int
    name: str
    logits: tuple[float, ...]
    scores: tuple[float, ...]
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        named = dict(zip(self.classes, self.scores or self.logits, strict=True))
        kind = "scores" if self.scores else "logits"
        return {"file": self.file, "label": self.label, "name": self.name, kind: named, "values": list(self.logits)}

    def __str__(self) -> str:
        if not self.scores:
            return f"{self.file}: {self.name} (logit {self.logits[self.label]:g})"
        order = sorted(range(len(self.scores)), key=lambda k: (k != self.label, -self.scores[k]))[:3]
        return f"{self.file}: " + ", ".join(f"{self.classes[k]} {100 * self.scores[k]:.1f} %" for k in order)


@dataclass(frozen=True)
class Predictor:
    """A network made ready for files.

    Attributes:
        sample: what it reads. classes: what it tells apart.
        dataset, frames: what it was trained on.
        logits: of codes ``[N, *sample.array_shape]``.
        scale: the value of one unit of a logit; ``None`` where it is not known.
    """

    sample: Sample
    classes: tuple[str, ...]
    dataset: str
    frames: FrameSettings | None
    logits: Callable[[NDArray[np.uint8]], NDArray[Any]]
    scale: float | None

    def of(self, file: str | Path) -> list[Prediction]:
        """What is seen in a file: in each sample of it.

        Raises:
            UserError: the file is missing, damaged, or none that the network reads.
        """
        import numpy as np

        from bitspike.datasets.inputs import codes_of

        found, codes = [], codes_of(at_home(file), self.sample, self.dataset, self.frames)
        for index, row in enumerate(self.logits(codes)):
            label = int(row.argmax())
            scores: tuple[float, ...] = ()
            if self.scale is not None:
                powers = np.exp((row.astype(np.float64) - row.max()) * self.scale)
                scores = tuple((powers / powers.sum()).tolist())
            called = str(file) if len(codes) == 1 else f"{file}[{index}]"
            found.append(Prediction(called, label, self.classes[label], tuple(row.tolist()), scores, self.classes))
        return found


def predict(source: Run | FrozenGraph | str | Path, *files: str | Path) -> list[Prediction]:
    """Classifies files: pictures, ``.npy`` arrays, and sounds or recordings of events where the network reads these.

    >>> print(bitspike.predict("digits.bitspike", "seven.png")[0])
    seven.png: 7 98.2 %, 9 1.1 %, 1 0.4 %

    Args:
        source: a run, its folder, a frozen network, or its file.
        files: each of one sample, or an array of several.

    Returns:
        What is seen in each sample, in order.

    Raises:
        UserError: no run and no network there, one that answers at every step, or a file that it does not read.
    """
    for file in files:
        if not isinstance(file, str | Path):
            raise UserError("file", type(file).__name__, "want a path; bitspike.compile runs arrays")
    ready = predictor(source)
    return [found for file in files for found in ready.of(file)]


def predictor(source: Run | FrozenGraph | str | Path) -> Predictor:
    """The network made ready, once, for any number of files; see `predict`."""
    if isinstance(source, Run) or (isinstance(source, str | Path) and is_run(source)):
        return _of_run(as_run(source))
    return _of_net(as_net(source))


def _of_net(net: FrozenGraph) -> Predictor:
    from bitspike.api.evaluate import frames_of
    from bitspike.backends import backend

    if net.readout.over == "each":
        raise UserError("network", net.graph.name, "it answers at every step; see bitspike.compile and bitspike.stream")
    native = backend("native")
    runner = native if native.lacks(net) is None else backend("oracle")
    classes = net.classes or tuple(map(str, range(net.graph.edges[net.readout.name].size)))
    return Predictor(net.sample, classes, net.dataset, frames_of(net), runner.compile(net), net.logit_scale)


def _of_run(run: Run) -> Predictor:
    import torch

    from bitspike.layers.readout import read_out
    from bitspike.training.described import dataset_of

    config, model = run.config, run.model()
    if config.readout == "each":
        raise UserError("network", str(run.folder), "it answers at every step; see bitspike.stream")
    dataset = dataset_of(config)

    @torch.no_grad()
    def logits(codes: NDArray[np.uint8]) -> NDArray[Any]:
        found: NDArray[Any] = read_out(model(torch.from_numpy(codes)), config.readout).numpy()
        return found

    return Predictor(dataset.sample, dataset.classes, config.dataset, config.frames, logits, 1.0)
