"""The page as text: what stands in it, whatever runs are called, and that it asks for nothing outside of itself."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.reports import page
from bitspike.reports.page.html import SCRIPTS, STYLES, embedded

HERE = Path(page.__file__).parent
HOSTILE = "</script><script>window.hit = 1</script><!-- \u2028 \" ' & ${x} $title <img src=x onerror=hit()>"
NPM = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of what `npm pack uplot@1.6.32` has."""


class Elements(HTMLParser):
    """The tags of a page with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


def content(**more: Any) -> dict[str, Any]:
    told = {
        "title": "a",
        "version": "1",
        "dataset": "d",
        "measure": "test_accuracy",
        "runs": [],
        "groups": [],
        "graphs": [],
    }
    return told | more


def test_names_cannot_leave_the_json_that_they_stand_in() -> None:
    told = content(title=HOSTILE, dataset=HOSTILE, runs=[{"name": HOSTILE, HOSTILE: [HOSTILE]}])
    harmless = Elements(page.page_html(content()))
    found = Elements(page.page_html(told))
    assert found.tags == harmless.tags
    data, script = found.scripts[:2]
    assert json.loads(data) == told
    assert script == harmless.scripts[1]
    assert "<script>window.hit" not in page.page_html(told)


@given(st.text() | st.characters(codec=None).map(lambda one: f"<{one}"))
def test_any_text_comes_back_from_the_json(text: str) -> None:
    found = embedded({text: [text]})
    assert not set(found) & set("<>&\u2028\u2029")
    assert json.loads(found) == {text: [text]}


def test_a_name_that_is_not_escaped_would_be_seen() -> None:
    unescaped = json.dumps({"name": HOSTILE})
    template = page.page_html(content())
    planted = template.replace('"title":"a"', f'"planted":{unescaped},"title":"a"')
    assert Elements(planted).tags != Elements(template).tags


def test_the_page_asks_for_nothing() -> None:
    made = page.page_html(content())
    found = Elements(made)
    policy = next(attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy
    for _, attrs in found.tags:
        for key in ("src", "href", "action", "data"):
            assert (attrs.get(key) or "#").startswith(("#", "data:")), attrs
    own = "".join((HERE / name).read_text() for name in (*SCRIPTS, *STYLES) if not name.startswith("vendor/"))
    assert not re.search(
        r"fetch\(|XMLHttpRequest|WebSocket|import\(|url\((?!#)|@import|innerHTML|insertAdjacentHTML|eval\(", own
    )
    assert set(re.findall(r"https?://[\w./]+", own)) == {"http://www.w3.org/2000/svg"}


def test_all_parts_are_in_it_and_uplot_is_as_it_was_published() -> None:
    files = {str(path.relative_to(HERE)) for kind in ("*.js", "*.css") for path in HERE.rglob(kind)}
    assert files == {*SCRIPTS, *STYLES}
    for name, digest in NPM.items():
        assert hashlib.sha256((HERE / "vendor" / name).read_bytes()).hexdigest() == digest, name
    assert "1.6.32" in (HERE / "vendor/README.md").read_text()
    assert (HERE / "vendor/LICENSE").read_text() in page.page_html(content())
    assert not any(
        len(path.read_text().splitlines()) > 400 for path in HERE.rglob("*.*s*") if path.parent.name != "vendor"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_its_pixels(channels: int) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    told = {"shape": [channels, 5, 7], "zlib": base64.b64encode(zlib.compress(pixels.tobytes())).decode()}
    uri = page.png_uri(page.unpacked(told))
    read = np.asarray(image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert (read.reshape(5, 7, channels).transpose(2, 0, 1) == pixels).all()


def test_events_are_white_where_none_are_and_two_colours_elsewhere() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((2, 1, 3), np.uint8)
    pixels[0, 0, 1] = pixels[1, 0, 2] = 255
    read = image.open(io.BytesIO(base64.b64decode(page.png_uri(pixels).partition(",")[2])))
    assert [read.getpixel((x, 0)) for x in range(3)] == [(255, 255, 255), (217, 72, 15), (37, 99, 235)]


@pytest.mark.parametrize(
    "told",
    [{}, {"shape": [1, 2, 2], "zlib": "!"}, {"shape": [9, 9, 9], "zlib": "eJwDAAAAAAE="}, {"shape": 3, "zlib": ""}],
)
def test_packed_pixels_that_are_none_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="picture"):
        page.unpacked(told)


def test_a_jpeg_is_base64_and_nothing_else() -> None:
    assert page.jpeg_uri("AAAA") == "data:image/jpeg;base64,AAAA"
    with pytest.raises(UserError, match="JPEG"):
        page.jpeg_uri('"><script>')
