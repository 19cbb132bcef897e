"""Settings of a thing that comes in kinds: every kind has its own, and what it does not read is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args

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


class Strict(BaseModel):
    """A part of a config: it cannot be changed, takes no key that it does not know, and no yes for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic takes true as 1. (A section in the field, or settings, look at their own fields.)"""
        if not _takes_yes(cls.model_fields[info.field_name or ""].annotation) and _has_yes(value):
            raise ValueError("want a value, not true or false")
        return value


def _takes_yes(kind: Any) -> bool:
    """Whether a field of that type has booleans, or parts with fields of their own."""
    own = isinstance(kind, type) and issubclass(kind, bool | BaseModel)
    return own or kind is Any or any(map(_takes_yes, get_args(kind)))


def _has_yes(value: Any, below: int = 3) -> bool:
    """Whether there is a boolean in it, as deep as plain fields go."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, bool) or (below > 0 and any(_has_yes(part, below - 1) for part in parts))


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
    message = first["msg"].removeprefix("Value error, ")
    return UserError(key, first["input"], message[:1].lower() + message[1:])
