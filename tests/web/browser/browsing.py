"""A real browser: pages of it that write down what they complain of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import html5lib
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from tests.support import PATIENCE

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (360, 1280, 2560)
_OPTIONS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--js-flags=--single-threaded"),
)
#: What the browser writes down for each page that answers with such a status.
_OF_STATUS = "Failed to load resource: the server responded with a status of"

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def started() -> Iterator[Browser]:
    """A Chromium; the test is skipped where there is none."""
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if path is None:
        pytest.skip("there is no Chromium for the pages of the dashboard: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """Somebody with a browser of their own: cookies, time zone, colours. Nothing may be complained of in it."""

    def __init__(self, browser: Browser, base: str, options: dict[str, Any]) -> None:
        self.base = base
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(**{"locale": "en-GB"} | options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("dialog", lambda dialog: self._note("dialog", dialog.message))
        self.source = ""

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning", "dialog", "assert"}:
            self.complaints.append(f"{kind}: {text}")

    def go(self, path: str, status: int = 200) -> Page:
        """Open a page of the dashboard, and return it."""
        answer: Response | None = self.page.goto(self.base + path)
        assert answer is not None
        assert answer.status == status, answer.text()
        self.source = answer.text()
        if status >= 400:
            self.forgive(_OF_STATUS)
        return self.page

    def forgive(self, beginning: str) -> None:
        """Expect that the browser has complained of this."""
        self.complaints = [each for each in self.complaints if not each.startswith(f"error: {beginning}")]

    def end(self) -> None:
        self.context.close()


def faults_of_html(source: str) -> list[str]:
    """Return what is wrong with a page as the server has sent it."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(source)
    ids = [each.get("id") for each in tree.iter() if each.get("id")]
    twice = {f"two are called {each}" for each in ids if ids.count(each) > 1}
    return [f"{place}: {kind} {values}" for place, kind, values in parser.errors] + sorted(twice)


def faults_of_access(page: Page, only: str = "") -> list[str]:
    """Return what keeps somebody from using a page, as axe finds it; `only` by one of its rules."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"]} | ({"runOnly": [only]} if only else {})
    found = page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [f"{each['id']}: {node['html']}: {node['failureSummary']}" for each in found for node in each["nodes"]]


def is_too_wide(page: Page) -> bool:
    """Say whether the page itself, not only a part of it, has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
