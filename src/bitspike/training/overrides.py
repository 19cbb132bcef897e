"""``--set key=value``: edits of a config, with errors that name the key and what it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from bitspike.errors import UserError, closest
from bitspike.training.config import TrainConfig

__all__ = ["override", "parse_config"]


def override(config: TrainConfig, edits: Iterable[str]) -> TrainConfig:
    """The config with each ``key=value`` applied; keys reach into sections with dots (``optimizer.lr=0.1``).

    Raises:
        UserError: an unknown key, or a value that does not fit it.
    """
    raw = config.model_dump(mode="json")
    known = list(_keys(config))
    for edit in edits:
        key, equals, text = edit.partition("=")
        if not equals:
            raise UserError("--set", edit, "want key=value, for example epochs=5")
        if key not in known:
            raise UserError("--set key", key, closest(key, known))
        *sections, last = key.split(".")
        section = raw
        for name in sections:
            section = section[name]
        section[last] = _value(text)
    return parse_config(raw)


def parse_config(raw: Any) -> TrainConfig:
    """A config from JSON values; what does not fit is named by its key."""
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        if isinstance(cause := first.get("ctx", {}).get("error"), UserError):
            raise cause from wrong
        key = ".".join(str(part) for part in first["loc"]) or "config"
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(key, first["input"], message[:1].lower() + message[1:]) from wrong


def _keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _value(text: str) -> Any:
    """JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
