"""The training loop: seeded batches, a checkpoint that survives a kill, one look at the test set at the end."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from bitspike import native
from bitspike.costs import cost
from bitspike.data import Dataset, EpochBatches
from bitspike.errors import UserError
from bitspike.files import at_home, is_there, write_json
from bitspike.ir import Graph
from bitspike.lowering import measure
from bitspike.stopping import Signals
from bitspike.training.board import Board
from bitspike.training.checkpoint import Progress, load_model, load_training, save_training
from bitspike.training.chunks import InChunks
from bitspike.training.compiled import compiled, tried
from bitspike.training.config import TrainConfig
from bitspike.training.described import as_described
from bitspike.training.evaluate import at_once, batches
from bitspike.training.guard import first_nonfinite
from bitspike.training.lock import locked
from bitspike.training.methods import Objective, ParameterGroup, Training, methods_of
from bitspike.training.optimizer import lr_at, make_optimizer, set_lr
from bitspike.training.pace import Pace
from bitspike.training.precision import laid_out, settled
from bitspike.training.result import describe_run
from bitspike.training.run_folder import RunFolder
from bitspike.training.samples import samples_of
from bitspike.training.setup import as_named, graph_of, load_images, make_model
from bitspike.training.tasks import Images, Seen
from bitspike.training.together import accelerated, check_shares, share_steps, shared_norms

__all__ = ["Observer", "train"]

ACTIVITY_IMAGES = 1000
"""Validation images on which spikes are counted after training."""


class Observer(Protocol):
    """Watches a run: the progress bar of the command, or nothing."""

    def begin(self, config: TrainConfig) -> None: ...

    def step(self, step: int, total: int, epoch: int, images_per_second: float, loss: float) -> None: ...

    def epoch(self, line: dict[str, Any]) -> None: ...


def train(
    config: TrainConfig,
    folder: RunFolder,
    data_dir: Path | None = None,
    *,
    resume: bool = False,
    observer: Observer | None = None,
    model: nn.Module | None = None,
    teacher: nn.Module | None = None,
    dataset: Dataset | None = None,
) -> dict[str, Any]:
    """Trains the config's network and writes everything into ``folder``.

    Under ``torchrun`` or ``accelerate launch`` with several processes each one takes its share of every batch;
    ``batch_size`` is the batch of all together, and batch norm's statistics are of it.

    SIGINT and SIGTERM end it after the step, with a checkpoint (`bitspike.stopping.Stopped`, a KeyboardInterrupt);
    a second one, and where several processes train, at once. The folder is this process's alone until the end.

    Args:
        config: the run.
        folder: where it goes.
        data_dir: of the data sets; see `bitspike.data.load`.
        resume: go on from the checkpoint in ``folder``.
        observer: is told of each step and epoch.
        model: what to train, where it is not a fresh network of the config (`bitspike.training.setup.prepared`). The
            run names the class of one that is not the config's; give its import path as ``config.model`` instead.
        teacher: a trained network, for the methods that learn from one.
        dataset: what to train on, where it was given as an object.

    Returns:
        The result, as written to ``result.json``; empty in a helper process.

    Raises:
        UserError: what the user can mend: data, disk, a config that does not fit, a loss that is no number.
    """
    accelerator = accelerated()
    config = config if model is None else as_named(config, model)
    main = accelerator.is_main_process
    if main and not resume:
        folder.check_free()  # before anything is read
    config = as_described(config, dataset)
    if resume:
        if main:
            folder.prolong(config)
        accelerator.wait_for_everyone()
        folder.resume(config)  # before images are
    native.level()  # refuses an instruction set that is none, before anything is written
    if resume:
        started = folder.read_config()
        config = config.model_copy(update={"precision": started.precision, "ended_at": started.ended_at})
    with locked(folder.path) if main else nullcontext(), Signals(folder.path) as signals:
        images = load_images(config, data_dir, dataset)
        model = (model or make_model(config)).to(accelerator.device)
        if config.init is not None and not (resume and is_there(folder.checkpoint_file)):
            load_model(RunFolder(at_home(config.init)).checkpoint_file, model)
        graph = graph_of(config, model)  # refuses a plan that does not fit, before anything is written
        check_shares(config, model, accelerator.num_processes)
        config = settled(config, graph, accelerator.device)
        model = laid_out(model, config.precision)
        watcher = observer if main else None
        training = Training(config, folder, model, graph, teacher)
        if config.compile:
            x = torch.zeros(config.batch_size, *training.task.sample.array_shape, dtype=torch.uint8)
            tried(config, model, laid_out(x.to(accelerator.device), config.precision), accelerator.num_processes)
        run = _Run(training, images, accelerator, watcher, signals)
        run.open(resume)
        if watcher:
            watcher.begin(config)
        if main:
            folder.remember(data_dir)
        run.all_epochs()
        with run.judged():
            result = run.finish() if main else {}
            left = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(left)  # whoever gave it has what the run found
        laid_out(model, "float32")  # as whoever gave it has it
        del run  # it holds the wrapper of the network, and that the group of processes, whose threads abort a late exit
        accelerator.free_memory()
    accelerator.wait_for_everyone()  # no process leaves while another still talks to it
    accelerator.end_training()
    return result


class _Run:
    def __init__(
        self, training: Training, images: Images, accelerator: Any, observer: Observer | None, signals: Signals
    ) -> None:
        config, model = training.config, training.model
        self.signals = signals
        self.config, self.folder, self.images, self.observer = config, training.folder, images, observer
        self.accelerator, self.model = accelerator, model
        self.whole = model if config.chunks is None else InChunks(model, training.graph, config.chunks)
        self.main = accelerator.is_main_process
        self.task = training.task
        self.data = self.task.training_set(images, accelerator.device)
        self.steps_per_epoch = len(EpochBatches(len(images.train), config.batch_size, seed=config.seed, epoch=0))
        self.total = self.steps_per_epoch * config.epochs
        self.methods = methods_of(config)
        self.objective: Objective = self._own_loss
        own: list[ParameterGroup] = []
        for method in self.methods.values():
            method.start(training)
            own += method.parameter_groups(model)
            self.objective = method.loss(self.objective)
        self.optimizer = make_optimizer(model, config.optimizer, own)
        self.progress = Progress(step=0, seconds=0.0)
        self.last_epoch: dict[str, Any] = {}
        self.pace = Pace()
        self.board: Board | None = None

    def open(self, resume: bool) -> None:
        """Starts the folder, or takes up the run that is in it."""
        if resume:
            if is_there(self.folder.checkpoint_file):
                self.progress = load_training(self.folder.checkpoint_file, self.model, self.optimizer, self.methods)
            if self.progress.step > self.total:
                seen = f"step {self.progress.step} of {self.total}"
                raise UserError("checkpoint", str(self.folder.checkpoint_file), f"damaged: it is at {seen}")
            if self.main:
                self.folder.rewind(self.progress.step)
        elif self.main:
            self.folder.create(self.config)
        share_steps(self.model, self.accelerator.num_processes)
        self.trained, self.prepared_optimizer = self.accelerator.prepare(self.whole, self.optimizer)
        if self.config.compile:
            self.trained = compiled(self.trained)
        if self.config.tensorboard and self.main:
            self.board = Board(self.folder.path, self.progress.step)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Within it the model is the one that is watched, tested and kept, as the methods have it."""
        with ExitStack() as stack:
            for method in self.methods.values():
                stack.enter_context(method.judged())
            yield

    def all_epochs(self) -> None:
        for line in self.folder.metrics():
            self.last_epoch = line if "epoch" in line else self.last_epoch
        self.started = time.perf_counter() - self.progress.seconds
        self.signals.hold(self.accelerator.num_processes == 1)  # several could not agree on a step
        for epoch in range(self.progress.step // self.steps_per_epoch, self.config.epochs):
            self._one_epoch(epoch)
            self.signals.end()
        self.signals.hold(False)
        self.signals.end()  # came between the two lines above
        if self.board:
            self.board.close()

    def _one_epoch(self, epoch: int) -> None:
        config, model = self.config, self.trained
        self.data.set_epoch(epoch)
        for method in self.methods.values():
            method.before_epoch(epoch)
        model.train()
        done = self.progress.step % self.steps_per_epoch
        for indices in EpochBatches(
            len(self.images.train), config.batch_size, seed=config.seed, epoch=epoch, start_batch=done
        ):
            self._one_step(epoch, indices)
            if self._checkpoint_due():
                with self.judged():
                    self._save()
                self.signals.end()
        told = [method.after_epoch(epoch) for method in self.methods.values()]
        if self.main:
            with self.judged():
                self._watch(epoch, told)
        self.accelerator.wait_for_everyone()

    def _one_step(self, epoch: int, indices: list[int]) -> None:
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        with self.pace.of("data"):
            x, y = self.data.__getitems__(indices[rank::world])
            x = laid_out(x.to(self.accelerator.device), self.config.precision)
        step = self.progress.step
        lr = lr_at(step, self.steps_per_epoch, self.config.epochs, self.config.optimizer)
        set_lr(self.optimizer, lr)
        with self.pace.of("forward"):
            with (
                shared_norms(world),
                torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"),
            ):
                loss = self.objective(self.trained, x, y)
            value = float(self.accelerator.reduce(loss.detach(), reduction="mean"))
        with self.pace.of("backward"):
            self.prepared_optimizer.zero_grad()
            self.accelerator.backward(loss)
            norm = float(get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None]))
        if not math.isfinite(value + norm):  # a binary neuron turns NaN into silence, which the loss does not show
            seen = f"loss {value:.4g}, gradient norm {norm:.4g}"
            where = first_nonfinite(self.model, x)
            raise UserError(f"step {step + 1}", seen, f"first not finite: {where}; a lower optimizer.lr may do")
        with self.pace.of("optimizer"):
            self.prepared_optimizer.step()
            for method in self.methods.values():
                method.after_step(step + 1)
        self.pace.images += self.config.batch_size
        seconds = time.perf_counter() - self.started
        self.progress = Progress(step + 1, seconds)
        if self.main:
            self.folder.append({"step": step + 1, "loss": value})
            if self.board:
                self.board.step(step + 1, value, lr)
            if self.observer:
                speed = (step + 1) * self.config.batch_size / seconds
                self.observer.step(step + 1, self.total, epoch + 1, speed, value)

    def _own_loss(self, model: nn.Module, x: Tensor, y: Any) -> Tensor:
        return self.task.loss(model(x), y)

    def _checkpoint_due(self) -> bool:
        every = self.config.checkpoint_every
        due = self.signals.came is not None or (every > 0 and self.progress.step % every == 0)
        return due and self.progress.step % self.steps_per_epoch != 0  # at the end of an epoch it comes anyhow

    def _watch(self, epoch: int, told: list[dict[str, Any]]) -> None:
        """After an epoch: how good it is on the validation images, what the methods tell, and the checkpoint."""
        seen = self.task.evaluate(self.model, self.images.validation)
        line: dict[str, Any] = {
            "step": self.progress.step,
            "epoch": epoch + 1,
            **seen.named("validation"),
            "validation_loss": seen.loss,
            "seconds": round(self.progress.seconds, 2),
        }
        for more in told:
            line |= more
        self.folder.append(line)
        self.last_epoch = line
        if self.board:
            self.board.epoch(self.progress.step, seen, self.config, self.model, self.images.validation)
        self._save()
        if self.observer:
            self.observer.epoch(line)

    def _save(self) -> None:
        if self.main:
            save_training(self.folder.checkpoint_file, self.model, self.optimizer, self.progress, self.methods)

    def finish(self) -> dict[str, Any]:
        """Counts spikes on validation images, looks at the test set, and writes what the run found."""
        config, images, folder = self.config, self.images, self.folder
        graph = graph_of(config, self.model)  # as the network has become
        sample = images.validation.images[:ACTIVITY_IMAGES]
        source = f"the first {len(sample)} validation images of {config.dataset}"
        size = at_once(images.validation.sample.T)
        activity = measure(self.model, graph, batches(sample, size, self.accelerator.device), source)
        test = self.task.evaluate(self.model, images.test)
        report = cost(graph, "exact", activity, energy_model="lemaire")
        write_json(folder.activity_file, activity.to_dict())
        write_json(folder.cost_file, report.to_dict())
        result = describe_run(config, images, test, report, self.progress.seconds, self.last_epoch)
        for method in self.methods.values():
            result |= method.result(graph, report)
        if pace := self.pace.to_dict():  # a run that was only finished took no step
            write_json(folder.pace_file, pace)
        self._keep_samples(graph, test)
        write_json(folder.result_file, result)
        return result

    def _keep_samples(self, graph: Graph, test: Seen) -> None:
        """What pictures need and nothing else does: a network that they are not made for has ended all the same."""
        try:
            found = samples_of(self.task, self.model, graph, self.images.test, test)
        except Exception as wrong:
            warnings.warn(f"{self.folder.samples_file.name} was left out: {wrong}", stacklevel=2)
        else:
            write_json(self.folder.samples_file, found, indent=None)
