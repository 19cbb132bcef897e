"""What the parts of a config have in common: strict pydantic sections, and refusals that name a key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bitspike.errors import UserError

__all__ = ["Section", "numbers", "refusal", "words"]


class Section(BaseModel):
    """A part of a config: it cannot be changed, and takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def words(value: Any) -> Any:
    """``a,b`` on the command line is a list."""
    return [word for word in value.split(",") if word] if isinstance(value, str) else value


def numbers(value: Any) -> Any:
    """``2/2/1`` on the command line is three numbers."""
    return value.split("/") if isinstance(value, str) else value


def refusal(wrong: ValidationError, under: str = "") -> UserError:
    """The first fault that pydantic found, as one line that names its key, with ``under`` before it."""
    first = wrong.errors()[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), UserError):
        return cause
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return UserError(f"{under}{key}" or "config", first["input"], message[:1].lower() + message[1:])
