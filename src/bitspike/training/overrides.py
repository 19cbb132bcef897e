"""``--set key=value``: edits of a config, with errors that name the key and what it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from bitspike.errors import UserError, closest
from bitspike.settings import Settings, first_mistake
from bitspike.training.config import TrainConfig
from bitspike.training.methods import METHODS
from bitspike.training.migrate import MOVED

__all__ = ["override", "parse_config"]


def override(config: TrainConfig, edits: Iterable[str]) -> TrainConfig:
    """The config with each ``key=value`` applied; keys reach into sections with dots (``optimizer.lr=0.1``).

    Of a section that comes in kinds (``neuron``, ``quantizer``) the kind is taken first: another one keeps those of the
    config's settings that it reads too, and what is set and not read by it is refused. A key of a training method that
    the config has not (``methods.annealed-sign.last=5``) adds it with its defaults; ``methods.annealed-sign=null``
    leaves it out.

    Raises:
        UserError: an unknown key, or a value that does not fit it.
    """
    split = [_split(edit) for edit in edits]
    raw, known = config.model_dump(mode="json"), [*_keys(config), *_method_keys()]
    chosen = {name: value for name, value in config if isinstance(value, Settings)}
    for name, settings in chosen.items():
        kinds = [value for key, value in split if key in (name, f"{name}.kind")]
        if kinds and kinds[-1] != settings.kind:
            raw[name] = settings.turned_into(str(kinds[-1]))
    for key, value in split:
        if key in MOVED:
            raise UserError("--set key", key, f"it is {MOVED[key]} now")
        *sections, last = key.split(".")
        if key in chosen or (last == "kind" and ".".join(sections) in chosen):
            continue
        if key not in known and ".".join(sections) not in chosen:  # what a kind does not read it refuses itself
            raise UserError("--set key", key, closest(key, known))
        section = raw
        for name in sections:
            if not isinstance(section.get(name), dict):
                section[name] = {}
            section = section[name]
        section[last] = value
        if section is raw["methods"] and value is None:
            del section[last]
    return parse_config(raw)


def parse_config(raw: Any) -> TrainConfig:
    """A config from JSON values; what does not fit is named by its key."""
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as wrong:
        raise first_mistake(wrong) from wrong


def _keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Settings):
            yield prefix + name
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _method_keys() -> Iterator[str]:
    for name, method in METHODS.items():
        yield f"methods.{name}"
        yield from (f"methods.{name}.{key}" for key in method.settings_type.model_fields)


def _split(edit: str) -> tuple[str, Any]:
    """Key and value: JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    key, equals, text = edit.partition("=")
    if not equals:
        raise UserError("--set", edit, "want key=value, for example epochs=5")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
