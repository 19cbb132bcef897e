"""Parts of a page that a command writes: what stands between two marker comments, rewritten or compared.

A part named ``trainings`` that ``tools/results_page.py`` writes lies between
``<!-- begin: trainings, written by tools/results_page.py -->`` and ``<!-- end -->``. All around it is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "ROOT", "anchor", "link", "main", "millions", "named", "read", "renewed", "table"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


def read(name: str) -> Any:
    """A JSON file under results/; of JSON lines, the list of them."""
    text = (RESULTS / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)


def link(name: str) -> str:
    """The file, linked as a page in docs/ links it."""
    return f"[{Path(name).name}](../results/{name})"


def millions(number: float, digits: int) -> str:
    return f"{number / 1e6:.{digits}f} M"


def anchor(title: str) -> str:
    """The link that a heading gets: lower case, no punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def named(*parts: Callable[[], str]) -> dict[str, Callable[[], str]]:
    """Parts by the names of their functions; exits if two have one name, as one of them would be shown for both."""
    found: dict[str, Callable[[], str]] = {}
    for part in parts:
        if part.__name__ in found:
            sys.exit(f"{part.__name__}: two parts have that name; rename one")
        found[part.__name__] = part
    return found


def renewed(text: str, parts: Mapping[str, Callable[[], str]], by: str) -> str:
    """The page with each of its parts written anew; exits if the page has none, or one that is not known."""
    marked = re.compile(rf"(<!-- begin: (\w+), written by {re.escape(by)} -->\n)(.*?)(<!-- end -->)", re.DOTALL)
    if not marked.search(text):
        sys.exit(f"want <!-- begin: NAME, written by {by} --> and <!-- end -->")

    def write(found: re.Match[str]) -> str:
        if found[2] not in parts:
            sys.exit(f"{found[2]}: no such part; there are {', '.join(parts)}")
        return f"{found[1]}\n{parts[found[2]]()}\n\n{found[4]}"

    return marked.sub(write, text)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(pages: Sequence[Path], parts: Mapping[str, Callable[[], str]], by: str, about: str | None) -> None:
    """Rewrites the pages, or with ``--check`` exits 1 if one is not current."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    check = parser.parse_args().check
    for page in pages:
        text = page.read_text(encoding="utf-8")
        current = renewed(text, parts, by)
        if check and text != current:
            sys.exit(f"{page.relative_to(ROOT)} is not current: run python {by}")
        if not check:
            page.write_text(current, encoding="utf-8")
