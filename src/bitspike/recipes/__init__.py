"""Recipes by name: what to train, on what, how."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bitspike.errors import UserError, closest
from bitspike.recipes import adaptive, multilevel, qsnn, spikezip, static
from bitspike.training import TrainConfig

__all__ = ["RECIPES", "recipe"]

RECIPES: Mapping[str, Callable[[], TrainConfig]] = MappingProxyType(
    {
        name.replace("_", "-"): getattr(room, name)
        for room in (static, adaptive, qsnn, spikezip, multilevel)
        for name in room.__all__
    }
)


def recipe(name: str) -> TrainConfig:
    """The complete config of the recipe called ``name``."""
    if name not in RECIPES:
        raise UserError("recipe", name, closest(name, RECIPES))
    return RECIPES[name]()
