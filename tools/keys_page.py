"""Writes docs/keys.md: every key of a config with its default and what it means, from the classes' docstrings.

Run it after a change of those; a test runs the check.

    python tools/keys_page.py            rewrites the tables
    python tools/keys_page.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_json
from written import ROOT, main, table

from bitspike.neurons import NEURONS, SURROGATES
from bitspike.quant import QUANTIZERS
from bitspike.training import METHODS, DetectionConfig, LossConfig, OptimizerConfig, TrainConfig

PAGE = ROOT / "docs" / "keys.md"
BY = "tools/keys_page.py"
HEAD = ("key", "default", "meaning")


def meanings(cls: type[BaseModel]) -> dict[str, str]:
    """What the ``Attributes`` of a class, and of those above it, say of each field; ``a, b: ...`` speaks of two."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        _, _, attributes = cleandoc(base.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
        for entry in re.split(r"\n {4}(?=\S)", "\n" + attributes.rstrip()):
            names, _, text = entry.partition(": ")
            found |= dict.fromkeys(names.strip().split(", "), markdown(text))
    return found


def markdown(docstring: str) -> str:
    return " ".join(docstring.split()).replace("``", "`")


def about(cls: type) -> str:
    """The first paragraph of a docstring."""
    return markdown(cleandoc(cls.__doc__ or "").partition("\n\n")[0])


def rows(cls: type[BaseModel], prefix: str = "", leave_out: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    said = meanings(cls)
    for name, field in cls.model_fields.items():
        if name in leave_out:
            continue
        if not said.get(name):
            sys.exit(f"{cls.__name__}: its docstring says nothing of {name}")
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        words = f" ({', '.join(f'`{word}`' for word in choices)})" if choices else ""
        yield f"`{prefix}{name}`", shown(field.get_default(call_default_factory=True)), said[name] + words


def shown(default: Any) -> str:
    if default is PydanticUndefined:
        return "of the recipe"
    kind = getattr(default, "kind", None)
    return f"`{kind or to_json(default).decode()}`"


def kinds(registry: Any, thing: str) -> str:
    """A table of all kinds: what each is, and what it reads."""
    parts = []
    for name, cls in registry.items():
        found = list(rows(cls, f"{thing}.", ("kind",)))
        reads = table(HEAD, found) if found else "It reads no settings."
        parts.append(f"`{thing}.kind={name}`: {about(cls)}\n\n{reads}")
    return "\n\n".join(parts)


def methods() -> str:
    return "\n\n".join(
        f"`{name}`: {about(method)}\n\n{table(HEAD, list(rows(method.settings_type, f'methods.{name}.')))}"
        for name, method in METHODS.items()
    )


def surrogates() -> str:
    return table(("name", "gradient"), [(f"`{name}`", about(cls)) for name, cls in SURROGATES.items()])


PARTS = {
    "run": lambda: table(HEAD, list(rows(TrainConfig))),
    "optimizer": lambda: table(HEAD, list(rows(OptimizerConfig, "optimizer."))),
    "loss": lambda: table(HEAD, list(rows(LossConfig, "loss."))),
    "boxes": lambda: table(HEAD, list(rows(DetectionConfig, "detection."))),
    "neurons": lambda: kinds(NEURONS, "neuron"),
    "surrogates": surrogates,
    "quantizers": lambda: kinds(QUANTIZERS, "quantizer"),
    "methods": methods,
}

if __name__ == "__main__":
    main([PAGE], PARTS, BY, __doc__)
