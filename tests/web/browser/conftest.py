"""One browser and one home with a bit of everything for all of these tests, and what each may ask of them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import TestHome
from tests.web.browser.browsing import Reader, started
from tests.web.browser.dashboards import fill, prepare, served
from tests.web.served import Dashboard

#: Returns a reader of a dashboard; the options are Playwright's for a browser context.
Readers = Callable[..., Reader]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture
def read(chromium: Browser) -> Iterator[Readers]:
    """Nothing that these readers see may be complained of by their browsers."""
    readers: list[Reader] = []

    def read(dashboard: Dashboard, **options: Any) -> Reader:
        readers.append(Reader(chromium, dashboard.origin, options))
        return readers[-1]

    yield read
    for reader in readers:
        reader.end()
    assert [complaint for reader in readers for complaint in reader.complaints] == []


@contextmanager
def home_in(folder: Path) -> Iterator[TestHome]:
    home = TestHome(folder / "home")
    try:
        yield home
    finally:
        home.end_all()


@contextmanager
def serving(home: TestHome) -> Iterator[Dashboard]:
    dashboard = served(home)
    yield dashboard
    dashboard.end(signal.SIGKILL)
    assert dashboard.errors.read_text() == ""


@pytest.fixture(scope="package")
def full(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A home with a bit of everything, which no test changes."""
    with home_in(tmp_path_factory.mktemp("full")) as home:
        fill(home)
        with serving(home) as dashboard:
            yield dashboard


@pytest.fixture(scope="package")
def busy(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A home with two workers, in which each test delivers packages of its own."""
    with home_in(tmp_path_factory.mktemp("busy")) as home:
        prepare(home)
        home.start("run", "-n", "2")
        with serving(home) as dashboard:
            yield dashboard


@pytest.fixture
def empty(chromium: Browser, home: TestHome) -> Iterator[Dashboard]:
    """A home in which nothing was done yet."""
    with serving(home) as dashboard:
        yield dashboard
