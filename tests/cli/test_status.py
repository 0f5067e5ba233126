"""`jobrunner status`: how things stand, for people and for programs."""

import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import TestHome, wait_until

ZERO = {"queued": 0, "waiting": 0, "running": 0, "done": 0, "failed": 0}

#: One handler that ends as its package is named.
AS_NAMED = """\
import os
name = os.environ["JOBRUNNER_PACKAGE"]
if name.startswith("slow"):
    print("begun", flush=True)
    open("gate").read()
raise SystemExit({"bad": 65, "later": 75}.get(name.split("-")[0], 0))
"""


@pytest.fixture
def busy(home: TestHome) -> TestHome:
    """A home with something in every list: one slow job runs, one waits, one failed, two are done."""
    home.handler(AS_NAMED, retry='backoff = "1h"')
    os.mkfifo(home.path / "gate")
    for name in ("bad", "done-1", "done-2", "later"):
        home.package(name)
    home.package("slow")
    home.start("run", "-n", "1")
    wait_until(lambda: (home.logs / "slow" / "1.log").exists() and (home.archive / "done-2").exists())
    wait_until(lambda: (home.failed / "bad").exists() and (home.logs / "later" / "1.log").exists())
    home.package("done-1")  # again
    home.package("slow")  # again, while the first one runs
    (home.inbox / "coming-downloading").mkdir()
    (home.inbox / "loose.zip").write_bytes(b"PK")
    (home.inbox / "empty").mkdir()
    service = home.open()
    wait_until(lambda: service.report.status().counts == {**ZERO, "waiting": 1, "running": 1, "done": 2, "failed": 1})
    return home


def moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    assert when.utcoffset() is not None
    assert abs((datetime.now(UTC) - when).total_seconds()) < 7200
    return when


def named(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in entries}


def test_the_json_of_an_empty_home_has_the_shape_of_the_contract(home: TestHome) -> None:
    result = home.jobrunner("status", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["counts"] == ZERO
    assert [document[key] for key in ("running", "waiting", "failed", "duplicates", "incomplete", "new")] == [[]] * 6
    assert document["throughput"] == {"last_minute": 0, "last_hour": 0}


def test_the_json_of_a_busy_home_says_all_of_it(busy: TestHome) -> None:
    first = busy.status()
    assert first["counts"] == {**ZERO, "waiting": 1, "running": 1, "done": 2, "failed": 1}
    assert first["throughput"] == {"last_minute": 2, "last_hour": 2}
    (running,) = first["running"]
    assert (running["name"], running["attempt"]) == ("slow", 1)
    assert os.path.exists(f"/proc/{running['worker_pid']}")
    moment(running["started_at"])
    assert busy.status()["running"][0]["seconds"] > running["seconds"] >= 0
    (waiting,) = first["waiting"]
    assert waiting["name"] == "later"
    assert moment(waiting["not_before_at"]) > datetime.now(UTC)
    assert waiting["error"]
    (failed,) = first["failed"]
    assert (failed["name"], failed["folder"]) == ("bad", "bad")
    assert "65" in failed["error"]
    moment(failed["failed_at"])
    assert [entry["name"] for entry in first["duplicates"]] == ["done-1", "slow"]
    reasons = {name: entry["reason"] for name, entry in named(first["incomplete"]).items()}
    assert reasons == {
        "coming-downloading": "still being received",
        "loose.zip": "not a folder: a package is a folder NAME with NAME.zip in it",
        "empty": "its zip is not there: its folder is empty",
    }


def test_the_text_of_a_busy_home_says_all_of_it(busy: TestHome) -> None:
    result = busy.jobrunner("status")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].replace("   ", ", ") == "0 queued, 1 waiting, 1 running, 2 done, 1 failed"

    def line(name: str, after: str) -> str:
        below = lines[next(number for number, text in enumerate(lines) if text.startswith(after)) :]
        return next(text for text in below if text.split()[:1] == [name])

    assert " s " in line("slow", "Running")
    assert line("later", "Waiting")
    assert "65" in line("bad", "Failed")
    assert line("done-1", "Duplicates")
    assert line("slow", "Duplicates")
    assert "still being received" in line("coming-downloading", "Incomplete")
    assert "not a folder" in line("loose.zip", "Incomplete")
    assert "jobrunner retry" in result.stdout
    assert max(map(len, lines)) < 160


def test_what_is_new_is_listed_until_it_is_scanned(home: TestHome) -> None:
    home.package("p")
    assert home.status()["new"] == [{"name": "p"}]
    assert "New, not scanned yet" in home.jobrunner("status").stdout
    home.jobrunner("scan")
    after = home.status()
    assert (after["new"], after["duplicates"], after["counts"]["queued"]) == ([], [], 1)


def test_it_changes_nothing_in_the_inbox_and_queues_nothing(home: TestHome) -> None:
    home.package("p")
    for _ in range(2):
        assert home.counts() == ZERO
    assert os.listdir(home.inbox) == ["p"]


def test_a_long_list_is_cut_for_people_and_whole_for_programs(home: TestHome) -> None:
    for number in range(25):
        home.package(f"p{number:02}")
    text = home.jobrunner("status").stdout
    assert "5 more: jobrunner status --json" in text
    assert len(home.status()["new"]) == 25
