"""The page as text: a template, its style and scripts, and what it shows as JSON inside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

__all__ = ["embedded", "page_html"]

STYLES = ("vendor/uPlot.min.css", "page.css", "parts.css", "pictures.css")
SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    "js/page.js",
    "js/words.js",
    "js/table.js",
    "js/bars.js",
    "js/summary.js",
    "js/pareto.js",
    "js/curves.js",
    "js/layers.js",
    "js/energy.js",
    "js/histograms.js",
    "js/confusion.js",
    "js/trains.js",
    "js/boxes.js",
    "js/graph.js",
    "js/start.js",
)
"""In the order in which they are run: uPlot, what all sections use, the sections as they stand, and the start."""
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Letters that could end the element that JSON stands in, or a line of it."""


def page_html(content: Mapping[str, Any]) -> str:
    """The page of what `bitspike.api.page` gathered."""
    here = files(__package__)

    def joined(names: tuple[str, ...]) -> str:
        return "\n".join(here.joinpath(name).read_text(encoding="utf-8") for name in names)

    return Template(here.joinpath("template.html").read_text(encoding="utf-8")).substitute(
        title=escape(content["title"]),
        version=escape(content["version"]),
        style=joined(STYLES),
        license=joined(("vendor/LICENSE",)),
        script=joined(SCRIPTS),
        content=embedded(content),
    )


def embedded(content: Mapping[str, Any]) -> str:
    """JSON that no name in it, whatever it is, can break out of."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter, code in UNSAFE.items():
        text = text.replace(letter, code)
    return text.encode("utf-8", "backslashreplace").decode()  # half a letter, as a file's name may have
