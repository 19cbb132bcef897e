"""Writes the tables of docs/ir-spec.md from what they describe: fields and docstrings of bitspike.ir.

Run it after a change of those; a test runs the check.

    python tools/ir_spec.py            rewrites the block between the two marker comments
    python tools/ir_spec.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import MISSING, fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

from bitspike.ir import OPS, Dynamics, Edge, LeakyDynamics, Node, Store, limits, ranges

PAGE = Path(__file__).parents[1] / "docs" / "ir-spec.md"
BEGIN, END = "<!-- begin: written by tools/ir_spec.py -->", "<!-- end -->"
SECTION = re.compile(r"^(Equation|Units|Range|Args):", re.MULTILINE)
COLUMNS = ("Equation", "Units", "Range")
LIMIT = re.compile("MOST_|INT64")


def sections(cls: type) -> dict[str, str]:
    """Text of each section of a class's own docstring; what comes before the first is ``About``."""
    parts = ["About", *SECTION.split(cleandoc(cls.__doc__ or ""))]
    return dict(zip(parts[::2], map(markdown, parts[1::2]), strict=True))


def markdown(docstring: str) -> str:
    """Literals in one backtick; what a code block follows ends in one colon."""
    return docstring.rstrip().replace("``", "`").replace("::\n", ":\n")


def section(cls: type, name: str) -> str:
    """One section, on one line: of the class, or of the nearest class above it."""
    for base in cls.__mro__:
        if found := sections(base).get(name):
            return " ".join(found.split())
    sys.exit(f"{cls.__name__}: its docstring has no {name}")


def meanings(cls: type) -> dict[str, str]:
    """What the ``Args`` of a class, and of those above it, say of each field; ``lo, hi: ...`` speaks of two."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for entry in re.split(r"\n {4}(?=\S)", sections(base).get("Args", "")):
            names, _, text = entry.partition(":")
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def described(cls: type[Any], above: type[Any] = object) -> list[str]:
    """Name, type, default and meaning of each field that the class has and ``above`` has not."""
    said, lines = meanings(cls), []
    for field in fields(cls):
        if field.name in getattr(above, "__dataclass_fields__", {}):
            continue
        if not said.get(field.name):
            sys.exit(f"{cls.__name__}: its Args say nothing of {field.name}")
        default = "" if field.default is MISSING else f" = {field.default!r}"
        lines.append(f"`{field.name}: {field.type}{default}`: {said[field.name]}")
    return lines


def chapter(cls: type[Any]) -> list[str]:
    """Heading, equations, fields, units and range of a part of an op."""
    ends = (f"{name}: {section(cls, name)}" for name in ("Units", "Range"))
    return [f"## {cls.__name__}", sections(cls)["About"], bullets(described(cls)), *ends]


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def power(value: int) -> str:
    """``2^n = `` where a limit is a power of two that nobody knows by heart."""
    exact = value & (value - 1) == 0 and value > 64
    return f"2^{value.bit_length() - 1} = " if exact else ""


def generated() -> str:
    table = [row("op", "what it is", "fields", "equation", "units", "output range"), row(*["---"] * 6)]
    for name, op in OPS.items():
        own = "<br>".join(described(op, above=Node)) or "none"
        table.append(row(f"`{name}`", section(op, "About"), own, *(section(op, column) for column in COLUMNS)))
    most = {name: value for module in (limits, ranges) for name, value in vars(module).items() if LIMIT.match(name)}
    parts = [
        "## Ops",
        "Fields of every op, and those of each; `Pair` is `tuple[int, int]`, rows and columns:",
        bullets(described(Node)),
        "\n".join(table),
        "## Edge",
        bullets(described(Edge)),
        *(part for cls in (Dynamics, LeakyDynamics, Store) for part in chapter(cls)),
        "## Limits",
        bullets([f"`{name}` = {power(value)}{value:,}" for name, value in most.items()]),
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, nargs="?", default=PAGE)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not current")
    asked = parser.parse_args()
    text = asked.page.read_text(encoding="utf-8")
    around = re.split(f"(?<={BEGIN}\n).*(?={END})", text, flags=re.DOTALL)
    if len(around) != 2:
        sys.exit(f"{asked.page}: want the lines {BEGIN} and {END}")
    current = f"\n{generated()}\n\n".join(around)
    if asked.check and text != current:
        sys.exit(f"{asked.page} is not current: run python tools/ir_spec.py")
    if not asked.check:
        asked.page.write_text(current, encoding="utf-8")


if __name__ == "__main__":
    main()
