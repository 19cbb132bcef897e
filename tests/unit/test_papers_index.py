"""The index of the papers: every name in it is there, and every equation, table and figure of the papers is in it."""

from __future__ import annotations

import ast
import copy
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer

from bitspike.cli.app import app
from bitspike.recipes import RECIPES
from bitspike.reproduce import TABLES

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import papers_page  # noqa: E402

FIELDS = {"is", "code", "run", "claims", "results", "missing"}
VAGUE = re.compile(r"\b(todo|tbd|later|not yet|etc)\b", re.IGNORECASE)
INVENTORY = {  # what each paper has in print, by its own numbers
    "000": {"Eq.": range(1, 10), "Table": range(1, 5), "Fig.": range(1, 7)},
    "001": {
        "Eq.": [*range(1, 26), *(f"A.{n}" for n in range(1, 14))],
        "Table": [*range(1, 9), "A.1", "A.2"],
        "Fig.": [*range(1, 5), "A.1"],
        "Algorithm": [1, 2, "A.1"],
        "Theorem": [1],
        "Lemma": [1],
        "Proof": [1],
    },
    "002": {"Eq.": range(1, 17), "Table": range(1, 3), "Fig.": range(1, 6), "Algorithm": [1]},
    "003": {
        "Eq.": range(1, 10),
        "Table": range(1, 8),
        "Fig.": range(1, 8),
        "Lemma": [1],
        "Theorem": [1],
        "Proof": ["3.1"],
    },
    "004": {"Eq.": range(1, 13), "Table": range(1, 5), "Fig.": range(1, 12)},
}


@cache
def names_of(path: Path) -> frozenset[str]:
    """What a Python file defines: functions, classes, methods with their class, variables of the module."""
    found: set[str] = set()

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    walk(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return frozenset(found)


def has(path: Path, name: str) -> bool:
    """Whether a file has the name; what is written in C or Verilog, as a word."""
    if path.suffix == ".py":
        return name in names_of(path)
    return re.search(rf"\b{re.escape(name)}\b", path.read_text(encoding="utf-8")) is not None


@cache
def claims() -> frozenset[str]:
    headings = re.findall(r"^### (\S+) ", (ROOT / "docs" / "claims.md").read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(headings)


def wrong(papers) -> list[str]:
    """Everything that an index names and that is not there."""
    found = []
    for number, paper in papers.items():
        for label, item in papers_page.items(paper):
            at = f"{number} {label}"
            found += [f"{at}: field {field}" for field in item.keys() - FIELDS]
            if not item.get("is"):
                found.append(f"{at}: is")
            if not item.keys() - {"is"}:
                found.append(f"{at}: nothing")
            for code in item.get("code", ()):
                path, name = papers_page.place(code)
                if not (ROOT / path).is_file() or (name and not has(ROOT / path, name)):
                    found.append(f"{at}: {code}")
            found += [f"{at}: {command}" for command in item.get("run", ()) if not runs(command)]
            for claim in item.get("claims", ()):
                if not any(known == claim or known.startswith(f"{claim}-") for known in claims()):
                    found.append(f"{at}: claim {claim}")
            found += [f"{at}: {name}" for name in item.get("results", ()) if not (ROOT / "results" / name).is_file()]
            if "missing" in item and (len(item["missing"]) < 9 or VAGUE.search(item["missing"])):
                found.append(f"{at}: missing says {item['missing']!r}")
    return found


def runs(command: str) -> bool:
    """Whether a command parses, and what it names is there."""
    program, verb, *words = shlex.split(command)
    if program != "bitspike":
        return False
    if verb == "reproduce" and words[0] not in TABLES:
        return False
    if verb == "train" and words[0] not in RECIPES:
        return False
    try:
        group().commands[verb].make_context(verb, words)
    except Exception:
        return False
    return True


@cache
def group():
    return typer.main.get_command(app)


@pytest.fixture(scope="module")
def papers():
    return papers_page.papers()


def test_everything_named_is_there(papers):
    assert wrong(papers) == []


def test_every_number_in_print_is_in_the_index(papers):
    assert list(papers) == list(INVENTORY)
    for number, kinds in INVENTORY.items():
        for kind, numbers in kinds.items():
            for n in numbers:
                assert f"{kind} {n}" in papers[number], (number, kind, n)
        numbered = re.compile(rf"({'|'.join(map(re.escape, kinds))}) (\S+)")
        known = {f"{kind} {n}" for kind, numbers in kinds.items() for n in numbers}
        assert [name for name in papers[number] if numbered.fullmatch(name) and name not in known] == []


def test_every_table_that_is_recomputed_is_in_the_index(papers):
    items = [item for paper in papers.values() for _, item in papers_page.items(paper)]
    run = {command for item in items for command in item.get("run", ())}
    assert {name for name in TABLES if f"bitspike reproduce {name}" not in run} == set()


@pytest.mark.parametrize(
    ("label", "field", "value"),
    [
        ("Eq. 4", "code", ["bits.py:Bits.budgets"]),
        ("Eq. 4", "code", ["bit.py:Bits.budget"]),
        ("Eq. 4", "code", ["csrc/bits.c:bs_bits_unpack"]),
        ("Eq. 4", "run", ["bitspike cost resnet20 --bit 2/2/1"]),
        ("Eq. 4", "run", ["bitspike reproduce 000/table9"]),
        ("Table 2", "claims", ["000.9"]),
        ("Fig. 3", "results", ["hardware/none.json"]),
        ("Fig. 1", "missing", "later"),
        ("Fig. 1", "why", "a drawing"),
        ("Fig. 1", "is", ""),
    ],
)
def test_a_planted_name_is_seen(papers, label, field, value):
    planted = copy.deepcopy(papers)
    planted["000"][label][field] = value
    assert len(wrong(planted)) == 1


def test_an_entry_with_nothing_is_seen(papers):
    planted = copy.deepcopy(papers)
    planted["000"]["Fig. 1"] = {"is": "a drawing"}
    assert wrong(planted) == ["000 Fig. 1: nothing"]


@pytest.mark.parametrize("tool", ["papers_page", "best_results"])
def test_what_the_tools_write_is_current(tool):
    program = [sys.executable, ROOT / "tools" / f"{tool}.py", "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


CITED = re.compile(
    r"[Pp]aper (00\d)(?:'s|,| \()\W*(Eq|Fig|Table|Algorithm|Theorem)s?\.? "
    r"((?:A\.)?\d+)(?:(?:-|, | to | and )((?:A\.)?\d+))?"
)
SHORT = {"Eq": "Eq.", "Fig": "Fig."}


def cited(text: str) -> list[str]:
    """Pieces of the papers that a text names, with their paper: ``000 Eq. 4``."""
    found = []
    for number, kind, *pieces in CITED.findall(text):
        found += [f"{number} {SHORT.get(kind, kind)} {piece}" for piece in pieces if piece]
    return found


def test_what_the_code_cites_is_in_print(papers):
    known = {f"{number} {label}" for number, paper in papers.items() for label in paper}
    files = [*(ROOT / "src" / "bitspike").rglob("*.py"), *(ROOT / "claims").glob("*.py")]
    found = {str(path): cited(path.read_text(encoding="utf-8")) for path in files}
    assert sum(map(len, found.values())) > 20
    assert {path: [piece for piece in pieces if piece not in known] for path, pieces in found.items()} == {
        path: [] for path in found
    }


def test_a_planted_citation_is_seen():
    assert cited("Spikes (paper 004, Eqs. 12 and 13), paper 002's Table 2") == [
        "004 Eq. 12", "004 Eq. 13", "002 Table 2",
    ]  # fmt: skip
