"""Every docstring of a public name begins with a sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "bitspike"
FRAGMENTS = re.compile(
    r"(Of|For|In|On|With|By|From|To|At|And|Or|But|After|Before|Beside|Between|Under|Up to)\b(?!.*, )"
)
"""A first word that begins no sentence of its own; where a comma follows, a main clause may."""
SMALL = re.compile(r"[A-Z0-9`(\"'\[]|[pn]J |bitspike: |paper \d{3}, ")
"""How one may begin: with a capital, a number, code, a unit, our name, or a paper's table, as it is printed."""
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and docstring of the module, of its public classes, functions and methods, and of what it assigns."""
    waiting: list[ast.Module | ast.ClassDef] = [tree]
    if said := ast.get_docstring(tree):
        yield 1, said
    while waiting:
        inside = waiting.pop().body
        for before, node in zip([None, *inside], inside, strict=False):
            if isinstance(node, Documented) and not node.name.startswith("_"):
                if said := ast.get_docstring(node):
                    yield node.lineno, said
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(node, ast.Expr):
                value = node.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield node.lineno, value.value


def fault(docstring: str) -> str | None:
    """Why the first paragraph of a docstring is no sentence; None where it is one."""
    first = " ".join(docstring.strip().split("\n\n")[0].split())
    if not SMALL.match(first):
        return "begins small"
    if not first.endswith((".", ":", "?", "!")) and not first.startswith("paper "):
        return "has no end"
    if FRAGMENTS.match(first):
        return "begins with a preposition"
    return None


def faults(path: Path) -> list[str]:
    """The public docstrings of a file that are no sentences, each with its line."""
    return [
        f"{path.name}:{line} {wrong}: {docstring.splitlines()[0]}"
        for line, docstring in documented(ast.parse(path.read_text(encoding="utf-8")))
        if (wrong := fault(docstring))
    ]


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: path.relative_to(SRC).as_posix())
def test_docstrings_are_sentences(path):
    assert faults(path) == []


@pytest.mark.parametrize(
    ("docstring", "wrong"),
    [
        ("Of what is counted.", "begins with a preposition"),
        ("Of all steps; the first alone.", "begins with a preposition"),
        ("counts events.", "begins small"),
        ("Counts events", "has no end"),
        ("Counts events.\n\nof what", None),
        ("``codes * step``, as whole numbers.", None),
        ("Whether it spikes.", None),
    ],
)
def test_a_fragment_is_seen(docstring, wrong):
    assert fault(docstring) == wrong
