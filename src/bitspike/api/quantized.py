"""The network of quantized ReLUs that is to be converted: found, or made from a network of ReLUs by fine-tuning."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.converted import Quantized
from bitspike.api.own import network_of, own_config
from bitspike.api.run import Run, load_run
from bitspike.api.sources import is_run
from bitspike.api.train import configured, run_name
from bitspike.errors import UserError
from bitspike.files import is_there
from bitspike.importing import is_import_path, users_code
from bitspike.places import run_folder

if TYPE_CHECKING:
    from torch import nn

    from bitspike.training import Observer, RunFolder, TrainConfig

__all__ = ["FineTuning", "Observers"]

Observers = Callable[[str], "AbstractContextManager[Observer | None]"]
"""Makes what is told of each step and epoch of the run that has that name."""

SAME = ("model", "channels", "dataset", "detection", "mean", "std", "train_size", "seed")
"""What a network of ReLUs and the one that it becomes have in common."""


@dataclass(frozen=True)
class FineTuning:
    """How the network of Q-ReLUs is come by: the arguments of `bitspike.convert` that say so.

    Attributes:
        first: what the method of conversion makes of a config before it is edited.
        check: is called with the config and a fresh network of Q-ReLUs, and refuses what could not be converted or
            checked before anything is trained.
        look: is called before the fine-tuning, with the config, the trained network of ReLUs, and the user's own that
            it was read from.
    """

    first: Callable[[TrainConfig], TrainConfig]
    edits: tuple[str, ...]
    ann: Path | None
    dataset: str | None
    name: str | None
    runs_dir: Path
    data_dir: Path | None
    resume: bool
    observers: Observers | None
    check: Callable[[TrainConfig, nn.Module], None]
    look: Callable[[TrainConfig, nn.Module, nn.Module | None], None]

    def of(self, source: str | Path | Run | nn.Module) -> Quantized:
        """From a network of one's own, a run, or a recipe.

        Raises:
            UserError: none of these, or what does not go together with it.
        """
        from bitspike import recipes

        if isinstance(source, Run):
            return self._of_run(source.folder)
        if not isinstance(source, str | Path):
            return self._of_own(source, type(source).__name__)
        text = str(source)
        if is_import_path(text) and not is_run(text):
            return self._of_own(text, text)
        if is_run(text) or os.sep in text or (os.path.isdir(text) and text not in recipes.RECIPES):
            return self._of_run(Path(text))
        return self._of_recipe(text)

    def _of_own(self, source: str | nn.Module, label: str) -> Quantized:
        from torch import nn

        from bitspike import conversion, neurons
        from bitspike.models import own_network
        from bitspike.training.setup import encoder_of

        if self.ann is not None:
            raise UserError("--ann", str(self.ann), "it is for recipes; your own network brings its weights")
        config = self._new(self._configured(own_config(label, self.dataset)))
        with users_code():
            model = own_network(source) if isinstance(source, str) else source
            neuron = partial(neurons.make_node, config.neuron, config.bits)
            quantized, teacher = (conversion.adopt(model, made, encoder_of(config)) for made in (neuron, nn.ReLU))
            student = conversion.with_weights_of(quantized, config)
        self.check(config, student)
        return self._finetuned(config, teacher, student, model)

    def _of_run(self, path: Path) -> Quantized:
        from bitspike import conversion, neurons, recipes

        self._no_dataset(path)
        if self.ann is not None:
            raise UserError("--ann", str(self.ann), f"{path} is a run already; leave the option out")
        ann = (run := load_run(path, self.data_dir)).config
        if isinstance(ann.neuron, neurons.ActivationSettings):
            if self.edits or self.name or self.resume:
                said = "it is fine-tuned; leave out --set, --mean, --std, --max-pool, --name and --resume"
                raise UserError("run folder", str(path), said)
            return Quantized(run, run.ended().model())
        if ann.neuron.kind != "relu":
            raise UserError("neuron.kind", ann.neuron.kind, "want a run of relu or q-relu; others spike already")
        twin = ann.recipe.removesuffix("-ann")
        known = ann.recipe.endswith("-ann") and twin in recipes.RECIPES
        tuned = recipes.recipe(twin) if known else conversion.finetune_config(ann)
        config = self._new(self._configured(tuned.model_copy(update={key: getattr(ann, key) for key in SAME})))
        for key in ("mean", "std"):
            if getattr(config, key) != getattr(ann, key):
                raise UserError(key, getattr(config, key), f"{path} was trained with {getattr(ann, key)}")
        self.check(config, network_of(config))
        return self._with_weights_of(run, config)

    def _of_recipe(self, recipe: str) -> Quantized:
        from bitspike import neurons, training

        self._no_dataset(recipe)
        config = self._configured(configured(recipe))
        if not isinstance(config.neuron, neurons.ActivationSettings):
            raise UserError("recipe", recipe, "want one of q-relu neurons: spikezip-...")
        self._new(config)
        self.check(config, network_of(config))
        path = self.ann or self.runs_dir / f"{recipe}-ann-seed{config.seed}"
        tuned, ann = self._run(config).files, training.RunFolder(path)
        interrupted = is_there(ann.config_file) and not (is_there(ann.result_file) or is_there(tuned.config_file))
        going_on = replace(self, resume=False) if interrupted else self  # that of ReLUs goes on, as it does anyhow
        if going_on.resume:
            tuned.resume(config)  # refuses another run, or none, before anything is trained for it
        self._train_ann(recipe, config, ann)
        return going_on._with_weights_of(load_run(path), config)

    def _configured(self, config: TrainConfig) -> TrainConfig:
        return configured(self.first(config), self.edits)

    def _no_dataset(self, source: object) -> None:
        if self.dataset is not None:
            raise UserError("--dataset", self.dataset, f"{source} has its own; leave the option out")

    def _train_ann(self, recipe: str, config: TrainConfig, folder: RunFolder) -> None:
        """Trains the recipe's network of ReLUs, as far as it is not there."""
        from bitspike import training

        path, started = folder.path, is_there(folder.config_file)
        same = {key: getattr(config, key) for key in (*SAME, "precision")}
        ann = folder.read_config() if started else configured(f"{recipe}-ann").model_copy(update=same)
        if ann.neuron.kind != "relu":
            raise UserError("--ann", str(path), f"want a run of neuron.kind=relu; its neurons are {ann.neuron.kind}")
        for key in ("model", "channels", "dataset", "detection", "mean", "std"):
            if (seen := getattr(ann, key)) != same[key]:
                raise UserError(f"{key} of {path}", seen, f"want {same[key]!r}; name another folder with --ann")
        if not is_there(folder.result_file):
            with self._observed(path) as observer:
                training.train(ann, folder, self.data_dir, resume=started, observer=observer)

    def _with_weights_of(self, ann: Run, config: TrainConfig) -> Quantized:
        from bitspike import conversion

        teacher = ann.ended().model()
        student = conversion.with_weights_of(teacher.state_dict(), config, network_of)
        return self._finetuned(config, teacher, student)

    def _finetuned(
        self, config: TrainConfig, teacher: nn.Module, student: nn.Module, own: nn.Module | None = None
    ) -> Quantized:
        from bitspike import training
        from bitspike.training.checkpoint import load_model

        run = self._run(config)
        run.files.resume(config) if self.resume else run.files.check_free()
        with users_code():
            self.look(config, teacher, own)
        if self.resume and run.finished:
            load_model(run.ended().files.checkpoint_file, student)
            return Quantized(run, student)
        with self._observed(run.folder) as observer:
            given: dict[str, Any] = {"resume": self.resume, "observer": observer, "model": student, "teacher": teacher}
            training.train(config, run.files, self.data_dir, **given)
        return Quantized(replace(run, config=run.files.read_config()), student)

    def _run(self, config: TrainConfig) -> Run:
        """Of the fine-tuning."""
        name = run_name(config) if self.name is None else self.name
        return Run(run_folder(self.runs_dir, name), config, self.data_dir)

    def _new(self, config: TrainConfig) -> TrainConfig:
        """The config, if its run can go where it is to go: before images are read and networks are made."""
        if not self.resume:
            self._run(config).files.check_free()
        return config

    def _observed(self, path: Path) -> AbstractContextManager[Observer | None]:
        return nullcontext() if self.observers is None else self.observers(path.name)
