"""Recipes by name: what to train, on what, how. To list them (`about`) loads none of them, nor torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitspike.recipes.about import about, check_named

if TYPE_CHECKING:
    from bitspike.recipes.known import RECIPES, recipe

__all__ = ["RECIPES", "about", "check_named", "recipe"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("bitspike.recipes.known"), name)
