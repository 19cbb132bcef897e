"""What `bitspike.convert` says of a network before any work is spent on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.images import images_of
from bitspike.api.run import Run
from bitspike.errors import UserError
from bitspike.files import is_there, read_json
from bitspike.reports import source_lines, source_warnings

if TYPE_CHECKING:
    from torch import nn

    from bitspike.training import TrainConfig

__all__ = ["Look"]


@dataclass
class Look:
    """Compares a network of ReLUs with the user's own that it was read from, on validation images, and says it.

    Attributes:
        data_dir: of the data sets.
        say: is told all lines; without it, what is amiss is a Python warning.
        found: what was seen (`bitspike.conversion.Seen`); ``None`` before.
    """

    data_dir: Path | None
    say: Callable[[str], None] | None
    found: dict[str, Any] | None = None

    def __call__(self, config: TrainConfig, model: nn.Module, own: nn.Module | None) -> None:
        from bitspike import conversion
        from bitspike.training.tasks import Detect, task_of

        task, max_pool = task_of(config), conversion.max_pool_of(config)
        if isinstance(task, Detect) and own is None:  # a recipe's network, which was read from nobody's
            return
        images = images_of(config, "validation", None, self.data_dir)
        if isinstance(task, Detect) and own is not None:
            self.found = conversion.seen_boxes(model, images, task, own, max_pool).to_dict()
        else:
            self.found = conversion.seen(model, images, own, max_pool).to_dict()
        if self.say:
            for line in source_lines(self.found):
                self.say(line)
        for line in source_warnings(self.found):
            (self.say or warnings.warn)(line)

    def of(self, run: Run) -> dict[str, Any] | None:
        """What was seen of the network that a fine-tuned run came from, now or when it was first converted."""
        file = run.folder / "conversion.json"
        if self.found is not None or not is_there(file):
            return self.found
        before = read_json(file)
        if not isinstance(before, dict) or not isinstance(before.get("source"), dict | None):
            raise UserError(f"source in {file}", before, "want an object, as `bitspike convert` wrote it")
        source: dict[str, Any] | None = before.get("source")
        return source
