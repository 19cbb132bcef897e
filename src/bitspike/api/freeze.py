"""`bitspike.freeze`: a trained network as integers, beside the floats that it came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.images import Split
from bitspike.api.results import AnyComparison, BoxComparison, Comparison, Frozen
from bitspike.api.run import Run
from bitspike.api.sources import as_run, path_of
from bitspike.errors import UserError
from bitspike.places import checked_file
from bitspike.sample import AnySample

if TYPE_CHECKING:
    from torch import nn

    from bitspike.ir import FrozenGraph
    from bitspike.layers import Answer
    from bitspike.training import TrainConfig

__all__ = ["freeze"]

BATCH = 50
"""Images that are compared at once."""
COMPARED = 1000
"""Images that are compared where nobody says how many."""


def freeze(
    source: Run | nn.Module | str | Path,
    output: str | Path | None = None,
    *,
    images: int | None = 0,
    split: Split = "validation",
    sample: AnySample | None = None,
    readout: Answer = "mean",
    fraction_bits: int | None = None,
    data_dir: str | Path | None = None,
) -> Frozen:
    """Turns a trained network into integers: batch norm, scales and thresholds become one multiplier and offset for
    each channel, and every value's range is proven, so that nothing can overflow.

    >>> frozen = bitspike.freeze("runs/digits", "digits.bitspike", images=200)
    >>> frozen.comparison.integer_accuracy
    99.5

    Args:
        source: a run, its folder, or a trained network of your own.
        output: file to write; ``None`` writes nothing.
        images: of a run, on so many the integers are compared with the floats; 0 for none, and no data are read;
            ``None`` for `COMPARED`, or all where there are fewer.
        split: which images.
        sample: what one input of a network of your own is, ``(C, H, W)`` of an image's shape; a run has its own.
        readout: what such a network's logits are read as: ``mean`` over time, ``last``, ``each``; a run has its own.
        fraction_bits: after the point of multipliers and potentials, 1 to 20 at most; ``None`` for as many as fit.
            With fewer, hardware is narrower (docs/hardware.md), and more levels differ from the floats.
        data_dir: where the data sets lie; see `bitspike.Run`.

    Raises:
        UserError: no run, a network that cannot be frozen (the line names the layer), fewer images than asked for, or a
            file that cannot be written; an earlier one is untouched.
    """
    if output is not None:
        checked_file("--output", output)
    if not isinstance(source, Run | str | Path):
        return _written(_of_module(source, sample, readout, images, fraction_bits), output)
    if sample is not None:
        raise UserError("sample", sample, "a run has its own; leave it out")
    if readout != "mean":
        raise UserError("readout", readout, "a run has its own; leave it out")
    run = as_run(source, data_dir)
    model, config = run.model(), run.config
    net = _of_run(model, config, fraction_bits)
    if images is None:
        whole = run.images(split)
        shown = whole.first(min(COMPARED, len(whole)))
    else:
        shown = run.images(split, images) if images else None
    frozen = _written(net, output)
    return frozen if shown is None else replace(frozen, comparison=_compared(model, config, net, shown, split))


def _of_module(
    model: nn.Module, sample: AnySample | None, readout: Answer, images: int | None, fraction_bits: int | None
) -> FrozenGraph:
    name = type(model).__name__
    if sample is None:
        raise UserError("sample", None, f"want what {name} sees: a Sample, or (C, H, W) of an image")
    if images:
        raise UserError("--images", images, f"only a run has images; see bitspike.lowering.agreement for {name}")
    from bitspike import lowering

    return lowering.freeze(model.eval(), sample, name, readout, fraction_bits)


def _of_run(model: nn.Module, config: TrainConfig, fraction_bits: int | None) -> FrozenGraph:
    """With where its inputs come from, so that the file finds them."""
    from bitspike import lowering
    from bitspike.training.tasks import Detect, task_of

    task = task_of(config)
    frames = None if config.frames is None else config.frames.model_dump(mode="json")
    net = lowering.freeze(model, task.sample, config.model, config.readout, fraction_bits)
    shapes = [net.graph.edges[readout.name].shape for readout in net.readouts]
    head = task.head(shapes) if isinstance(task, Detect) else None
    classes = () if head else task.classes  # a head has them
    return replace(net, dataset=config.dataset, frames=frames, classes=classes, head=head)


def _written(net: FrozenGraph, output: str | Path | None) -> Frozen:
    from bitspike import ir

    path = path_of(output)
    return Frozen(net) if path is None else Frozen(net, path, ir.save(net, path))


def _compared(model: nn.Module, config: TrainConfig, net: FrozenGraph, shown: Any, split: Split) -> AnyComparison:
    from bitspike.backends import oracle
    from bitspike.lowering import agreement
    from bitspike.training import evaluate
    from bitspike.training.evaluate import at_once, batches

    if net.head is not None:
        return _boxes_compared(model, config, net, shown, split)
    predicted = oracle.logits(net, shown.images.numpy()).argmax(-1)
    return Comparison(
        split,
        float_accuracy=evaluate(model, shown, readout=config.readout).percent,
        integer_accuracy=100 * float((predicted == shown.labels.numpy()).mean()),
        agreement=agreement(model, net, batches(shown.images, min(BATCH, at_once(shown.sample.T)))),
        counted="steps" if shown.labels_per_step else "samples",
    )


def _boxes_compared(model: nn.Module, config: TrainConfig, net: FrozenGraph, shown: Any, split: Split) -> BoxComparison:
    from bitspike.backends import oracle
    from bitspike.detection.found import found_in_integers
    from bitspike.lowering import agreement
    from bitspike.training.evaluate import at_once, batches
    from bitspike.training.tasks import Detect, task_of

    task, found = task_of(config), []
    assert isinstance(task, Detect)
    assert net.head is not None
    scales, size = [readout.scale for readout in net.readouts], min(BATCH, at_once(shown.sample.T))
    for batch in batches(shown.images, size):
        found += found_in_integers(oracle.outputs(net, batch.numpy()), net.head, scales)
    back = [box.back(boxes) for box, boxes in zip(shown.fitted, found, strict=True)]
    return BoxComparison(
        split,
        float_map50=task.evaluate(model, shown).map50,
        integer_map50=task.judged(back, shown).map50,
        agreement=agreement(model, net, batches(shown.images, size)),
    )
