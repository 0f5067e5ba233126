"""Logging in and out, and what readers see."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from jobrunner.domain.web import Right, password_line
from tests.support import TestHome
from tests.web.browser.conftest import Readers, serving
from tests.web.browser.dashboards import deliver, prepare
from tests.web.browser.test_looks import faults
from tests.web.served import Dashboard


@pytest.fixture
def closed(home: TestHome) -> Iterator[Dashboard]:
    """A home with a queued package, and two users: anna may press, ben may look."""
    prepare(home)
    with (home.path / "jobrunner.toml").open("a") as settings:
        settings.write("[web]\nusers_file = 'users'\n")
    (home.path / "users").touch(0o600)
    lines = password_line("anna", Right.OPERATOR, "correct horse"), password_line("ben", Right.READER, "battery")
    (home.path / "users").write_text("\n".join(lines))
    deliver(home, "one")
    home.jobrunner("scan")
    with serving(home) as dashboard:
        yield dashboard


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_who_has_logged_in_comes_in_until_they_log_out(closed: Dashboard, read: Readers) -> None:
    reader = read(closed)
    page = reader.go("/packages/one")
    assert page.url == f"{closed.origin}/login"
    assert "one" not in page.inner_text("main")
    assert faults(reader) == []
    log_in(page, "anna", "correct horse")
    page.get_by_role("link", name="Packages").click()
    page.get_by_role("link", name="one", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator("p.live")).to_contain_text("live")
    page.get_by_role("button", name="Log out anna").click()
    page.goto(f"{closed.origin}/packages")
    assert page.url == f"{closed.origin}/login"
    log_in(page, "anna", "wrong")
    expect(page.get_by_role("alert")).to_have_text("That name and password do not belong together.")
    reader.source = page.content()
    assert faults(reader) == []
    reader.forgive("Failed to load resource: the server responded with a status of 403")


def test_a_reader_finds_nothing_to_press_and_can_do_nothing(closed: Dashboard, read: Readers) -> None:
    reader = read(closed)
    log_in(reader.go("/login"), "ben", "battery")
    page = reader.page
    page.wait_for_url(f"{closed.origin}/")
    for path in ("/", "/packages", "/packages/one", "/all/cancel"):
        reader.go(path)
        buttons = page.get_by_role("main").get_by_role("button").all_inner_texts()
        assert buttons in ([], ["Find"]), path
        assert page.get_by_role("main").get_by_role("link", name="…").count() == 0
    page = reader.go("/packages")
    status = page.evaluate("fetch('/packages/one/cancel', {method: 'POST', body: ''}).then(answer => answer.status)")
    assert status == 403
    reader.forgive("Failed to load resource: the server responded with a status of 403")
    assert closed.home.show("one")["state"] == "queued"


def test_a_page_of_a_session_that_has_ended_leads_to_the_login(closed: Dashboard, read: Readers) -> None:
    reader = read(closed)
    log_in(reader.go("/login"), "ben", "battery")
    expect(reader.page.locator("p.live")).to_contain_text("live")
    users = closed.home.path / "users"
    users.write_text(users.read_text().splitlines()[0])
    deliver(closed.home, "secret")
    closed.home.jobrunner("scan")
    reader.page.wait_for_url(f"{closed.origin}/login")
    assert "secret" not in reader.page.inner_text("body")
    reader.forgive("")
