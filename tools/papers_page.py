"""Writes docs/papers.md from docs/papers.toml: where each equation, table and figure of the five papers is.

python tools/papers_page.py            rewrites the page
python tools/papers_page.py --check    exits 1 if it is not current
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from written import ROOT, anchor, main, table

BY = "tools/papers_page.py"
PAGE = ROOT / "docs" / "papers.md"
DATA = ROOT / "docs" / "papers.toml"
PACKAGE = "src/bitspike"
TREES = ("benchmarks/", "claims/", "csrc/", "tests/", "tools/")
"""Where a path of the data begins that is not in the package."""

Item = Mapping[str, Any]


def papers() -> dict[str, dict[str, Any]]:
    """The data: papers by number."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def items(paper: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """Equations, tables and the rest by their names in print."""
    return ((name, item) for name, item in paper.items() if isinstance(item, dict))


def place(code: str) -> tuple[str, str]:
    """The file, from the root, and what in it; nothing where the whole file is meant."""
    path, _, name = code.partition(":")
    return (path if path.startswith(TREES) else f"{PACKAGE}/{path}"), name


def linked(code: str) -> str:
    path, name = place(code)
    shown = f"{Path(path).name}: `{name}`" if name else Path(path).name
    return f"[{shown}](../{path})"


def counted(commands: Sequence[str]) -> str:
    """How the rows of a table of `bitspike reproduce` came out, from its file."""
    said = []
    for command in commands:
        if command.startswith("bitspike reproduce "):
            path = ROOT / "results" / "reproduce" / f"{command.split()[2].replace('/', '-')}.json"
            rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
            computed = sum(row["ours"] is not None for row in rows)
            said.append(f"{computed} of {len(rows)} numbers computed")
    return "; ".join(said)


def heading(claim: str) -> str:
    """The anchor of a claim in claims.md; of one that is tested on several data sets, the first."""
    titles = re.findall(r"^### (.+)$", (ROOT / "docs" / "claims.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return anchor(next(title for title in titles if re.match(rf"{re.escape(claim)}[- ]", title)))


def cells(name: str, item: Item) -> tuple[str, ...]:
    where = ", ".join(linked(code) for code in item.get("code", ()))
    commands = ", ".join(f"`{command}`" for command in item.get("run", ()))
    count = counted(item.get("run", ()))
    shown = f"{commands} ({count})" if count else commands
    tested = [f"[{claim}](claims.md#{heading(claim)})" for claim in item.get("claims", ())]
    tested += [f"[{Path(result).name}](../results/{result})" for result in item.get("results", ())]
    return name, item["is"], where, shown, ", ".join(tested), item.get("missing", "")


def written(number: str) -> Callable[[], str]:
    def part() -> str:
        paper = papers()[number]
        head = ("", "what", "where", "command", "claim, result", "not done, because")
        found = table(head, [cells(name, item) for name, item in items(paper)])
        return "\n\n".join(text for text in (f"**{paper['title']}**", paper.get("note", ""), found) if text)

    return part


def summary() -> str:
    """How much of each paper there is."""
    rows = []
    for number, paper in papers().items():
        all_items = [item for _, item in items(paper)]
        whole = sum("missing" not in item for item in all_items)
        part = sum("missing" in item and bool(item.keys() - {"is", "missing"}) for item in all_items)
        rows.append((number, len(all_items), whole, part, len(all_items) - whole - part))
    return table(("paper", "entries", "done", "done in part", "not done"), rows)


PARTS = {"summary": summary} | {f"paper_{number}": written(number) for number in papers()}

if __name__ == "__main__":
    main((PAGE,), PARTS, BY, __doc__)
