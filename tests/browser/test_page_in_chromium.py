"""The page as Chromium shows it: all is clicked, and nothing may go wrong, ask for a file or run out of sight."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pages
import pytest

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
CONTROLS = "button:not(.matrix button), summary, select, nav a, .u-legend th[tabindex]"
VIEWS = [(1180, "light"), (360, "dark")]
OTHER_VIEWS = [(1180, "dark"), (360, "light"), (700, "light")]
UNREADABLE = (Path(__file__).parent / "unreadable.js").read_text()
MAKE: dict[str, Callable[[Path], Path]] = {"trained": pages.trained, "made-up": pages.made_up, "table": pages.table}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install 'bitspike[browser]'"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with api.sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=list(ARGS))
        yield made
        made.close()


@pytest.fixture(scope="module", params=MAKE)
def file(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MAKE[request.param](tmp_path_factory.mktemp("pages"))


class Opened:
    """A page, and all that it complained of."""

    def __init__(self, browser: Any, file: Path, width: int = 1180, scheme: str = "light", script: str = "") -> None:
        self.wrong: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda told: self.wrong.append(f"{told.type}: {told.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda asked: self.wrong.append(asked.url) if self._outside(asked.url, file) else None)
        self.page.add_init_script(script) if script else None
        self.page.goto(file.as_uri())
        self.page.wait_for_timeout(150)

    @staticmethod
    def _outside(url: str, file: Path) -> bool:
        return url.partition("#")[0] != file.as_uri() and not url.startswith("data:")

    def check(self) -> None:
        assert self.wrong == []
        assert self.page.evaluate("window.hit") is None, "a name was run as code"
        wide = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"the page is {wide[0]} pixels wide, of {wide[1]}"
        assert self.page.evaluate(UNREADABLE) == []


@pytest.mark.parametrize(("width", "scheme"), OTHER_VIEWS)
def test_nothing_is_wrong_with_the_page_as_it_opens(browser: Any, file: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, file, width, scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.check()
    opened.page.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_everything_can_be_clicked(browser: Any, file: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, file, width, scheme)
    opened.check()
    assert opened.page.locator("section:not(#absent), dl.absent dt").count() == 11
    for at in range(opened.page.locator(CONTROLS).count()):
        control = opened.page.locator(CONTROLS).nth(at)
        if not control.count() or not control.is_visible():
            continue
        if control.evaluate("one => one.tagName") == "SELECT":
            for option in range(control.locator("option").count()):
                control.select_option(index=option)
                assert opened.wrong == []
        else:
            control.click()
        assert opened.wrong == []
    opened.page.evaluate("document.querySelectorAll('.matrix button').forEach((one) => one.click())")  # of hundreds
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.page.wait_for_timeout(100)
    opened.check()
    opened.page.close()


def test_the_theme_is_the_systems_until_it_is_chosen(browser: Any, file: Path) -> None:
    for scheme, other in (("light", "dark"), ("dark", "light")):
        opened = Opened(browser, file, scheme=scheme)
        theme = "document.documentElement.dataset.theme"
        assert opened.page.evaluate(theme) == scheme
        opened.page.click("#theme")
        assert opened.page.evaluate(theme) == other
        opened.check()
        opened.page.close()


REACHED = """
() => {
  const all = 'button:not([tabindex="-1"]), summary, select, nav a, .u-legend th[tabindex], .point';
  const shown = [...document.querySelectorAll(all)].filter((one) => one.checkVisibility());
  const at = document.activeElement, ring = getComputedStyle(at.querySelector('.ring') ?? at);
  return [shown.length, shown.indexOf(at), ring.outlineStyle !== 'none' || ring.stroke !== 'none'];
}
"""
PLOTS = "svg, canvas[role], img"
SAID = f"() => [...document.querySelectorAll('{PLOTS}')].every((one) => one.alt || one.closest('[aria-label]'))"
NAMED = "() => [...document.querySelectorAll('section')].every((one) => one.ariaLabelledByElements?.length !== 0)"


def test_keys_reach_every_control_and_show_where_they_are(browser: Any, file: Path) -> None:
    opened = Opened(browser, file)
    reached: set[int] = set()
    while True:
        opened.page.keyboard.press("Tab")
        count, at, seen = opened.page.evaluate(REACHED)
        if at in reached:
            break
        if at >= 0:
            reached.add(at)
            assert seen, opened.page.evaluate("document.activeElement.outerHTML")
    assert len(reached) == count
    opened.check()
    opened.page.close()


def test_arrows_move_in_the_table_of_confusions(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, pages.table(tmp_path))
    opened.page.locator(".matrix button").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        opened.page.keyboard.press(key)
    assert opened.page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "class 1 taken for class 0"
    )
    assert opened.page.locator('.matrix button[tabindex="0"]').count() == 1
    opened.page.keyboard.press("Enter")
    assert "class 1 taken for class 0" in opened.page.locator("#confusion h3").inner_text()
    opened.check()
    opened.page.close()


def test_plots_say_what_they_are(browser: Any, file: Path) -> None:
    opened = Opened(browser, file)
    assert opened.page.evaluate(SAID)
    assert opened.page.evaluate(NAMED)
    for plot in opened.page.locator("section:has(svg), section:has(canvas), section:has(.bars)").all():
        assert plot.locator("details").count() >= 1, plot.text_content()
    opened.page.close()


def test_names_stand_there_as_they_are(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, pages.trained(tmp_path))
    assert pages.FOLDER in opened.page.locator("#summary tbody").inner_text()
    assert "</script>" in opened.page.locator("#bits").inner_text()
    opened.check()
    opened.page.close()


PLANTED = {
    "an error": "addEventListener('load', () => { throw new Error('planted'); });",
    "a line on the console": "addEventListener('load', () => console.warn('planted'));",
    "a request": "addEventListener('load', () => { new Image().src = 'http://127.0.0.1:9/planted'; });",
    "a wide element": "addEventListener('load', () => { document.querySelector('h2').style.width = '5000px'; });",
    "pale text": "addEventListener('load', () => { document.querySelector('h2').style.color = '#bbbbbb'; });",
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_seen(browser: Any, tmp_path: Path, what: str) -> None:
    opened = Opened(browser, pages.table(tmp_path), script=PLANTED[what])
    with pytest.raises(AssertionError):
        opened.check()
    opened.page.close()
