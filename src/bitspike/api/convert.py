"""`bitspike.convert`: a trained network as a spiking one that computes the same, and the proof on real images."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.api.converted import Conversion, converted
from bitspike.api.images import Split, images_of
from bitspike.api.look import Look
from bitspike.api.quantized import FineTuning, Observers
from bitspike.api.run import Run
from bitspike.api.sources import data_dir_of, path_of
from bitspike.errors import UserError
from bitspike.places import checked_name, checked_place
from bitspike.stopping import kept

if TYPE_CHECKING:
    from torch import nn

    from bitspike.models import MaxPools
    from bitspike.training import TrainConfig

__all__ = ["Conversion", "convert"]


def convert(
    source: str | Path | Run | nn.Module,
    *edits: str,
    ann: str | Path | None = None,
    dataset: str | None = None,
    method: str = "spikezip",
    steps: int | None = None,
    images: int | None = None,
    split: Split = "test",
    stop_when_settled: bool = False,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
    resume: bool = False,
    mean: float | Sequence[float] | str | None = None,
    std: float | Sequence[float] | str | None = None,
    max_pool: MaxPools | None = None,
    observers: Observers | None = None,
    say: Callable[[str], None] | None = None,
) -> Conversion:
    """Fine-tunes a network with quantized ReLUs, converts it to a spiking one, and compares the two on every image.

    >>> found = bitspike.convert("spikezip-convnet-digits")
    >>> found.equal  # on every test image, in integers
    True
    >>> bitspike.export(found.net, "c", "firmware")

    Args:
        source: a recipe (``spikezip-...``), a run of relu or q-relu neurons or its folder, a network of your own, or
            ``package.module:function``, which makes one.
        edits: of the fine-tuning, ``key=value``: ``"neuron.levels=4"``, ``"epochs=5"``, ``"neuron.paths="``.
        ann: run folder of a recipe's network of ReLUs; trained there if it is not there yet.
        dataset: what a network of your own classifies.
        method: a key of `bitspike.conversion.METHODS`.
        steps: of the spiking network; by default those of the method, or all that it may take to settle.
        images: how many to check it on; by default all of the split.
        split: which images.
        stop_when_settled: check each batch for as few steps as settle it.
        name: of the run folder of the fine-tuning.
        runs_dir, data_dir, resume: see `bitspike.train`.
        mean, std: how your network's images were normalised, of pixels/255 as torchvision's ``Normalize`` has them: one
            number, or one for each channel; without both, ``(pixel - 128)/64``.
        max_pool: what max pools become: ``mean`` pools, the default; or ``spiking``: they stay in the fine-tuned
            network, and are `bitspike.layers.SpikingMaxPool2d` in the spiking one. A fine-tuned run has its own.
        observers: makes the observer of each run that is trained, from the run's name, as a context.
        say: is told, before anything is fine-tuned, what your network computes and what it computes as it was read;
            without it, what is amiss is a Python warning.

    Raises:
        UserError: before anything is trained: what cannot be converted (the line names it by its path in the network),
            checked or found, and arguments that do not go together; a network whose training has not ended.
    """
    from bitspike import conversion
    from bitspike.training.lock import locked
    from bitspike.training.tasks import task_of

    runs_dir = checked_place("--runs-dir", runs_dir)
    if name is not None:
        checked_name(name)
    _check(method, steps, stop_when_settled, max_pool)
    data = path_of(data_dir) or data_dir_of(source)

    def check(config: TrainConfig, network: nn.Module) -> None:
        """Refuses what could not be converted, or checked, once it is trained."""
        if max_pool not in (None, conversion.max_pool_of(config)):
            raise UserError("--max-pool", max_pool, "the config says otherwise: see --set methods.paths-ensemble")
        task = task_of(config)
        graph = conversion.check_convertible(network, task.sample)
        conversion.check_method_fits(network, method)
        conversion.steps_of(graph, steps, method)
        task.check(graph)
        images_of(config, split, images, data)

    look = Look(data, say)
    pools = () if max_pool is None else (f"methods.paths-ensemble.max_pool={max_pool}",)
    edits = (*pools, *edits, *_normalized(mean=mean, std=std))  # what an edit says otherwise is seen by the check
    tuning = FineTuning(
        partial(conversion.as_published, name=method),
        edits,
        path_of(ann),
        dataset,
        name,
        runs_dir,
        data,
        resume,
        observers,
        check,
        look,
    )
    quantized = tuning.of(source)
    with kept(quantized.run.folder), locked(quantized.run.folder):
        return converted(quantized, look, method, steps, images, split, stop_when_settled)


def _normalized(**given: float | Sequence[float] | str | None) -> list[str]:
    """Mean and std as edits of the config."""
    numbers = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in numbers.items()}
    return [f"{key}={text}" for key, text in written.items() if given[key] is not None]


def _check(method: str, steps: int | None, stop_when_settled: bool, max_pool: str | None) -> None:
    from bitspike.conversion import MOST_STEPS, method_of

    if max_pool not in (None, "mean", "spiking"):
        raise UserError("--max-pool", max_pool, "want mean or spiking")

    how = method_of(method)
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise UserError("--steps", steps, f"want 1 to {MOST_STEPS}")
    if stop_when_settled and not how.ends:
        raise UserError("--stop-when-settled", method, "its images never end, so it never settles; leave it out")
