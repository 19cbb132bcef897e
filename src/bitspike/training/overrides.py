"""``--set key=value``: edits of a config, with errors that name the key and what it takes."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bitspike.datasets.frames import read_frames
from bitspike.errors import UserError, closest
from bitspike.importing import is_import_path
from bitspike.neurons import NEURONS
from bitspike.quant import QUANTIZERS
from bitspike.settings import Settings, Strict, first_mistake
from bitspike.training.config import TrainConfig
from bitspike.training.methods import METHODS
from bitspike.training.migrate import MOVED

__all__ = ["edits_of", "override", "parse_config"]


def override(config: TrainConfig, edits: Iterable[str]) -> TrainConfig:
    """The config with each ``key=value`` applied; keys reach into sections with dots (``optimizer.lr=0.1``).

    Of a section that comes in kinds (``neuron``, ``quantizer``) the kind is taken first: another one keeps those of the
    config's settings that it reads too, and what is set and not read by it is refused. A section that the config has
    not (``chunks.steps=50``) is added with its defaults, and left out with ``chunks=null``. A key of a training method
    that the config has not (``methods.annealed-sign.last=5``) adds it with its defaults; ``methods.annealed-sign=null``
    leaves it out. A ``model`` of one's own leaves out the ``channels`` of the config's.

    Raises:
        UserError: an unknown key, or a value that does not fit it.
    """
    split = [_split(edit) for edit in edits]
    raw, known = config.model_dump(mode="json"), [*_keys(config), *_method_keys()]
    chosen = {name: value for name, value in config if isinstance(value, Settings)}
    for name, settings in chosen.items():
        kinds = [value for key, value in split if key in ((name,), (name, "kind"))]
        if kinds and kinds[-1] != settings.named:
            raw[name] = settings.turned_into(str(kinds[-1]))
    if any(key == ("model",) and is_import_path(str(value)) for key, value in split):
        raw["channels"] = None
    for key, value in split:
        dotted, (*sections, last) = ".".join(key), key
        if dotted in MOVED:
            raise UserError("--set key", dotted, f"it is {MOVED[dotted]} now")
        if dotted in chosen or (last == "kind" and ".".join(sections) in chosen):
            continue
        own = key[0] == "methods" and len(key) > 1 and is_import_path(key[1])
        if dotted not in known and not own and ".".join(sections) not in chosen:  # what a kind does not read it refuses
            raise UserError("--set key", dotted, _meant(dotted, known))
        section = raw
        for name in sections:
            if not isinstance(section.get(name), dict):
                section[name] = {}
            section = section[name]
        section[last] = read_frames(value).model_dump() if key == ("frames",) and isinstance(value, str) else value
        if section is raw["methods"] and value is None:
            del section[last]
    return parse_config(raw)


def edits_of(config: TrainConfig) -> list[str]:
    """Every key with its value, as `override` takes them: any recipe that is edited by all of them is this config."""
    return [f"{key}={_text(value)}" for key, value in _flat(config.model_dump(mode="json"))]


def _flat(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots; the names of ``layers`` have dots of their own, so that they stay together."""
    for key, value in raw.items():
        if prefix == "" and key == "methods":
            yield key, {}  # none of those that are there, then these
        if isinstance(value, dict) and value and prefix + key != "layers" and not _is_leaf(prefix):
            yield from _flat(value, f"{prefix}{key}.")
        elif prefix + key != "methods":
            yield prefix + key, value


def _is_leaf(prefix: str) -> bool:
    """Whether keys below are those of a method, whose values are written as they are."""
    return prefix.startswith("methods.") and prefix != "methods."


def _text(value: Any) -> str:
    """A value as `_split` reads it."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value)


def parse_config(raw: Any) -> TrainConfig:
    """A config from JSON values; what does not fit is named by its key."""
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as wrong:
        raise first_mistake(wrong) from wrong


def _keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Settings):
            yield prefix + name
        if optional := [kind for kind in get_args(field.annotation) if isinstance(kind, type)]:
            there = [kind for kind in optional if issubclass(kind, Strict)]
            yield prefix + name
            yield from (f"{prefix}{name}.{key}" for kind in there for key in kind.model_fields)
        elif isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _method_keys() -> Iterator[str]:
    for name, method in METHODS.items():
        yield f"methods.{name}"
        yield from (f"methods.{name}.{key}" for key in method.settings_type.model_fields)


def _meant(key: str, known: Sequence[str]) -> str:
    """What may have been meant: of a bare word every key that ends in it, else the key that is most like it."""
    rooms = (("neuron", NEURONS), ("quantizer", QUANTIZERS))
    settings = [f"{name}.{read}" for name, kinds in rooms for kind in kinds.values() for read in kind.names()]
    ends: dict[str, list[str]] = {}
    for other in dict.fromkeys([*known, *settings]):
        ends.setdefault(other.rsplit(".", 1)[-1], []).append(other)
    like = difflib.get_close_matches(key, known, n=1)
    word = next(iter(difflib.get_close_matches(key, ends, n=1)), "")
    found = ends.get(key) or like or ends.get(word)
    return f"did you mean {' or '.join(map(repr, found))}? {_NEXT}" if found else f"{closest(key, known)}; {_NEXT}"


_NEXT = "train RECIPE --show prints all keys"


def _split(edit: str) -> tuple[tuple[str, ...], Any]:
    """Key, at its dots, and value: JSON where it is JSON (numbers, true, null, lists), else the text itself.

    The import path of a method has dots of its own, and is one word of the key.
    """
    if not isinstance(edit, str):
        raise UserError("--set", edit, "want key=value, for example epochs=5")
    typed, equals, text = edit.partition("=")
    if not equals:
        raise UserError("--set", edit, "want key=value, for example epochs=5")
    own = re.fullmatch(r"(methods)\.([\w.]*:\w*)(?:\.(.*))?", typed)
    key = tuple(part for part in own.groups() if part is not None) if own else tuple(typed.split("."))
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
