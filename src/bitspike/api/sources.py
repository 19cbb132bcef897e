"""What a path or an object is: a run, or a network in integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike.api.run import Run, load_run
from bitspike.errors import UserError
from bitspike.files import at_home, is_there

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["as_net", "as_run", "data_dir_of", "is_file", "is_run", "path_of"]


def is_run(path: str | Path) -> bool:
    """Whether there is a run folder; refuses what may not be looked into."""
    return is_file(at_home(path) / "config.json")


def is_file(path: str | Path) -> bool:
    """Whether there is a file, as of a frozen network; refuses what may not be looked into."""
    there = at_home(path)
    return is_there(there) and there.is_file()


def path_of(path: str | Path | None) -> Path | None:
    """``~`` is the user's home; ``None`` stays ``None``."""
    return None if path is None else at_home(path)


def data_dir_of(source: object) -> Path | None:
    """Where the data of a run, or of the run in a folder, lie, if that was said; of anything else ``None``."""
    if isinstance(source, str | Path) and is_run(source):
        source = load_run(source)
    return source.data_dir if isinstance(source, Run) else None


def as_run(source: Run | str | Path, data_dir: str | Path | None = None) -> Run:
    """The run, or the one in that folder; its data are in ``data_dir``, if that is given.

    Raises:
        UserError: no run is there.
    """
    if not isinstance(source, Run):
        return load_run(source, data_dir)
    return source if data_dir is None else replace(source, data_dir=at_home(data_dir))


def as_net(source: FrozenGraph | Run | str | Path) -> FrozenGraph:
    """The integers themselves, those of a run, or those in a file.

    Raises:
        UserError: none of these, no such file, a broken one, the folder of a run, or a run that cannot be frozen.
    """
    from bitspike import ir

    if isinstance(source, Run):
        return source.freeze()
    if isinstance(source, ir.FrozenGraph):
        return source
    if not isinstance(source, str | Path):
        raise UserError("network", type(source).__name__, "want a frozen network, its file, or a run")
    if is_run(source):
        raise UserError("network", str(source), "it is a run; want the file that `bitspike freeze` makes of it")
    return ir.load(at_home(source))
