"""Settings of a thing that comes in kinds: every kind has its own, and what it does not read is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from bitspike.errors import UserError
from bitspike.importing import import_path
from bitspike.registry import Registry

__all__ = ["Settings", "Strict", "first_mistake"]


GROUPED = re.compile(r"\d_\d")


class Strict(BaseModel):
    """A part of a config: it cannot be changed, and takes no key that it does not know.

    Nor does it take what pydantic would make a value of: a yes for a number, a number or a word for a yes, and texts
    that only Python reads as numbers, as ``1_0``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_other_value(cls, value: Any, info: ValidationInfo) -> Any:
        """Before pydantic makes it another. (A section in the field, or settings, look at their own fields.)"""
        kinds = set(_kinds(cls.model_fields[info.field_name or ""].annotation))
        if Any in kinds or any(issubclass(kind, BaseModel) for kind in kinds):
            return value
        leaves = list(_leaves(value))
        if bool not in kinds and any(isinstance(leaf, bool) for leaf in leaves):
            raise ValueError("want a value, not true or false")
        if kinds <= {bool, NoneType} and not all(isinstance(leaf, bool | NoneType) for leaf in leaves):
            raise ValueError("want true or false")
        if str not in kinds and any(isinstance(leaf, str) and GROUPED.search(leaf) for leaf in leaves):
            raise ValueError("want numbers without _, for example 1000")
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types of the values that a field may hold; of a mapping, not those of its keys."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from map(type, parts)
    elif parts:
        for part in parts[1:] if isinstance(origin, type) and issubclass(origin, Mapping) else parts:
            yield from _kinds(part)
    elif annotation is Any or isinstance(annotation, type):
        yield annotation


def _leaves(value: Any, below: int = 3) -> Iterator[Any]:
    """The values in it, as deep as plain fields go."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else None
    if parts is None:
        yield value
    elif below > 0:
        for part in parts:
            yield from _leaves(part, below - 1)


class Settings(Strict):
    """What one kind reads. A room has a subclass with its registry, a kind a subclass of that with its fields.

    A config has the room's subclass as the type of a field, with `read` before validation and ``SerializeAsAny``: it
    then holds the settings of any kind that is registered, wherever it was.

    Attributes:
        thing: key of the section in a config, which refusals name.
        kinds: the registry of the thing's settings classes.
        usual: the kind where none is named.
        kind: which one these are of; a subclass has its one name as a ``Literal``, and as the default.
    """

    thing: ClassVar[str]
    kinds: ClassVar[Registry[Any]]
    usual: ClassVar[str]
    kind: str

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Settings from what a config says: settings, the name of a kind, or a mapping of its ``kind`` and fields.

        Raises:
            UserError: an unknown kind, a setting that the kind does not read, a value that does not fit, or settings of
                a class that no config can name.
        """
        if isinstance(raw, cls):
            if raw.named is None:
                wanted = f"want a class that can be imported, or one that is registered as {cls.thing}.kind"
                raise UserError(cls.thing, type(raw).__qualname__, wanted)
            return raw
        if isinstance(raw, str):
            raw = {"kind": raw}
        if not isinstance(raw, Mapping):
            raise UserError(cls.thing, raw, "want the name of a kind, or its settings")
        given = {"kind": cls.usual, **raw}
        chosen: type[Self] = cls.kinds.find(given["kind"] if isinstance(given["kind"], str) else str(given["kind"]))
        for name, value in given.items():
            if name not in chosen.model_fields:
                reads = ", ".join(chosen.names()) or "no settings"
                own = chosen.model_fields["kind"]
                kind = given["kind"] if own.is_required() else own.default
                wanted = f"{cls.thing}.kind={kind} does not read it; it reads {reads}"
                raise UserError(f"{cls.thing}.{name}", value, wanted)
        if not chosen.model_fields["kind"].is_required():
            del given["kind"]  # the class was found by it, maybe by its import path
        try:
            return chosen.model_validate(given)
        except ValidationError as wrong:
            raise first_mistake(wrong, cls.thing) from wrong

    @property
    def named(self) -> str | None:
        """How a config names the kind: a class of the user's own by its import path, so that every command finds it.

        ``None`` where it cannot be imported and is not registered.
        """
        registered = self.kind if self.kinds.get(self.kind) is type(self) else None
        if registered and type(self).__module__.startswith("bitspike."):
            return registered
        return import_path(type(self)) or registered

    @model_serializer(mode="wrap")
    def _as_named(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return written | {"kind": self.named} if "kind" in written else written

    @classmethod
    def names(cls) -> list[str]:
        """The settings that this kind reads."""
        return [name for name in cls.model_fields if name != "kind"]

    def turned_into(self, kind: str) -> dict[str, Any]:
        """What settings of another ``kind`` start from, as JSON: of these what is not usual, and which it reads too.

        Raises:
            UserError: an unknown kind.
        """
        reads = self.kinds.find(kind).names()
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        return {"kind": kind} | {name: value for name, value in chosen.items() if name in reads}


def first_mistake(wrong: ValidationError, section: str = "") -> UserError:
    """The first of pydantic's complaints, named by its key (below ``section``)."""
    first = wrong.errors()[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), UserError):
        return cause
    key = ".".join(str(part) for part in (*((section,) if section else ()), *first["loc"])) or "config"
    if first["type"] == "missing":
        return UserError(key, None, "it is missing; want a value")
    if first["type"] == "model_type":
        return UserError(key, first["input"], f"it has keys of its own; want them one by one, as {key}.NAME=VALUE")
    message = first["msg"].removeprefix("Value error, ")
    return UserError(key, first["input"], message[:1].lower() + message[1:])
