"""The progress bar of a training run, on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bitspike.cli import threads
from bitspike.cli.learned import learned

if TYPE_CHECKING:
    from bitspike.training import TrainConfig

__all__ = ["ProgressBar"]


class ProgressBar:
    """An `Observer` of training: steps, images per second, time left; a line for each epoch."""

    def __init__(self, title: str) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:,.0f} images/s, loss {task.fields[loss]:.3f}, left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.precision = "float32"
        self.task = self.bar.add_task(title, total=None, speed=0.0, loss=float("nan"))

    def __enter__(self) -> Self:
        return self  # the bar starts with the first step: a refusal before it stays one line

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar.live.is_started:
            self.bar.stop()

    def say(self, line: str) -> None:
        """A phase of several, which begins: a line, and a bar of its own."""
        self.console.print(line, highlight=False, markup=False)
        self.bar.reset(self.task, total=None)

    def begin(self, config: TrainConfig) -> None:
        from bitspike.api.own_data import data_lines

        self.precision = config.precision
        for line in data_lines(config):
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: int, total: int, epoch: int, images_per_second: float, loss: float) -> None:
        if not self.bar.live.is_started:
            numbers = {"bf16": "bfloat16 beside float32 weights, channels last"}.get(self.precision, self.precision)
            for said in filter(None, (f"computes in {numbers}", threads.note())):
                self.console.print(said, highlight=False)
            self.bar.start()
        self.bar.update(self.task, completed=step, total=total, speed=images_per_second, loss=loss)

    def epoch(self, line: dict[str, Any]) -> None:
        judged = ("validation_accuracy", "") if "validation_accuracy" in line else ("validation_map50", "mAP@0.5 ")
        self.console.print(
            f"epoch {line['epoch']}: validation {judged[1]}{line[judged[0]]:.2f} %,"
            f" loss {line['validation_loss']:.4f}, {line['seconds']:.0f} s{learned(line)}",
            highlight=False,
        )
