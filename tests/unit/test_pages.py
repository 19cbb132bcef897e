"""The pages: links and named paths lead somewhere, commands parse, and what a command writes is current."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from bitspike.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "results/*.md", "benchmarks/gpu/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"  # it speaks of what was
]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
NAMED = re.compile(r"(?:src|tests|tools|docs|examples|results|benchmarks|claims)/[\w./-]*[\w/]")
ROOMS = re.compile(r"(?:backends|conversion|costs|frontend|ir|layers|lowering|models|neurons|quant|training)/[\w./]*\w")
MADE_LATER = {"results/gpu", "results/claims/full.jsonl", "results/benchmarks/train_step_cuda.json"}
"""What rows of the GPU queue will leave."""
GAPS = {"RUN", "NAME", "TABLE", "BITS", "DIR", "NET", "RECIPE", "..."}
"""Words in a quoted command that stand for something else: such a command does not parse, and need not."""


def broken_links(text: str, page: Path) -> list[str]:
    """Links to files that are not there, or to headings that their page has not."""
    found = []
    for target in LINK.findall(FENCED.sub("", text)):
        if re.match(r"\w+:", target):
            continue
        name, _, heading = target.partition("#")
        there = (page.parent / name) if name else page
        if not there.exists() or (heading and heading not in anchors(there.read_text(encoding="utf-8"))):
            found.append(target)
    return found


def anchors(text: str) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_paths(text: str) -> list[str]:
    """Paths in backticks that are not in the checkout; one that begins with a room is in src/bitspike."""
    found = []
    for quoted in QUOTED.findall(FENCED.sub("", text)):
        for folder, pattern in ((ROOT, NAMED), (ROOT / "src" / "bitspike", ROOMS)):
            named = pattern.fullmatch(quoted)
            if named and quoted.rstrip("/") not in MADE_LATER and not (folder / quoted).exists():
                found.append(quoted)
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `bitspike` command line: those of blocks, and those of the text that say more than a name."""
    typed = [
        line.removeprefix("$ ")
        for language, block in FENCED.findall(text)
        if language in {"bash", "sh", "shell", "console"}
        for line in re.sub(r"\\\n", " ", block).splitlines()
    ]
    for line in typed:
        if line.startswith("bitspike "):
            yield from whole(line)
    for line in QUOTED.findall(FENCED.sub("", text)):
        if re.match(
            r"bitspike \w+ [^-\s]\S* .", line
        ):  # with an argument and more: not the name of a command or an option
            yield from whole(line)


def whole(line: str) -> Iterator[list[str]]:
    """The words of a command that leaves nothing to fill in."""
    words = shlex.split(line, comments=True)[1:]
    if not GAPS & {part for word in words for part in word.split("=")}:
        yield words


@cache
def group() -> Any:
    return typer.main.get_command(app)


def parse(words: list[str]) -> None:
    """Takes the command's words apart as the command does, and runs nothing."""
    command, rest = group().commands[words[0]], words[1:]
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    try:
        command.make_context(words[0], rest)
    except typer.Exit as ended:  # `train --list` answers while it is parsed
        assert ended.exit_code == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    assert broken_links(text, page) == []
    assert missing_paths(text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_parse(page):
    for words in commands(page.read_text(encoding="utf-8")):
        parse(words)


def test_the_readme_has_commands():
    assert len(list(commands((ROOT / "README.md").read_text(encoding="utf-8")))) > 15


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/cost.md#no-such-heading", "#no-such-heading"])
def test_a_planted_link_is_seen(link):
    assert broken_links(f"[here]({link}) and [there](https://example.org)", ROOT / "README.md") == [link]


def test_a_planted_path_is_seen():
    assert missing_paths("`docs/nowhere.md`, `docs/cost.md`, `ir/nowhere.py`") == ["docs/nowhere.md", "ir/nowhere.py"]


@pytest.mark.parametrize("line", ["bitspike cost resnet20 --bit 2/2/1", "bitspike costs resnet20 --bits 2/2/1"])
def test_a_planted_command_is_seen(line):
    (words,) = commands(f"```bash\n{line}  # a comment\n```")
    with pytest.raises(Exception, match=r"No such option|costs"):
        parse(words)


@pytest.mark.parametrize("tool", ["results_page", "results_index", "keys_page", "commands_page", "which_bits"])
def test_written_pages_are_current(tool):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{tool}.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_page_that_is_not_current_is_seen(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from written import renewed

    marked = "<!-- begin: part, written by a tool -->\n{}<!-- end -->"
    stale, current = marked.format("old\n"), marked.format("\nnew\n\n")
    assert renewed(stale, {"part": lambda: "new"}, "a tool") == current
    assert renewed(current, {"part": lambda: "new"}, "a tool") == current
    with pytest.raises(SystemExit, match="want <!-- begin"):
        renewed("nothing", {"part": lambda: "new"}, "a tool")
    with pytest.raises(SystemExit, match="part: no such part"):
        renewed(stale, {"other": lambda: "new"}, "a tool")


def test_two_parts_of_one_name_are_refused(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from written import named

    def part() -> str:
        return "mine"

    mine = part
    assert named(mine) == {"part": mine}

    def part() -> str:
        return "another's"

    with pytest.raises(SystemExit, match="part: two parts have that name"):
        named(mine, part)
