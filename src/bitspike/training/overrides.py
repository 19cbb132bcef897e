"""``--set key=value``: edits of a config, with errors that name the key and what it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from bitspike.errors import UserError, closest
from bitspike.settings import Settings, first_mistake
from bitspike.training.config import TrainConfig
from bitspike.training.earlier import upgraded

__all__ = ["override", "parse_config"]


def override(config: TrainConfig, edits: Iterable[str]) -> TrainConfig:
    """The config with each ``key=value`` applied; keys reach into sections with dots (``optimizer.lr=0.1``).

    Of a section that comes in kinds (``neuron``, ``quantizer``) the kind is taken first: another one keeps those of the
    config's settings that it reads too, and what is set and not read by it is refused.

    Raises:
        UserError: an unknown key, or a value that does not fit it.
    """
    split = [_split(edit) for edit in edits]
    raw, known = config.model_dump(mode="json"), list(_keys(config))
    chosen = {name: value for name, value in config if isinstance(value, Settings)}
    for name, settings in chosen.items():
        kinds = [value for key, value in split if key in (name, f"{name}.kind")]
        if kinds and kinds[-1] != settings.kind:
            raw[name] = settings.turned_into(str(kinds[-1]))
    for key, value in split:
        *sections, last = key.split(".")
        if key in chosen or (last == "kind" and ".".join(sections) in chosen):
            continue
        if key not in known and ".".join(sections) not in chosen:  # what a kind does not read it refuses itself
            raise UserError("--set key", key, closest(key, known))
        section = raw
        for name in sections:
            section = section[name]
        section[last] = value
    return parse_config(raw)


def parse_config(raw: Any) -> TrainConfig:
    """A config from JSON values, also those of earlier versions; what does not fit is named by its key."""
    try:
        return TrainConfig.model_validate(upgraded(raw))
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


def _split(edit: str) -> tuple[str, Any]:
    """Key and value: JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    key, equals, text = edit.partition("=")
    if not equals:
        raise UserError("--set", edit, "want key=value, for example epochs=5")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
