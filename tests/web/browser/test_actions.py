"""Each action, pressed as a person presses it."""

import re
from contextlib import closing

from playwright.sync_api import Page, expect

from tests.web.browser.browsing import faults_of_access
from tests.web.browser.conftest import Readers
from tests.web.browser.dashboards import comes_to, deliver
from tests.web.served import Dashboard


def press(page: Page, name: str, told: str) -> None:
    """Press a button, and wait until the page says what was done."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".told")).to_contain_text(told)
    assert faults_of_access(page) == []


def test_a_failed_package_is_retried_and_runs_again(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "retried", "reject mended-1")
    comes_to(busy.home, "retried", "failed")
    page = read(busy).go("/packages/retried")
    assert page.get_by_role("button", name="Run again").count() == 0
    (busy.home.path / "mended-1").touch()
    press(page, "Retry", "1 package queued again.")
    expect(page.locator("#part-facts .state")).to_have_text("done")
    press(page, "Run again", "retried~2")
    comes_to(busy.home, "retried~2")


def test_a_duplicate_is_accepted(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "twice")
    comes_to(busy.home, "twice")
    deliver(busy.home, "twice")
    page = read(busy).go("/")
    page.get_by_role("link", name="twice", exact=True).click()
    press(page, "Accept", "twice~2")
    comes_to(busy.home, "twice~2")


def test_a_home_is_paused_its_queue_steered_and_resumed(busy: Dashboard, read: Readers) -> None:
    page = read(busy).go("/")
    page.get_by_text("Pause…").click()
    page.get_by_label("Why").fill("<i>laser</i> is off")
    press(page, "Pause", "Paused until jobrunner resume")
    expect(page.get_by_role("heading", name="Paused since")).to_be_visible()
    assert "<i>laser</i> is off" in page.inner_text("main")
    for name in ("waits-1", "waits-2", "waits-3"):
        deliver(busy.home, name)
        comes_to(busy.home, name, "queued")
    page.goto(f"{busy.origin}/packages/waits-3")
    press(page, "Next", "1 package is claimed next.")
    page.goto(f"{busy.origin}/packages/waits-1")
    press(page, "Cancel", "waits-1")
    page.goto(busy.origin)
    press(page, "Resume", "Resumed")
    expect(page.get_by_role("heading", name="Paused since")).to_have_count(0)
    comes_to(busy.home, "waits-2")
    starts = {name: busy.home.show(name)["attempts"][0]["started_at"] for name in ("waits-2", "waits-3")}
    assert starts["waits-3"] < starts["waits-2"]
    comes_to(busy.home, "waits-1", "failed")


def test_a_running_package_is_cancelled(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "stuck", "wait never")
    comes_to(busy.home, "stuck", "running")
    page = read(busy).go("/packages/stuck")
    press(page, "Cancel", "stuck")
    expect(page.locator("#part-facts .state")).to_have_text("cancelled")


def test_what_a_filter_finds_is_retried_after_a_second_look(busy: Dashboard, read: Readers) -> None:
    names = [f"scan-{number}" for number in range(3)]
    for name in (*names, "other"):
        deliver(busy.home, name, "reject mended-2")
    for name in (*names, "other"):
        comes_to(busy.home, name, "failed")
    page = read(busy).go("/packages")
    page.get_by_label("Name").fill("scan-")
    page.get_by_label("Reason").fill("sensor 7")
    page.get_by_label("failed").check()
    page.get_by_role("button", name="Find").click()
    page.wait_for_url(re.compile("state=failed"))
    assert {"name=scan-", "error=sensor+7"} <= set(page.url.partition("?")[2].split("&"))
    assert page.get_by_role("row").count() == 1 + len(names)
    page.get_by_role("link", name="Retry").click()
    assert page.inner_text("h1") == "Retry 3 packages?"
    assert [busy.home.show(name)["state"] for name in names] == ["failed"] * 3
    (busy.home.path / "mended-2").touch()
    press(page, "Retry 3 packages", "3 packages queued again.")
    for name in names:
        comes_to(busy.home, name)
    assert busy.home.show("other")["state"] == "failed"


def test_failures_of_a_reason_lead_to_their_retry(busy: Dashboard, read: Readers) -> None:
    deliver(busy.home, "alone", "reject mended-3")
    comes_to(busy.home, "alone", "failed")
    page = read(busy).go("/")
    page.locator("tr", has_text="sensor 7").get_by_role("link", name="Retry").click()
    assert re.fullmatch(r"Retry \d+ packages?\?", page.inner_text("h1"))
    page.get_by_role("link", name="Leave").click()
    page.get_by_role("link", name="alone", exact=True).click()
    assert page.inner_text("h1") == "alone"
    assert busy.home.show("alone")["state"] == "failed"


def test_pages_of_a_list_follow_each_other(empty: Dashboard, read: Readers) -> None:
    with closing(empty.home.open().store) as store, store.write():
        store.queue.enqueue([f"scan-{number:03}" for number in range(120)], 1000.0)
    page = read(empty).go("/packages?state=queued&order=oldest")
    seen = []
    for number in range(3):
        seen += page.locator("tbody th").all_inner_texts()
        following = page.get_by_role("link", name="Next page")
        assert following.count() == (number < 2)
        if number < 2:
            following.click()
            page.wait_for_url(re.compile(f"after=.*{len(seen)}$"))
    assert seen == [f"scan-{number:03}" for number in range(120)]
    page.get_by_role("link", name="First page").click()
    expect(page.locator("tbody th").first).to_have_text("scan-000")
    assert page.locator("tbody th").count() == 50
