"""What every verb refuses before it starts: an option that is there twice, an empty text, a number that is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from bitspike.cli.options import print_json
from bitspike.errors import UserError

__all__ = ["Interrupted", "Verb", "print_list"]

JSON = "bitspike.json"
WHOLE = re.compile(r"-?\d+", re.ASCII)


class Interrupted(Exception):  # noqa: N818
    """Carries a `KeyboardInterrupt` past typer, which would make a status of it and drop what it says."""

    def __init__(self, stopped: KeyboardInterrupt) -> None:
        super().__init__(stopped)
        self.stopped = stopped


class Verb(TyperCommand):
    """A verb of the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # of the shell's completion, which has half a command
            self._check(ctx, list(args))
        return super().parse_args(ctx, args)

    def _check(self, ctx: Any, args: list[str]) -> None:
        order: list[Any]
        given, _, order = self.make_parser(ctx).parse_args(args)
        ctx.meta[JSON] = bool(given.get("as_json"))
        single = [param for param in order if param.param_type_name == "option" and not param.multiple]
        for param in single:
            if single.count(param) > 1 and not getattr(param, "is_flag", False):
                raise UserError(_called(param), f"{single.count(param)} times", "it takes one value; give it once")
        for param in order:
            values = given.get(param.name)
            for value in values if isinstance(values, list | tuple) else [values]:
                if value == "":
                    raise UserError(_called(param), "", "want a value; leave it out where you mean none")
                if _is_whole(param) and value is not None and not WHOLE.fullmatch(str(value)):
                    raise UserError(_called(param), value, "want a whole number, for example 10")

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            raise Interrupted(stopped) from None


def print_list(ctx: typer.Context, thing: str, about: Mapping[str, str | None]) -> NoReturn:
    """Answers --list, which comes before the other options are read: names with what they are, and no more."""
    lines = {name: (text or "").splitlines()[0] for name, text in about.items()}
    if ctx.meta.get(JSON):
        print_json([{thing: name, "about": line} for name, line in lines.items()])
    else:
        width = max(map(len, lines)) + 2
        for name, line in lines.items():
            typer.echo(f"{name:{width}}{line}")
    raise typer.Exit


def _is_whole(param: Any) -> bool:
    """Whether an option is a whole number. (Typer alone would take ``1_0``, ``5.0`` and ``" 5 "``.)"""
    return getattr(getattr(param, "type_descriptor", None), "annotation", None) is int


def _called(param: Any) -> str:
    return str(param.opts[0]) if param.param_type_name == "option" else str(param.name)
