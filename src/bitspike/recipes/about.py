"""What each recipe is, read from the text of its function: to run its file would load torch."""

from __future__ import annotations

import ast
from functools import cache
from importlib.resources import files

from bitspike.errors import UserError, closest

__all__ = ["ROOMS", "about", "check_named"]

ROOMS = (
    "static", "two_cores", "trains", "adaptive", "qsnn", "spikezip", "multilevel", "transformers", "events", "imagenet",
    "detection",
)  # fmt: skip
"""The modules of recipes, in the order in which they are listed; ``__all__`` of each names its own."""


def about() -> dict[str, str | None]:
    """The docstring of every recipe, by the recipe's name."""
    return {name.replace("_", "-"): text for room in ROOMS for name, text in _read(room).items()}


def check_named(name: str) -> None:
    """Refuses a name that no recipe has."""
    if name not in (known := about()):
        raise UserError("recipe", name, closest(name, known))


@cache
def _read(room: str) -> dict[str, str | None]:
    text = files("bitspike.recipes").joinpath(f"{room}.py").read_text(encoding="utf-8")
    body = ast.parse(text).body
    makers = {part.name: ast.get_docstring(part, clean=False) for part in body if isinstance(part, ast.FunctionDef)}
    listed = next(part.value for part in body if isinstance(part, ast.Assign) and _named(part.targets[0], "__all__"))
    return {name: makers[name] for name in ast.literal_eval(listed)}


def _named(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name
