"""Pages of the explorer in a real browser, for the tests: Debian's Chromium without a window, driven by Playwright.

Without it the tests that need it are skipped, but where CI=true its absence is a failure. Every page is watched while a
test has it: a message on the console, an error, or a request for anything but the file itself fails the test.
`conftest.py` makes a fixture of the tab.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from profiles import IN_CI

WINDOW = {"width": 1280, "height": 800}


def missing(what: str) -> None:
    fail = pytest.fail if IN_CI else pytest.skip
    fail(
        f"the explorer is tested in a browser, and there is no {what}: `apt install chromium`, `pip install playwright`"
    )


@contextmanager
def open_tab() -> Iterator[Any]:
    """A tab of the browser, for as long as the tests last."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright")
    with sync_playwright() as playwright:
        options = ["--disable-gpu", *["--no-sandbox"] * (os.geteuid() == 0)]
        browser = playwright.chromium.launch(executable_path=program, args=options)
        tab = browser.new_context(viewport=WINDOW, permissions=["clipboard-read", "clipboard-write"]).new_page()
        tab.set_default_timeout(30_000)  # the machine may be busy
        yield tab
        browser.close()


@contextmanager
def watched(tab: Any, file: Path) -> Iterator[None]:
    """Afterwards, all has been quiet."""
    trouble: list[str] = []
    listeners = {
        "console": lambda message: trouble.append(message.text),
        "pageerror": lambda error: trouble.append(str(error)),
        "dialog": lambda dialog: (trouble.append(dialog.message), dialog.dismiss()),
        "request": lambda request: (
            request.url.split("?")[0].split("#")[0] == file.as_uri() or trouble.append(request.url)
        ),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    yield
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
    assert trouble == []


class Page:
    """A page of the explorer in the browser, and what it shows."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    def node(self, name: str) -> Any:
        """The box of a node, by the name that is announced for it."""
        return self.tab.locator(f'#graph .box[aria-label^="{name}, "]')

    def leaf(self, name: str, control: str) -> Any:
        return self.tab.get_by_label(f"{name}{control}", exact=True)

    def button(self, name: str) -> None:
        self.tab.get_by_role("button", name=name, exact=True).click()

    def write(self, text: str, place: str = "#text") -> None:
        """Types a text, or a table, and waits until the page has read it: that is a quarter of a second later."""
        if place == "#table":
            self.tab.evaluate("document.getElementById('table-box').open = true")
        self.tab.locator(place).fill(text)
        self.tab.wait_for_timeout(300)

    def numbers(self) -> dict[str, tuple[float | None, float | None]]:
        """Value and gradient of each node but constants by its name, as far as they are shown."""
        script = "[...document.querySelectorAll('.box')].map(({dataset: d}) => [d.name, d.value, d.gradient])"
        shown = self.tab.evaluate(script)
        return {name: (float(y) if y else None, float(g) if g else None) for name, y, g in shown if name}

    def text(self, place: str) -> str:
        return self.tab.locator(place).text_content()

    def value(self, place: str) -> str:
        return self.tab.locator(place).input_value()

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits, for a few seconds at most; the page forbids what Playwright would do for it, to evaluate a text."""
        end = monotonic() + 5
        while not condition():
            assert monotonic() < end
            self.tab.wait_for_timeout(50)

    @property
    def words(self) -> str:
        return self.text("#words")

    @property
    def step(self) -> str:
        return self.text("#count")

    @property
    def python(self) -> str:
        return self.value("#python")
