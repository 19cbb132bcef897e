"""The documentation site: `make docs` builds it from the pages of the checkout, which stay readable where they are.

The checkout itself is the source folder, so that a link of a page leads to the same file on the site as in the tree:
to a page, or, of anything else, to a copy that can be downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

import bitspike

ROOT = Path(__file__).parents[1]

project = "bitspike"
author = "the authors of bitspike"
version = release = bitspike.__version__
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**",
    "results/README.md",
    "benchmarks/gpu/*.md",
]
exclude_patterns = [".*", "**/.*", "build", "runs", "docs/_*", "docs/figures"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False  # a method is told of where it is explained
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
templates_path = [str(Path(__file__).with_name("_templates"))]  # autosummary looks from the source folder
default_role = "py:obj"
smartquotes = False  # a command is typed as it stands

nitpicky = True
nitpick_ignore_regex = [("py:class", ".*"), ("py:.*", r"(?!bitspike\.).*")]
"""An annotation may name what is not public, or another package's. What a text names as bitspike's must be there."""

html_theme = "furo"
html_title = "bitspike"
html_extra_path = ["_site"]
html_show_sphinx = False
html_copy_source = False
pygments_style = "default"
pygments_dark_style = "github-dark"


def linked(app: Any, env: Any, node: Any, text: Any) -> Any:
    """A link to the one object of that name: docstrings say `Graph` of what is at home in another room.

    What bitspike has under that name, but on no page, is shown as it is written.
    """
    name = node.get("reftarget", "")
    last = name.rpartition(".")[2]
    full = name.startswith("bitspike.")
    if node.get("refdomain") != "py" or (full and not there(name)) or not (full or name == last):
        return None
    entries = env.domains.python_domain.objects.items()
    kinds = {"class", "exception", "function"}
    homes = {
        (entry.docname, entry.node_id)
        for known, entry in entries
        if known.rpartition(".")[2] == last and entry.objtype in kinds
    }
    if len(homes) == 1:
        ((page, anchor),) = homes
        return make_refnode(app.builder, node["refdoc"], page, anchor, text)
    return text if full else None


def there(name: str) -> bool:
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def folders(app: Any, page: str, source: list[str]) -> None:
    """A link to a folder leads to its README.md, as it does where code is hosted."""
    here = ROOT.joinpath(page).parent

    def page_of(link: re.Match[str]) -> str:
        readme = here / link[1] / "README.md"
        return f"]({link[1].rstrip('/')}/README.md)" if readme.is_file() else link[0]

    source[0] = re.sub(r"\]\(([\w./-]+)\)", page_of, source[0])


def untyped(app: Any, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Gives back what napoleon took for a type: what stands before a colon in the first line of a property."""
    types = [line for line in lines if line.startswith(":type: ")]
    if what in {"attribute", "data", "property"} and types:
        lines.remove(types[0])
        lines[0] = f"{types[0].removeprefix(':type: ')}: {lines[0]}"


def dashes(app: Any, doctree: Any, page: str) -> None:
    """A dash behind the name of an argument, which Sphinx leaves to the quotes that are off."""
    for text in [node for node in doctree.findall(nodes.Text) if node == " -- "]:
        text.parent.replace(text, nodes.Text(" – "))


def setup(app: Any) -> None:
    app.connect("doctree-resolved", dashes)
    app.connect("autodoc-process-docstring", untyped, priority=600)  # behind napoleon
    app.connect("missing-reference", linked)
    app.connect("source-read", folders)
