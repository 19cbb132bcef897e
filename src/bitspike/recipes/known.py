"""Every recipe by its name, as the function that makes its config."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType

from bitspike.recipes.about import ROOMS, check_named
from bitspike.training import TrainConfig

__all__ = ["RECIPES", "recipe"]

RECIPES: Mapping[str, Callable[[], TrainConfig]] = MappingProxyType(
    {
        name.replace("_", "-"): getattr(room, name)
        for room in (import_module(f"bitspike.recipes.{name}") for name in ROOMS)
        for name in room.__all__
    }
)


def recipe(name: str) -> TrainConfig:
    """The complete config of the recipe called ``name``."""
    check_named(name)
    return RECIPES[name]()
