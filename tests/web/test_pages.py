"""What the pages say, and what is pressed there."""

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jobrunner.domain.package import shown
from tests.scripts import PRELUDE
from tests.support import BROKEN_ZIP, PATIENCE, TestHome, wait_until
from tests.web.conftest import Serve
from tests.web.served import Dashboard

EVIL = "<img src=x onerror=alert(1)>&\"'`\x1b[31m\u202e\n\udcff{{7*7}}"
FAILS = "import os, sys\nsys.exit(f'no sensor {len(os.environ[\"JOBRUNNER_PACKAGE\"])}')\n"


def fail(home: TestHome, *names: str) -> None:
    home.handler(FAILS, retry="max_attempts = 1")
    for name in names:
        home.package(name)
    assert home.jobrunner("run", "--drain").returncode == 1


def rows(text: str) -> list[str]:
    """The packages that a list has, in its order."""
    return [part.partition('"')[0] for part in text.split('<th scope="row"><a href="/packages/')[1:]]


def test_an_empty_home_is_told_what_to_do_first(serve: Serve) -> None:
    words = serve().get("/").words
    assert "No worker runs here Start it in the home: jobrunner run -n 3" in words
    assert "Nothing has come yet Put a package into the inbox" in words


def test_the_overview_says_what_runs_failed_and_lacks_something(home: TestHome, serve: Serve) -> None:
    fail(home, "first", "third")
    (home.inbox / "late-downloading").mkdir()
    home.handler(PRELUDE + "wait_for('go')\n")
    home.start("run", "-n", "1")
    home.package("runs")
    dashboard = serve()
    wait_until(lambda: "runs</a></th>\n<td>handler</td>" in dashboard.get("/").text)
    words = dashboard.get("/").words
    assert "2 exit status 1: no sensor 5 third" in words
    assert re.search(r"late-downloading still being received 0 files, 0 B \d+ s ", words)
    assert "1 of 1 workers alive" in words
    assert "0 done and 2 failed in the last hour" in words


def test_the_chart_has_a_table(home: TestHome, serve: Serve) -> None:
    home.package("one")
    home.jobrunner("run", "--drain")
    dashboard = serve()
    for span in ("hour", "day", "month"):
        words = dashboard.get(f"/?span={span}").words
        assert f"1 done and 0 failed in the last {span}" in words
        assert " 1 0 0." in words


def test_a_list_is_found_by_each_filter_and_says_so_in_its_address(home: TestHome, serve: Serve) -> None:
    fail(home, "scan-1", "scan-2", "other")
    home.handler("")
    home.package("done")
    home.jobrunner("run", "--drain")
    dashboard = serve()
    for question, found in (
        ("", {"scan-1", "scan-2", "other", "done"}),
        ("state=failed", {"scan-1", "scan-2", "other"}),
        ("state=done&state=queued", {"done"}),
        ("name=scan", {"scan-1", "scan-2"}),
        ("name=*2", {"scan-2"}),
        ("error=sensor+6", {"scan-1", "scan-2"}),
        ("attempts=2", set()),
        ("since=1h&until=1s&name=nothing", set()),
    ):
        page = dashboard.get(f"/packages?{question}")
        assert set(rows(page.text)) == found, question
        assert page.status == 200
    assert dashboard.get("/packages?since=nonsense").status == 400
    assert dashboard.get("/packages?state=odd").status == 400


@pytest.mark.parametrize(
    "question",
    [
        f"attempts={'9' * 400}",
        "attempts=-9223372036854775809",
        "after=1e999,1",
        f"after=1,{'9' * 400}",
        "after=nan,x",
        "since=" + "9" * 400,
        "name=%00",
        "error=%00",
        "name=" + "*a" * 200,
        "name=" + "[" * 400,
        "state=" + "x" * 400,
        "name=%ff%fe",
        "&" * 500,
        "a=1&" * 200,
    ],
)
def test_an_odd_question_is_answered_or_refused(home: TestHome, serve: Serve, question: str) -> None:
    home.package("a" * 200)
    home.jobrunner("run", "--drain")
    dashboard = serve()
    for path in ("/packages", "/api/packages", "/all/rerun"):
        assert dashboard.get(f"{path}?{question}").status in {200, 400}
    assert dashboard.get(f"/packages/{'a' * 200}?attempt={'9' * 6000}&find=%00&{question}").status == 200
    token = dashboard.get(f"/?span=%00&{question}").token
    assert dashboard.post(f"/all/rerun?{question}", {"token": token}).status in {303, 400}


def test_what_no_command_can_be_told_is_refused(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    token = dashboard.get("/").token
    for path, form in (("/pause", {"reason": "a\0b"}), ("/packages/a%00b/accept", {}), ("/packages/a%00b/retry", {})):
        assert dashboard.post(path, {"token": token} | form).status in {303, 400, 404}
    assert home.status()["paused"] is None


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_follow_each_other_without_a_gap(home: TestHome, serve: Serve, order: str) -> None:
    with closing(home.open().store) as store, store.write():
        for number in range(137):  # many at the same moment
            store.queue.enqueue([f"p{number:03}"], 1000.0 + number // 60)
    dashboard, seen, path = serve(), list[str](), f"/packages?order={order}"
    while path:
        page = dashboard.get(path)
        seen += rows(page.text)
        _, _, rest = page.text.partition('<a rel="next" href="')
        path = rest.partition('"')[0].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 137
    assert seen == sorted(seen, reverse=order == "newest")


def test_all_that_fits_is_changed_after_a_second_look(home: TestHome, serve: Serve) -> None:
    fail(home, "scan-1", "scan-2", "other")
    dashboard = serve()
    look = dashboard.get("/all/retry?state=failed&name=scan")
    assert "Retry 2 packages" in look.words
    assert home.counts()["failed"] == 3
    after = dashboard.press("/all/retry?state=failed&name=scan", "/all/retry?state=failed&name=scan")
    assert "2 packages queued again." in after.words
    assert (home.counts()["queued"], home.counts()["failed"]) == (2, 1)
    none = dashboard.get("/all/retry?state=done")
    assert "There is none to which that can be done." in none.words


def test_each_button_of_a_package_is_its_command(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    for name in ("a", "b"):
        home.package(name)
    home.jobrunner("scan")
    assert "1 package is claimed next." in dashboard.press("/packages/b", "/packages/b/front").words
    assert "a is cancelled" in dashboard.press("/packages/a", "/packages/a/cancel").words
    assert "1 package queued again." in dashboard.press("/packages/a", "/packages/a/retry").words
    home.jobrunner("run", "--drain")
    assert "a~2" in dashboard.press("/packages/a", "/packages/a/rerun").words
    home.package("b")
    assert "Accept" in dashboard.get("/packages/b").words or "Accept" in dashboard.get("/packages/inbox%2Fb").words
    home.jobrunner("run", "--drain")
    assert sorted(os.listdir(home.archive)) == ["a", "a~2", "b"]


def test_a_package_has_its_story_log_and_files(home: TestHome, serve: Serve) -> None:
    home.handler("print('first line')\nprint('<b>second</b> \x1b[31mred')\n")
    home.package("one")
    home.jobrunner("run", "--drain")
    page = serve().get("/packages/one")
    assert " one done 20" in page.words
    assert "first line" in page.text
    assert "&lt;b&gt;second&lt;/b&gt; red" in page.text
    assert "data.txt 3 B" in page.words
    digest = hashlib.sha256((home.archive / "one" / "one.zip").read_bytes()).hexdigest()
    assert f"Receipt Zip one.zip, 119 B SHA-256 {digest} Delivered 1 file" in page.words
    assert "waited" in page.words
    assert '<rect class="handler"' in page.text


def test_a_log_is_searched(home: TestHome, serve: Serve) -> None:
    home.handler("for n in range(1000): print(f'line {n}')\n")
    home.package("one")
    home.jobrunner("run", "--drain")
    page = serve().get("/packages/one?find=LINE+77")
    assert [line for line in page.text.splitlines() if "line " in line and "<" not in line.replace("<pre", "")] != []
    assert "line 770" in page.text
    assert "line 500" not in page.text


def test_what_is_only_looked_for_is_explained(home: TestHome, serve: Serve) -> None:
    (home.inbox / "late-downloading").mkdir()
    dashboard = serve()
    unknown = dashboard.get("/packages/nowhere")
    assert (unknown.status, "Nothing is known of nowhere." in unknown.words) == (404, True)
    late = dashboard.get("/packages/late-downloading")
    assert (late.status, "received" in late.words) == (200, True)


def test_times_in_an_answer_are_the_browsers_to_show(home: TestHome, serve: Serve) -> None:
    home.handler(FAILS, retry="max_attempts = 2\nbackoff = '1h'")
    home.package("later")
    home.start("run", "-n", "1")
    wait_until(lambda: home.counts()["waiting"] == 1)
    dashboard = serve()
    assert re.search(
        r"later waits for its next try, in [^<]*, at <time datetime=", dashboard.get("/packages/later").text
    )
    (home.inbox / "half").mkdir()
    assert re.search(r"It changed last <time datetime=", dashboard.get("/packages/half").text)


def test_names_errors_and_logs_are_shown_and_never_obeyed(home: TestHome, serve: Serve) -> None:
    name = EVIL.replace("/", "")
    source = f"import os, sys\nos.write(1, {os.fsencode(EVIL)!r})\nos.write(1, {os.fsencode(EVIL)!r})\nsys.exit(65)\n"
    home.handler(source, retry="max_attempts = 1")
    home.package(name)
    home.jobrunner("run", "--drain")
    dashboard = serve()
    for path in ("/", "/packages", f"/packages/{quote(shown(name), safe='')}", "/all/retry?state=failed"):
        page = dashboard.get(path)
        assert page.status == 200, path
        assert "<img" not in page.text
        assert not {"\x1b", "\u202e"} & set(page.text)
        assert "{{7*7}}" in page.text or "7*7" not in page.text


def test_a_database_that_is_gone_is_said_and_comes_back(home: TestHome, serve: Serve) -> None:
    home.package("one")
    home.jobrunner("scan")
    dashboard = serve()
    assert dashboard.get("/").status == 200
    database = home.path / "jobrunner.db"
    kept = {path: path.read_bytes() for path in home.path.glob("jobrunner.db*")}
    database.write_bytes(b"not a database" * 1000)
    assert dashboard.get("/").status in {200, 503}
    for path, data in kept.items():
        path.write_bytes(data)
    wait_until(lambda: dashboard.get("/").status == 200)


def events(dashboard: Dashboard, path: str) -> Iterator[tuple[str, Any]]:
    """What the server tells an open page."""
    connection = dashboard.connect()
    connection.request("GET", f"/live{path}")
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    kind = ""
    while line := response.readline().decode():
        if line.startswith("event: "):
            kind = line[7:].strip()
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])
    connection.close()


def test_an_open_page_is_told_what_has_changed_and_nothing_else(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    told = events(dashboard, "/packages?state=queued")
    assert next(told)[1].keys() == {"form", "list"}
    home.package("one")
    home.jobrunner("scan")
    kind, parts = next(told)
    assert (kind, parts.keys()) == ("parts", {"list"})
    assert "one" in parts["list"]


def test_progress_is_told_while_it_is_made(home: TestHome, serve: Serve) -> None:
    says = "open(os.environ['JOBRUNNER_PROGRESS'], 'w').write(f'{n}/4 aligning')"
    home.handler(PRELUDE + f"for n in (1, 2):\n    {says}\n    wait_for(f'go-{{n}}')\n")
    home.start("run", "-n", "1")
    home.package("one")
    dashboard = serve()
    wait_until(lambda: "aligning, 25%" in dashboard.get("/packages/one").words)
    told = events(dashboard, "/packages/one")
    next(told)
    (home.path / "go-1").touch()
    for _, parts in told:
        if "50%" in parts.get("facts", ""):
            break
    (home.path / "go-2").touch()


def test_a_file_is_shown_in_a_sandbox_or_downloaded(home: TestHome, serve: Serve) -> None:
    home.configure("[web]\nfiles = true\n")
    home.package("one", {"a.html": "<script>alert(1)</script>", "b.txt": "<b>", "c d#.png": "png", "deep/e.csv": "1"})
    home.jobrunner("run", "--drain")
    dashboard = serve()
    for path, kind, how in (
        ("a.html", "application/octet-stream", "attachment"),
        ("b.txt", "text/plain; charset=utf-8", "inline"),
        ("c%20d%23.png", "image/png", "inline"),
        ("deep/e.csv", "text/plain; charset=utf-8", "inline"),
        ("one.zip", "application/octet-stream", "attachment"),
    ):
        connection = dashboard.connect()
        connection.request("GET", f"/packages/one/files/{path}")
        answer = connection.getresponse()
        assert answer.status == 200, path
        assert (answer.headers["content-type"], answer.headers["content-disposition"]) == (kind, how)
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.read()) == int(answer.headers["content-length"])
    assert 'href="/packages/one/files/c%20d%23.png"' in dashboard.get("/packages/one").text


@pytest.mark.parametrize(
    "path",
    [
        "../../jobrunner.toml",
        "..%2f..%2fjobrunner.toml",
        "link",
        "folder/../b.txt",
        "/etc/passwd",
        "%2fetc/passwd",
        "",
        ".",
        "out/passwd",
        "fifo",
        "b.txt/x",
        "%00",
        "b.txt%00",
    ],
)
def test_no_path_leads_out_of_a_package(home: TestHome, serve: Serve, path: str) -> None:
    home.configure("[web]\nfiles = true\n")
    home.package("one", {"b.txt": "1", "folder/c.txt": "1"})
    home.jobrunner("run", "--drain")
    (home.archive / "one" / "link").symlink_to("/etc/passwd")
    (home.archive / "one" / "out").symlink_to("/etc")
    os.mkfifo(home.archive / "one" / "fifo")
    answer = serve().get(f"/packages/one/files/{path}")
    assert answer.status in {404, 307}
    assert "root:" not in answer.text


def test_files_are_closed_unless_they_are_opened(home: TestHome, serve: Serve) -> None:
    home.package("one")
    home.jobrunner("run", "--drain")
    dashboard = serve()
    assert dashboard.get("/packages/one/files/data.txt").status == 404
    assert "/files/" not in dashboard.get("/packages/one").text


def test_programs_get_the_documents_of_json(home: TestHome, serve: Serve) -> None:
    fail(home, "one", "two")
    dashboard = serve()
    assert dashboard.get("/api/packages/one").document == home.asked("show", "--json", "one")
    listed = dashboard.get("/api/packages?state=failed&name=two").document
    assert listed == home.asked("list", "--json", "--name", "two")
    ours, theirs = dashboard.get("/api/status").document, home.asked("status", "--json")
    assert ours.keys() == theirs.keys()
    assert ours["failures"] == theirs["failures"] | {"since": ours["failures"]["since"]}
    assert dashboard.get("/api/packages/nope").status == 404
    assert dashboard.get("/api/packages?since=odd").status == 400
    text = dashboard.get("/metrics").text
    assert [line.split(" ")[0] for line in text.splitlines()] == [
        line.split(" ")[0] for line in home.jobrunner("metrics").stdout.splitlines()
    ]


def test_programs_are_refused_in_one_line_which_is_a_document_below_api(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    refused = {
        404: [dashboard.get("/api/nope"), dashboard.get("/api/packages/nope"), dashboard.get("/api/packages/a/b")],
        405: [dashboard.post("/api/status", {})],
        403: [dashboard.post("/api/status", {}, Origin="http://evil.example")],
        400: [dashboard.get("/api/packages?since=odd"), dashboard.get("/api/packages?" + "a=1&" * 200)],
        421: [dashboard.get("/api/status", Host="evil.example")],
        414: [dashboard.get("/api/status?" + "x" * 10_000)],
    }
    for file in home.path.glob("jobrunner.db*"):
        file.write_bytes(b"not a database" * 1000)
    refused[503] = [dashboard.get(f"/api/{path}") for path in ("status", "packages", "packages/one")]
    for status, answers in refused.items():
        for answer in answers:
            assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
            assert list(answer.document) == ["error"]
            assert "\n" not in answer.document["error"].strip()
            assert answer.document["error"]
    for path in ("/metrics", "/healthz", "/live/"):
        answer = dashboard.get(path)
        assert (answer.status, answer.text.count("\n")) == (503, 1), path
        assert answer.headers["content-type"].startswith("text/plain")


def test_healthz_says_whether_anybody_works_and_not_too_late(home: TestHome, serve: Serve) -> None:
    home.configure("[notify]\nbacklog = '1s'\n")
    dashboard = serve()
    assert dashboard.get("/healthz").text == "nobody works here: no jobrunner run or work is running\n"
    home.start("work", "-n", "1")
    wait_until(lambda: dashboard.get("/healthz").status == 200)
    home.jobrunner("pause")
    home.package("one")
    home.jobrunner("scan")
    wait_until(lambda: dashboard.get("/healthz").status == 503)
    assert "a package has been in the queue for" in dashboard.get("/healthz").text


def test_many_open_pages_are_made_once(home: TestHome, serve: Serve) -> None:
    dashboard = serve()
    opened = [events(dashboard, "/") for _ in range(100)]
    for told in opened:
        next(told)
    began = _processor(dashboard.process.pid)
    home.package("one")
    home.jobrunner("scan")
    for told in opened:
        assert any("counts" in parts for _, parts in told)
    assert _processor(dashboard.process.pid) - began < 5.0


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_reading_goes_on_beside_what_is_pressed(home: TestHome, serve: Serve) -> None:
    with closing(home.open().store) as store, store.write():
        store.queue.enqueue([f"p{number:04}" for number in range(100)], time.time())
    dashboard = serve()
    token = dashboard.get("/all/cancel?state=queued").token
    pressing = threading.Thread(target=dashboard.post, args=("/all/cancel?state=queued", {"token": token}))
    pressing.start()
    while pressing.is_alive():
        assert dashboard.get("/").status == 200
    pressing.join(PATIENCE)
    assert home.counts()["queued"] < 100


def test_a_broken_zip_in_the_list_is_no_obstacle(home: TestHome, serve: Serve) -> None:
    arriving = home.path / ".arriving"
    arriving.mkdir()
    (arriving / "bad.zip").write_bytes(BROKEN_ZIP)
    arriving.rename(home.inbox / "bad")
    home.jobrunner("run", "--drain")
    assert "bad" in serve().get("/packages").words


def test_whoever_presses_is_named_at_what_was_changed(home: TestHome, serve: Serve) -> None:
    fail(home, "one")
    after = serve().press("/packages/one", "/packages/one/retry")
    assert "Changed retry by local (dashboard), " in after.words
    [change] = home.show("one")["changes"]
    assert change["who"] == "local (dashboard)"
