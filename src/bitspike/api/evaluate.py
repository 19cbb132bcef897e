"""`bitspike.evaluate`: how many images a trained or frozen network gets right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bitspike.api.boxes import boxes_judged
from bitspike.api.images import Split
from bitspike.api.results import BoxEvaluation, Evaluation
from bitspike.api.run import Run
from bitspike.api.sources import as_net, as_run, is_file, path_of
from bitspike.errors import UserError
from bitspike.settings import first_mistake

if TYPE_CHECKING:
    from bitspike.datasets.frames import FrameSettings
    from bitspike.ir import FrozenGraph

__all__ = ["evaluate", "frames_of"]


def evaluate(
    source: Run | FrozenGraph | str | Path,
    split: Split | None = None,
    *,
    engine: str | None = None,
    data_dir: str | Path | None = None,
    **options: Any,
) -> Evaluation | BoxEvaluation:
    """Classifies a data set, or finds its boxes, with a trained network in floats, or the integers frozen from one.

    >>> print(bitspike.evaluate("digits.bitspike", engine="c"))
    digits test: 352 of 360 right, 97.78 %

    Args:
        source: a run, its folder, a frozen network, or its file.
        split: which images of a run; by default the test set, as always of a frozen network.
        engine: what runs a frozen network, a name of `bitspike.backends.engines`: the ``oracle``, which defines it, the
            fastest, ``native``, its ``c``, compiled here, or ``onnx``. By default the oracle.
        data_dir: where the data sets lie; see `bitspike.Run`.
        options: of the engine, as ``cc``, the C compiler with its flags.

    Raises:
        UserError: no run and no network there, an unknown engine, an option that is for another, missing or broken
            data, or images of another shape than the network's.
    """
    if isinstance(source, Run) or (isinstance(source, str | Path) and not is_file(source)):
        run = as_run(source, data_dir)
        for option, value in {"engine": engine, **options}.items():
            if value is not None:
                raise UserError(f"--{option}", value, f"it is for files of `bitspike freeze`; {run.folder} is none")
        return run.evaluate(split or "test")
    if split:
        raise UserError("--split", split, "a frozen network is evaluated on the test images; leave it out")
    return _of_net(source, engine or "oracle", path_of(data_dir), options)


def of_run(run: Run, split: Split) -> Evaluation | BoxEvaluation:
    """What `Run.evaluate` says."""
    from bitspike.training import Accuracy
    from bitspike.training.tasks import Detected, task_of

    config, images = run.config, run.images(split)
    seen, bits = task_of(config).evaluate(run.model(), images), str(config.bits)
    if isinstance(seen, Detected):
        precision = (seen.map50, seen.map5095, seen.of_class)
        return BoxEvaluation(config.dataset, split, len(images), *precision, bits=bits, loss=seen.loss)
    assert isinstance(seen, Accuracy)
    of = (config.dataset, split, seen.correct, seen.total)
    return Evaluation(*of, bits=bits, loss=seen.loss, counted=seen.counted)


def _of_net(
    source: FrozenGraph | str | Path, engine: str, data_dir: Path | None, options: dict[str, Any]
) -> Evaluation | BoxEvaluation:
    from bitspike.api.backends import chosen
    from bitspike.backends import able, engines
    from bitspike.datasets import find_dataset
    from bitspike.datasets.dataset import read_blocks

    runner = chosen("engine", engine, engines(), options)
    net = as_net(source)
    if net.head is not None:
        return boxes_judged(net, able(runner, net), engine, data_dir)
    if not net.classifies:
        seen = ", ".join(str(edge.shape) for edge in net.graph.outputs)
        raise UserError(f"network {net.graph.name}", f"outputs {seen}", "it tells no classes apart: want logits (K,)")
    frames = frames_of(net)
    dataset = find_dataset(net.dataset, frames)
    where = source if isinstance(source, str | Path) else net.graph.name
    pixels = dataset.sample.is_image  # whose levels a mean and std may have changed
    if net.sample.array_shape != dataset.sample.array_shape or not (pixels or net.sample == dataset.sample):
        raise UserError(f"images of {net.dataset}", str(dataset.sample), f"the network in {where} is for {net.sample}")
    if dataset.labels_per_step != (net.readout.over == "each"):
        labelled = "steps" if dataset.labels_per_step else "samples"
        raise UserError(f"labels of {net.dataset}", f"of {labelled}", f"the network in {where} answers others")
    answers = net.graph.edges[net.readout.name].size
    if answers != dataset.num_classes:  # a folder of one's own may have another class by now, and so other labels
        seen = f"{dataset.num_classes} classes"
        raise UserError(f"labels of {net.dataset}", seen, f"the network in {where} tells {answers} apart")
    if net.classes and net.classes != dataset.classes:
        raise UserError(f"classes of {net.dataset}", dataset.classes, f"the network in {where} knows {net.classes}")
    run, correct, total = able(runner, net).compile(net), 0, 0
    for codes, labels in read_blocks(dataset, "test", data_dir):
        correct += int((run(codes).argmax(-1) == labels).sum())
        total += labels.size
    counted = "steps" if dataset.labels_per_step else "samples"
    return Evaluation(net.dataset, "test", correct, total, engine=engine, counted=counted)


def frames_of(net: FrozenGraph) -> FrameSettings | None:
    """How the network's file says that events become frames."""
    from bitspike.datasets.frames import FrameSettings

    try:
        return None if net.frames is None else FrameSettings.model_validate(net.frames)
    except ValidationError as wrong:
        raise first_mistake(wrong, "graph frames") from wrong
