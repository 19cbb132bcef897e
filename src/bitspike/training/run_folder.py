"""The folder of one run: config, metrics, checkpoint, activity, results. Every file is whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bitspike.bits import BitPlan
from bitspike.errors import UserError, named_in, shown
from bitspike.files import is_there, read_json, write_atomically, write_json
from bitspike.places import refuse_taken
from bitspike.training.config import TrainConfig
from bitspike.training.migrate import migrate
from bitspike.training.overrides import parse_config
from bitspike.training.record import no_number, read_result

__all__ = ["RunFolder"]


class RunFolder:
    """Paths and records of one run.

    Files: ``config.json``, ``metrics.jsonl`` (a line for each step and each epoch), ``checkpoint.safetensors``,
    ``activity.json`` and ``cost.json`` (measured after training), ``bits.json`` (the plan that was learned, if any),
    ``data.json`` (where its data lay, if that was said), ``pace.json`` (where the time went), ``samples.json`` (what
    single test samples showed, for the page of `bitspike report`), ``result.json`` (last: it means finished).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.checkpoint_file = self.path / "checkpoint.safetensors"
        self.activity_file = self.path / "activity.json"
        self.cost_file = self.path / "cost.json"
        self.bits_file = self.path / "bits.json"
        self.pace_file = self.path / "pace.json"
        self.samples_file = self.path / "samples.json"
        self.result_file = self.path / "result.json"
        self.data_file = self.path / "data.json"

    def create(self, config: TrainConfig) -> None:
        """Starts a fresh run; refuses a folder that holds one."""
        self.check_free()
        write_json(self.config_file, config.model_dump(mode="json"))

    def check_free(self) -> None:
        """Refuses a folder that holds a run."""
        refuse_taken(self.path)

    def read_config(self) -> TrainConfig:
        """The config that the run was started with; one of an earlier version in the keys of this one."""
        if not is_there(self.config_file):
            raise UserError("run folder", str(self.path), "no config.json in it; want a folder that train made")
        raw = read_json(self.config_file)
        with named_in(self.config_file):
            return parse_config(migrate(raw))

    def read_result(self) -> dict[str, Any]:
        """What training found.

        Raises:
            UserError: ``result.json`` is not there, or damaged.
        """
        return read_result(self.result_file)

    def resume(self, config: TrainConfig) -> None:
        """Checks that the run in the folder is the one that ``config`` describes; ``auto`` is what it settled on."""
        started = self.read_config()
        if config.precision == "auto":
            config = config.model_copy(update={"precision": started.precision})
        if config.data is None:  # nobody looked at the data yet
            config = config.model_copy(update={"data": started.data})
        config = config.model_copy(update={"ended_at": started.ended_at})
        ours, theirs = (dict(_flat(c.model_dump(mode="json"))) for c in (config, started))
        for key in (*ours, *theirs):
            if ours.get(key) != theirs.get(key):
                raise UserError(
                    f"--resume with {key}", ours.get(key), f"the run was started with {shown(theirs.get(key))}"
                )

    def prolong(self, config: TrainConfig) -> None:
        """Gives a run that has ended more epochs, if ``config`` asks for more of this very run, and for nothing else.

        The learning rate goes on as that of a run of so many epochs; the run says where it had ended.

        Raises:
            UserError: it has not ended yet.
        """
        started = self.read_config()
        if config.epochs <= started.epochs:
            return
        self.resume(config.model_copy(update={"epochs": started.epochs}))
        if not is_there(self.result_file):
            wanted = f"it has not ended; go on with epochs={started.epochs} first"
            raise UserError("--resume with epochs", config.epochs, wanted)
        more = {"epochs": config.epochs, "ended_at": (*started.ended_at, started.epochs)}
        write_json(self.config_file, started.model_copy(update=more).model_dump(mode="json"))
        self.result_file.unlink()

    def remember(self, data_dir: Path | None) -> None:
        """Keeps where the data lie, if that was said; it is no part of what decides the outcome."""
        if data_dir is not None:
            write_json(self.data_file, {"data_dir": str(data_dir.resolve())})

    def data_dir(self) -> Path | None:
        """Where the data lay, if that was said and is still there."""
        if not is_there(self.data_file):
            return None
        kept = read_json(self.data_file)
        place = kept.get("data_dir") if isinstance(kept, dict) else None
        if not isinstance(place, str):
            raise UserError("read", str(self.data_file), "want a data_dir in it; without the file --data-dir says it")
        try:
            return Path(place) if os.path.isdir(place) else None
        except ValueError:  # a text that no path can be
            return None

    def read_learned(self) -> TrainConfig:
        """`read_config`, with the bits that the run learned in place of those it started from."""
        config = self.read_config()
        if not is_there(self.bits_file):
            return config
        return config.model_copy(update={"layers": BitPlan.load(self.bits_file).layers})

    def rewind(self, step: int) -> None:
        """Drops metrics of steps after ``step``: a resumed run writes them again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        write_atomically(self.metrics_file, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def append(self, line: dict[str, Any]) -> None:
        """Adds one line to the metrics."""
        try:
            with self.metrics_file.open("a") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno()) if "epoch" in line else None
        except OSError as wrong:
            raise UserError("write", str(self.metrics_file), f"{wrong.strerror}") from wrong

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of the metrics; a last line that a crash cut short is passed over.

        Raises:
            UserError: the file cannot be read, or another line is damaged: going on would lose those behind it.
        """
        if not is_there(self.metrics_file):
            return
        try:
            lines = self.metrics_file.read_bytes().splitlines()
        except OSError as wrong:
            raise UserError("read", str(self.metrics_file), f"{wrong.strerror}") from wrong
        for number, text in enumerate(lines, 1):
            line = _metrics_line(text)
            if line is not None:
                yield line
            elif number < len(lines):
                where = f"line {number} of {self.metrics_file}"
                raise UserError(where, text.decode(errors="replace"), "want an object with a step, as train wrote it")


def _metrics_line(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and type(line.get("step")) is int and not no_number(line) else None


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots, as ``--set`` has them; of an empty section, none."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
