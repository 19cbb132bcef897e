"""A training run from outside: its folder, and all that can be asked of it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.images import Split, images_of
from bitspike.errors import UserError
from bitspike.files import at_home, is_there
from bitspike.importing import is_import_path

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from bitspike.api.results import BoxEvaluation, Evaluation
    from bitspike.costs import Activity, CostReport, EnergyModel
    from bitspike.costs.hardware import HardwareSettings
    from bitspike.data import Dataset
    from bitspike.ir import FrozenGraph, Graph
    from bitspike.training import RunFolder, TrainConfig

__all__ = ["Run", "load_run"]


@dataclass(frozen=True)
class Run:
    """What `bitspike.train`, `convert` and `allocate` return, and `load_run` finds again.

    A run holds no network: every method reads the folder anew.

    >>> bitspike.load_run("runs/digits").images("test", 32).images.shape
    torch.Size([32, 1, 8, 8])

    Attributes:
        folder: the run folder.
        config: what was trained; its bits are those that the run started from.
        data_dir: where the data sets lie; ``None`` for ``$BITSPIKE_DATA``, else what `bitspike data list` says.
        dataset: the data, where they were given as an object.
    """

    folder: Path
    config: TrainConfig
    data_dir: Path | None = None
    dataset: Dataset | None = None

    @property
    def files(self) -> RunFolder:
        """The files of the folder, by what they hold."""
        from bitspike.training import RunFolder

        return RunFolder(self.folder)

    @property
    def finished(self) -> bool:
        """Whether its training has ended."""
        return is_there(self.files.result_file)

    @property
    def result(self) -> dict[str, Any]:
        """What training found (``result.json``): accuracies in percent, costs, bits, seconds, versions.

        Raises:
            UserError: the training has not ended, or ``result.json`` is damaged.
        """
        if not self.finished:
            raise UserError("run folder", str(self.folder), "its training has not ended; say its command with --resume")
        return self.files.read_result()

    def ended(self) -> Run:
        """The run itself.

        Raises:
            UserError: its training has not ended, or ``result.json`` is damaged.
        """
        _ = self.result  # reads it
        return self

    def model(self) -> nn.Module:
        """The network of the last checkpoint, a new one at each call, on the CPU, in evaluation mode.

        It takes codes ``[N, *array_shape]`` of the data set's sample, of images the pixels ``[N, C, H, W]``, 0..255
        (uint8 or float), and gives logits of every step ``[T, N, K]``.

        Raises:
            UserError: no checkpoint, or one that is broken or of another network.
        """
        from bitspike.api.own import network_of
        from bitspike.training.trained import trained_model

        return trained_model(self.files, network_of)

    def graph(self) -> Graph:
        """The structural graph: shapes, steps and bits of every layer, those that were learned where they were."""
        import torch

        from bitspike.api.own import network_of
        from bitspike.training.setup import graph_of

        config = self.files.read_learned()
        with nullcontext() if is_import_path(config.model) else torch.device("meta"):  # where shapes are enough
            return graph_of(config, network_of(config))

    def activity(self) -> Activity | None:
        """Spikes and synaptic operations as they were counted after training; ``None`` while it has not ended.

        Raises:
            UserError: ``activity.json`` is damaged.
        """
        from bitspike.costs import Activity

        file = self.files.activity_file
        return Activity.load(file) if is_there(file) else None

    def images(self, split: Split = "test", first: int | None = None) -> Any:
        """The run's images: those of the test set, or those that were kept out of training to watch it.

        They are a `bitspike.data.ImageSet`, or `bitspike.data.BoxedImages`.

        Args:
            split: which.
            first: how many, from the front; ``None`` for all.

        Raises:
            UserError: unknown split, data that are missing or broken, or fewer images than asked for.
        """
        return images_of(self.config, split, first, self.data_dir, self.dataset)

    def evaluate(self, split: Split = "test") -> Evaluation | BoxEvaluation:
        """How many of the images the network in floats gets right, or how good its boxes are; and its loss.

        Raises:
            UserError: see `images` and `model`.
        """
        from bitspike.api.evaluate import of_run

        return of_run(self, split)

    def cost(
        self,
        counting: str = "exact",
        *,
        batch: int = 1,
        energy: EnergyModel | str | None = None,
        hardware: HardwareSettings | None = None,
    ) -> CostReport:
        """What the network costs, layer by layer and in total; spikes, SOPs and NS-ACE once it is trained.

        Args:
            counting: a key of `bitspike.costs.COUNTINGS`, such as ``paper-000``. batch: images at once, for the memory.
            hardware: an FPGA, to estimate LUTs and cycles on. energy: a key of
            `bitspike.costs.ENERGIES`, or a model with constants of one's own.

        Raises:
            UserError: unknown convention, model or device, or energy before spikes were measured.
        """
        from bitspike.costs import cost

        return cost(self.graph(), counting, self.activity(), batch, energy, hardware)

    def freeze(self) -> FrozenGraph:
        """The network in integers, or a refusal by the layer's path. `bitspike.freeze` writes and compares it too."""
        from bitspike.api.freeze import freeze

        return freeze(self).net

    def compile(self, threads: int | None = None) -> Callable[[NDArray[np.uint8]], NDArray[np.int64]]:
        """The network in integers, made ready for this machine: see `bitspike.compile`."""
        from bitspike.api.compile import compile  # noqa: A004

        return compile(self.freeze(), threads=threads)


def load_run(folder: str | Path, data_dir: str | Path | None = None, *, dataset: Any = None) -> Run:
    """The run in a folder, finished or not.

    >>> bitspike.load_run("runs/digits").evaluate("validation").accuracy
    99.5

    Args:
        folder: its folder. data_dir: where the data sets lie; by default where they lay when it was trained.
        dataset: the data, where the run was trained on an object, as `bitspike.train` takes it.

    Raises:
        UserError: there is no run in it, or its ``config.json`` is damaged.
    """
    from bitspike.api.own_data import given_dataset
    from bitspike.training import RunFolder

    files = RunFolder(at_home(folder))
    place = files.data_dir() if data_dir is None else at_home(data_dir)
    return Run(files.path, files.read_config(), place, None if dataset is None else given_dataset(dataset))
