"""Each page in a real browser: valid, usable by everybody, at each width, in both colour schemes, with odd names."""

from urllib.parse import quote

import pytest

from jobrunner.domain.package import shown
from tests.web.browser.browsing import WIDTHS, Reader, faults_of_access, faults_of_html, is_too_wide
from tests.web.browser.conftest import Readers
from tests.web.browser.dashboards import ODD_NAMES
from tests.web.served import Dashboard

#: Each page with its status.
PAGES = {
    "/": 200,
    "/?span=month": 200,
    "/packages": 200,
    "/packages?state=failed&state=cancelled&error=exit&order=oldest": 200,
    "/packages?name=nothing": 200,
    "/packages?since=nonsense": 400,
    "/all/retry?state=failed": 200,
    "/all/retry?name=nothing": 200,
    "/packages/plain": 200,
    "/packages/runs": 200,
    "/packages/runs?find=said": 200,
    "/packages/put%20off": 200,
    "/packages/half": 200,
    "/packages/unheard-of": 404,
    "/nothing/here": 404,
}


def faults(reader: Reader) -> list[str]:
    """Return what is wrong with an open page."""
    page, found = reader.page, faults_of_html(reader.source)
    page.emulate_media(color_scheme="light")
    found += faults_of_access(page)
    page.emulate_media(color_scheme="dark")
    found += faults_of_access(page, only="color-contrast")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if is_too_wide(page):
            found.append(f"it has to be scrolled sideways at {width} pixels")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_fault(full: Dashboard, read: Readers, path: str) -> None:
    reader = read(full)
    reader.go(path, PAGES[path])
    assert faults(reader) == []


def test_a_home_in_which_nothing_was_done_yet_says_what_to_do_first(empty: Dashboard, read: Readers) -> None:
    reader = read(empty)
    page = reader.go("/")
    assert faults(reader) == []
    assert "Nothing has come yet" in page.inner_text("main")
    assert "No worker runs here" in page.inner_text("main")


def test_each_odd_name_is_shown_and_leads_to_its_package(full: Dashboard, read: Readers) -> None:
    reader = read(full)
    page = reader.go("/packages")
    for name in ODD_NAMES:
        link = page.get_by_role("link", name=shown(name), exact=True).get_attribute("href")
        assert link == f"/packages/{quote(shown(name), safe='')}"
    for name in ODD_NAMES:
        reader.go(f"/packages/{quote(shown(name), safe='')}")
        assert page.inner_text("h1") == shown(name)
        assert page.inner_text("pre").startswith(r"<script>alert(2)</script> red \u202egpj.exe")
        assert shown(f"{name}.zip") in page.inner_text("#part-files")
        assert faults(reader) == []
