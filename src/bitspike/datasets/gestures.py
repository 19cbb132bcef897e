"""DVS128 Gesture: trials of several gestures, cut by the times of their labels.

Source: the data set's own README (A. Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR
2017). A trial ``userNN_LIGHT.aedat`` has its labels in ``userNN_LIGHT_labels.csv``, rows of class 1..11, start and end
in microseconds; ``trials_to_train.txt`` and ``trials_to_test.txt`` list the trials of each split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bitspike.datasets.events import Events, read_events
from bitspike.datasets.events.event import SensorSize
from bitspike.datasets.files import is_file, read_bytes
from bitspike.datasets.recordings import Recording
from bitspike.datasets.sources import Split
from bitspike.errors import UserError

__all__ = ["GestureSource"]

_LIMIT = 1 << 20  # bytes of a list or of labels; the longest official one has less than 4096
_TRIAL = re.compile(r"[\w.-]+\.aedat")
_HEAD = "class,startTime_usec,endTime_usec"
_ROW = re.compile(r"\s*([0-9]{1,3})\s*,\s*([0-9]{1,15})\s*,\s*([0-9]{1,15})\s*")


@dataclass(frozen=True)
class GestureSource:
    """The trials of a split that are there, each as its gestures.

    A gesture is the events from its start on and before its end; class ``n`` of the labels is label ``n - 1``.

    Args:
        homes: where to look in the data directory, the preferred place first.
        num_classes: classes of the labels.
        sensor_size: ``(W, H)``.
    """

    homes: tuple[str, ...]
    num_classes: int
    sensor_size: SensorSize

    def recordings(self, split: Split, data_dir: Path) -> list[Recording]:
        name = f"trials_to_{split}.txt"
        for home in (data_dir / home for home in self.homes):
            if is_file(home / name):
                if chosen := list(self._chosen(home, home / name)):
                    return chosen
                raise FileNotFoundError(f"none of the trials of {name} in {home}")
        raise FileNotFoundError(f"no {self.homes[0]}/{name}")

    def read(self, recording: Recording) -> Events:
        events = read_events(recording.path, "aedat3", sensor_size=self.sensor_size)
        return events.between(recording.start_us, recording.stop_us)

    def _chosen(self, home: Path, trials: Path) -> Iterator[Recording]:
        for number, line in _lines(trials):
            if not _TRIAL.fullmatch(line):
                raise UserError(f"{trials}, line {number}", line, "want the name of a trial, as user01_led.aedat")
            if is_file(path := home / line):
                yield from self._gestures(path, path.with_name(f"{path.stem}_labels.csv"))

    def _gestures(self, trial: Path, labels: Path) -> Iterator[Recording]:
        if not is_file(labels):
            raise UserError(str(trial), "no labels", f"want them in {labels.name} beside it")
        rows = _lines(labels)
        if not rows or rows[0][1] != _HEAD:
            raise UserError(f"{labels}, line 1", rows[0][1] if rows else "", f"want {_HEAD}")
        for number, line in rows[1:]:
            found = _ROW.fullmatch(line)
            label, start, stop = map(int, found.groups()) if found else (0, 0, 0)
            if not 1 <= label <= self.num_classes or start >= stop:
                want = f"want a class of 1 to {self.num_classes}, a start and a later end"
                raise UserError(f"{labels}, line {number}", line, want)
            yield Recording(trial, label - 1, start, stop)


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    text = read_bytes(path, _LIMIT).decode("utf-8-sig", "replace")
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
