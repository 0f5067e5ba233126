"""Open pages stay true; and all can be done where no script runs."""

import signal

import pytest
from playwright.sync_api import Page, expect

from tests.support import TestHome, wait_until
from tests.web.browser.conftest import Readers
from tests.web.browser.dashboards import comes_to, deliver, prepare, served
from tests.web.served import Dashboard


def live(page: Page) -> None:
    expect(page.locator("p.live")).to_contain_text("live")


def done(page: Page) -> int:
    return int(page.locator("#part-counts .done b").inner_text())


def test_a_change_is_on_an_open_page_unless_it_is_held_still(busy: Dashboard, read: Readers) -> None:
    page, held = read(busy).go("/"), read(busy).go("/")
    live(page)
    live(held)
    before = done(page)
    held.get_by_role("button", name="Hold still").click()
    deliver(busy.home, "new")
    expect(page.locator("#part-counts .done b")).to_have_text(str(before + 1))
    assert done(held) == before
    expect(held.locator("p.live")).to_contain_text("held still")
    held.get_by_role("button", name="Hold still").click()
    expect(held.locator("#part-counts .done b")).to_have_text(str(before + 1))


def test_progress_and_log_move_while_a_handler_runs(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "moves", "wait gate-1")
    wait_until(lambda: busy.home.status()["running"] and busy.home.status()["running"][0]["progress"])
    package, overview = read(busy).go("/packages/moves"), read(busy).go("/")
    bars = [page.get_by_role("progressbar") for page in (package, overview)]
    for bar in bars:
        expect(bar).to_have_attribute("value", "0.250")
    (busy.home.path / "progress.new").write_text("3/4 stacking")
    (busy.home.path / "progress.new").rename(busy.home.path / "progress")
    for bar in bars:
        expect(bar).to_have_attribute("value", "0.750")
    expect(package.locator("pre")).to_contain_text("said 3/4 stacking")
    expect(overview.locator("#part-running")).to_contain_text("stacking, 75%")
    (busy.home.path / "gate-1").touch()
    expect(package.locator("#part-facts .state")).to_have_text("done")
    expect(package.get_by_role("button", name="Run again")).to_be_visible()


def test_what_somebody_writes_stays_while_the_page_changes(busy: Dashboard, read: Readers) -> None:
    page = read(busy).go("/")
    live(page)
    page.get_by_text("Pause…").click()
    page.get_by_label("Why").fill("half a sen")
    before = done(page)
    deliver(busy.home, "beside")
    expect(page.locator("#part-counts .done b")).to_have_text(str(before + 1))
    assert page.get_by_label("Why").input_value() == "half a sen"


def test_a_lost_connection_is_said_and_comes_back(home: TestHome, read: Readers) -> None:
    prepare(home)
    first = served(home)
    reader = read(first)
    page = reader.go("/packages")
    live(page)
    first.end(signal.SIGKILL)
    expect(page.locator("p.live")).to_contain_text("the connection is lost")
    deliver(home, "meanwhile")
    home.jobrunner("scan")
    second = served(home, "--listen", f"127.0.0.1:{first.port}")
    live(page)
    expect(page.get_by_role("link", name="meanwhile")).to_be_visible()
    second.end()
    expect(page.locator("p.live")).to_contain_text("the connection is lost")
    reader.forgive("Failed to load resource: net::ERR_")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_times_are_those_of_the_reader_with_the_exact_one_on_hover(full: Dashboard, read: Readers, zone: str) -> None:
    page = read(full, timezone_id=zone).go("/packages/plain")
    ended_at = page.locator("#part-facts time").last
    exact = ended_at.get_attribute("datetime")
    told = page.evaluate("at => new Date(at).toLocaleTimeString('en-GB', {timeStyle: 'medium'})", exact)
    assert told in ended_at.inner_text()
    assert ("GMT+0900" if zone == "Asia/Tokyo" else "GMT+0000") in (ended_at.get_attribute("title") or "")


def test_all_of_it_can_be_done_without_scripts(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "plainly", "reject mended-4")
    comes_to(busy.home, "plainly", "failed")
    (busy.home.path / "mended-4").touch()
    page = read(busy, java_script_enabled=False).go("/")
    page.get_by_role("link", name="Packages").click()
    page.get_by_label("Name").fill("plainly")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Retry").click()
    page.get_by_role("button", name="Retry 1 package").click()
    assert "1 package queued again." in page.inner_text(".told")
    comes_to(busy.home, "plainly")
    page.reload()
    page.get_by_role("link", name="plainly", exact=True).click()
    assert page.inner_text("#part-facts .state") == "done"
    assert page.locator("p.live").is_hidden()


def test_all_is_reached_by_the_keyboard(full: Dashboard, read: Readers) -> None:
    for path in ("/", "/packages", "/packages/plain"):
        page = read(full).go(path)
        live(page)
        page.get_by_role("button", name="Hold still").click()
        page.evaluate("document.activeElement.blur()")
        wanted = page.evaluate(
            "() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]"
            ".filter(each => each.checkVisibility()).map((each, number) => (each.dataset.test = number)).length"
        )
        reached = set()
        for _ in range(wanted + 5):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.dataset.test"))
        assert reached >= {str(number) for number in range(wanted)}, path
