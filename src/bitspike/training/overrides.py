"""``--set key=value``: edits of a config, with errors that name the key and what it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from bitspike.errors import UserError, closest
from bitspike.training.config import TrainConfig
from bitspike.training.methods import METHODS
from bitspike.training.migrate import MOVED
from bitspike.training.sections import refusal

__all__ = ["override", "parse_config"]


def override(config: TrainConfig, edits: Iterable[str]) -> TrainConfig:
    """The config with each ``key=value`` applied; keys reach into sections with dots (``optimizer.lr=0.1``).

    A key of a training method that the config has not (``methods.annealed-sign.last=5``) adds it with its defaults;
    ``methods.annealed-sign=null`` leaves it out.

    Raises:
        UserError: an unknown key, or a value that does not fit it.
    """
    raw = config.model_dump(mode="json")
    known = [*_keys(config), *_method_keys()]
    for edit in edits:
        key, equals, text = edit.partition("=")
        if not equals:
            raise UserError("--set", edit, "want key=value, for example epochs=5")
        if key in MOVED:
            raise UserError("--set key", key, f"it is {MOVED[key]} now")
        if key not in known:
            raise UserError("--set key", key, closest(key, known))
        *sections, last = key.split(".")
        section = raw
        for name in sections:
            if not isinstance(section.get(name), dict):
                section[name] = {}
            section = section[name]
        section[last] = _value(text)
        if section is raw["methods"] and section[last] is None:
            del section[last]
    return parse_config(raw)


def parse_config(raw: Any) -> TrainConfig:
    """A config from JSON values; what does not fit is named by its key."""
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as wrong:
        raise refusal(wrong) from wrong


def _keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _method_keys() -> Iterator[str]:
    for name, method in METHODS.items():
        yield f"methods.{name}"
        yield from (f"methods.{name}.{key}" for key in method.settings_type.model_fields)


def _value(text: str) -> Any:
    """JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
