"""What a path or an object is: a run, or a network in integers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.api.run import Run, load_run
from bitspike.files import is_there

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["as_net", "as_run", "is_file", "is_run", "path_of"]


def is_run(path: str | Path) -> bool:
    """Whether there is a run folder; refuses what may not be looked into."""
    return _is_file(os.path.join(path, "config.json"))


def is_file(path: str | Path) -> bool:
    """Whether there is a file, as of a frozen network; refuses what may not be looked into."""
    return _is_file(path)


def _is_file(path: str | Path) -> bool:
    return is_there(path) and os.path.isfile(path)


def path_of(path: str | Path | None) -> Path | None:
    """``None`` stays ``None``."""
    return None if path is None else Path(path)


def as_run(source: Run | str | Path, data_dir: str | Path | None = None) -> Run:
    """The run, or the one in that folder; its data are in ``data_dir``, if that is given.

    Raises:
        UserError: no run is there.
    """
    if not isinstance(source, Run):
        return load_run(source, data_dir)
    return source if data_dir is None else replace(source, data_dir=Path(data_dir))


def as_net(source: FrozenGraph | Run | str | Path) -> FrozenGraph:
    """The integers themselves, those of a run, or those in a file.

    Raises:
        UserError: no such file, a broken one, or a run that cannot be frozen.
    """
    from bitspike import ir

    if isinstance(source, Run):
        return source.freeze()
    return ir.load(source) if isinstance(source, str | Path) else source
