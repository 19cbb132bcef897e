"""The site: every page is in its navigation, and what leads nowhere stops it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOCTREE = re.compile(r"^:::\{toctree\}\n(.*?)^:::", re.MULTILINE | re.DOTALL)

pytest.importorskip("sphinx", reason="comes with bitspike[docs]")


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries() -> set[Path]:
    """The files that docs/index.md has in its navigation."""
    lines = "\n".join(TOCTREE.findall((DOCS / "index.md").read_text(encoding="utf-8"))).splitlines()
    names = (re.sub(r".*<(.+)>", r"\1", line) for line in lines if line and not line.startswith(":"))
    return {(DOCS / f"{name}.md").resolve() for name in names}


def test_every_page_is_in_the_navigation() -> None:
    pages = {*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md"), *DOCS.glob("reference/*.md")} - {DOCS / "index.md"}
    assert pages - entries() == set()
    assert {page for page in entries() if not page.is_file()} == set()


def test_a_link_to_a_folder_leads_to_its_page(conf: ModuleType) -> None:
    text = [
        "[decisions](docs/adr), [claims](docs/claims.md), [source](src/bitspike), [there](https://example.org/docs/adr)"
    ]
    conf.folders(None, "README", text)
    assert text == [
        "[decisions](docs/adr/README.md), [claims](docs/claims.md), [source](src/bitspike), [there](https://example.org/docs/adr)"
    ]


def test_a_property_keeps_its_first_line(conf: ModuleType) -> None:
    lines = ["the lowest and the highest.", "", ":type: Its ends"]
    conf.untyped(None, "property", "range", None, None, lines)
    assert lines == ["Its ends: the lowest and the highest.", ""]


def test_what_leads_nowhere_stops_it(tmp_path: Path) -> None:
    wrong = {
        "page": "[a page](nowhere.md)",
        "heading": "[a heading](index.md#no-such)",
        "name": "```{eval-rst}\n`bitspike.ir.Grap` is not there\n```",
        "alone": "in no navigation",
    }
    right = {"right": "[the first](index.md#pages)\n\n```{eval-rst}\n`bitspike.ir.Graph`, or `Whatever`\n```"}
    listed = "\n".join(name for name in wrong | right if name != "alone")
    (tmp_path / "index.md").write_text(f"# Pages\n\n:::{{toctree}}\n{listed}\n:::\n")
    for name, text in (wrong | right).items():
        (tmp_path / f"{name}.md").write_text(f"# Page\n\n{text}\n")
    options = ("-W", "--keep-going", "-q", "-c", DOCS, "-D", "root_doc=index", "-D", "include_patterns=*.md")
    command = [sys.executable, "-m", "sphinx", *options, tmp_path, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    pages = re.findall(r"(\w+)\.md(?::\d+)?: WARNING", done.stderr)
    assert sorted(pages) == sorted(wrong), done.stderr
