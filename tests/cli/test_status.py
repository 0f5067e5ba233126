"""`jobrunner status`: how things stand, for people and for programs."""

import json
import os
import re
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.support import TestHome, kill, wait_until
from tests.terminal import Terminal

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
    assert document["disk"].keys() == {"database", "logs", "work"}
    for taken in document["disk"].values():
        assert taken.keys() == {"bytes", "is_all", "free"}


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


def test_the_json_says_who_works_what_is_done_and_what_failed_why(busy: TestHome) -> None:
    document = busy.status()
    (runner,) = document["runners"]
    assert (runner["command"], runner["workers"], runner["alive"], runner["deaths"]) == ("run", 1, 1, None)
    assert runner["pid"] == busy.started[0].pid
    assert moment(runner["started_at"]) <= moment(document["running"][0]["started_at"])
    assert document["running"][0]["step"] == "handler"
    assert (document["interrupted"], document["oldest"], document["seconds_left"]) == ([], None, None)
    failures = document["failures"]
    (reason,) = failures["reasons"]
    assert (failures["count"], failures["cancelled"], reason["count"], reason["newest"]) == (1, 0, 1, "bad")
    assert reason["reason"] == document["failed"][0]["error"]
    assert reason["newest_at"] == document["failed"][0]["failed_at"]
    holds = {name: entry["holds"] for name, entry in named(document["incomplete"]).items()}
    assert [(each["files"], each["bytes"], each["is_all"]) for each in holds.values()] == [
        *[(0, 0, True)] * (len(holds) - 1),
        (1, 2, True),
    ]
    held = [entry["holds"] for entry in document["duplicates"]]
    assert [each["files"] for each in held] == [1, 1]
    assert all(moment(each["changed_at"]) for each in (*holds.values(), *held))


def test_the_text_of_a_busy_home_says_all_of_it(busy: TestHome) -> None:
    result = busy.jobrunner("status")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("working   1 worker and the scanner since ")
    assert lines[0].endswith(f"pid {busy.started[0].pid}")
    assert lines[1] == "packages  0 queued  1 waiting  1 running  2 done  1 failed"
    assert lines[2] == "pace      2 done in the last hour, 2 in the last minute"

    def line(name: str, after: str) -> str:
        below = lines[next(number for number, text in enumerate(lines) if text.startswith(after)) :]
        return next(text for text in below if name in text)

    assert re.fullmatch(r"  slow  handler  for \d+ s  worker \d+", line("slow", "Running (1)"))
    assert re.match(r"  later  in (59 min \d+ s|1 h): the handler asked", line("later", "Waiting for another try (1)"))
    assert re.match(r"  1x .*65.*  \(bad, \d\d:\d\d:\d\d\)", line("bad", "Failed in the last day (1)"))
    assert re.fullmatch(r"  done-1  for \d+ s \(1 file, \d+ B\)", line("done-1", "Duplicates (2)"))
    assert line("slow", "Duplicates (2)")
    assert re.search(r"for \d+ s: still being received$", line("coming-downloading", "Incomplete deliveries (3)"))
    assert "not a folder" in line("loose.zip", "Incomplete")
    assert "(1 file, 2 B)" in line("loose.zip", "Incomplete")
    assert "jobrunner retry" in result.stdout
    assert max(map(len, lines)) < 160
    assert not [text for text in lines if text != text.rstrip()]


def test_all_of_it_fits_the_screen_of_a_small_terminal(busy: TestHome) -> None:
    for number in range(40):
        (busy.inbox / f"part-{number}-downloading").mkdir()
    said = on_a_terminal(busy, "status", COLUMNS="80", LINES="24", NO_COLOR="1")
    lines = said.replace("\r", "").splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    titles = ("Running (1)", "Waiting for", "Failed in", "Incomplete deliveries (43)", "Duplicates (2)")
    assert [title for title in titles if any(line.startswith(title) for line in lines)] == list(titles)
    assert "more: jobrunner status --json" in said


def test_where_nothing_is_it_says_how_to_start(home: TestHome) -> None:
    *lines, disk = home.jobrunner("status").stdout.splitlines()
    assert re.fullmatch(r"disk      database \S+ KiB, logs 0 B, work \S+ \w+; \S+ \w+ free", disk)
    assert lines == [
        "Nothing is running: jobrunner run -n 3",
        "packages  0 queued  0 waiting  0 running  0 done  0 failed",
        "pace      0 done in the last hour, 0 in the last minute",
    ]
    document = home.status()
    assert [document[key] for key in ("runners", "interrupted", "oldest", "seconds_left")] == [[], [], None, None]


def test_what_a_killed_tree_left_is_not_running(busy: TestHome) -> None:
    worker = busy.status()["running"][0]["worker_pid"]
    busy.started[0].kill()
    busy.started[0].wait()
    wait_until(lambda: not busy.status()["running"])
    document = busy.status()
    assert document["runners"] == []
    (left,) = document["interrupted"]
    assert (left["name"], left["attempt"], left["worker_pid"]) == ("slow", 1, worker)
    assert document["counts"] == {**ZERO, "waiting": 1, "running": 1, "done": 2, "failed": 1}
    text = busy.jobrunner("status").stdout
    assert text.startswith("Nothing is running: jobrunner run -n 3\n")
    assert "0 running  2 done  1 failed  1 interrupted\n" in text
    assert "Left by dead workers (1)  queued again at the next start\n" in text
    assert f"  slow  attempt 1, by worker {worker}, which is dead\n" in text
    assert "Running" not in text
    busy.start("work", "-n", "1")
    wait_until(lambda: [entry["attempt"] for entry in busy.status()["running"]] == [2])
    after = busy.status()
    assert (after["interrupted"], [runner["command"] for runner in after["runners"]]) == ([], ["work"])
    assert len(busy.open().store.runners.all()) == 1, "the row of the dead one is removed"


def test_what_has_ended_by_itself_is_not_running(home: TestHome) -> None:
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert home.status()["runners"] == []
    assert home.open().store.runners.all() == []


def test_a_worker_that_died_and_was_replaced_is_told(busy: TestHome) -> None:
    worker = busy.status()["running"][0]["worker_pid"]
    kill(worker)
    wait_until(lambda: busy.status()["runners"][0]["deaths"])
    (runner,) = busy.status()["runners"]
    assert runner["deaths"]["count"] == 1
    assert runner["deaths"]["newest"] == f"worker {worker} was killed by signal 9 (Killed)"
    assert moment(runner["deaths"]["newest_at"]) == moment(runner["deaths"]["since"])
    wait_until(lambda: busy.status()["runners"][0]["alive"] == 1)
    second = busy.jobrunner("status").stdout.splitlines()[1]
    assert second.startswith("dying     1 since ")
    assert second.endswith(f" s ago: worker {worker} was killed by signal 9 (Killed)")


def test_a_scanner_alone_processes_nothing_and_workers_alone_scan_nothing(home: TestHome) -> None:
    scanner = home.start("scan", "--watch")
    wait_until(lambda: home.status()["runners"])
    (runner,) = home.status()["runners"]
    assert (runner["command"], runner["pid"], runner["workers"], runner["alive"]) == ("scan", scanner.pid, 0, 0)
    lines = home.jobrunner("status").stdout.splitlines()
    assert lines[0].startswith("scanning  since ")
    assert lines[1] == "No worker is running: jobrunner work -n 3"
    scanner.terminate()
    assert scanner.wait() == 143
    home.start("work", "-n", "2")
    wait_until(lambda: [runner["alive"] for runner in home.status()["runners"]] == [2])
    lines = home.jobrunner("status").stdout.splitlines()
    assert lines[0].startswith("working   2 workers since ")
    assert "No scanner is running" in lines[1]


SENSORS = """\
import os, sys
name = os.environ["JOBRUNNER_PACKAGE"]
sys.exit(f"ValueError: cannot calibrate sensor {name[-1]}" if name.startswith("odd") else 65)
"""


def test_what_fails_alike_is_one_reason_though_it_names_each_package(home: TestHome) -> None:
    home.handler("import os; os.unlink(os.environ['JOBRUNNER_ZIP'])")
    for name in ("alpha", "a name", "größer\n"):
        home.package(name)
    assert home.jobrunner("run", "--drain").returncode == 1
    (reason,) = home.status()["failures"]["reasons"]
    assert (reason["reason"], reason["count"]) == (
        "the handler removed NAME.zip, the sender's zip: all that it may change is its data folder",
        3,
    )


def test_failures_are_told_by_their_reasons_and_cancelled_ones_apart(home: TestHome) -> None:
    home.handler(SENSORS, retry="max_attempts = 1")
    for name in ("odd-1", "odd-2", "odd-3", "bad-1", "unwanted"):
        home.package(name)
    home.jobrunner("scan")
    assert home.jobrunner("cancel", "unwanted").returncode == 0
    assert home.jobrunner("run", "--drain").returncode == 1
    failures = home.status()["failures"]
    reasons = {each["reason"]: (each["count"], each["newest"]) for each in failures["reasons"]}
    assert reasons == {
        "exit status 1: ValueError: cannot calibrate sensor N": (3, "odd-3"),
        "the handler rejected the data (exit status 65)": (1, "bad-1"),
    }
    assert (failures["count"], failures["cancelled"]) == (4, 1)
    lines = home.jobrunner("status").stdout.splitlines()
    number = next(number for number, line in enumerate(lines) if line.startswith("Failed in the last day (4)"))
    assert "and 1 cancelled" in lines[number]
    assert lines[number + 1].startswith("  3x exit status 1: ValueError: cannot calibrate sensor N  (odd-3, ")
    assert lines[number + 2].startswith("  1x the handler rejected the data (exit status 65)  (bad-1, ")


def test_how_far_an_extraction_is_stands_beside_its_step(busy: TestHome) -> None:
    (folder,) = busy.work.glob("*-1/data-1")
    (folder.parent / "progress-1").write_text("1000/4000 extracting")
    (running,) = busy.status()["running"]
    assert (running["step"], running["extracted"]) == ("extracting", {"bytes": 1000, "of": 4000})
    assert "  slow  extracting, 25%  for " in busy.jobrunner("status").stdout


def test_the_oldest_in_the_queue_and_the_time_that_it_takes_are_told(home: TestHome) -> None:
    home.handler("import os\nif os.environ['JOBRUNNER_PACKAGE'] == 'p-12': open('gate').read()")
    os.mkfifo(home.path / "gate")
    for number in range(15):
        home.package(f"p-{number:02}")
    home.jobrunner("scan")
    first = home.status()
    assert (first["oldest"]["name"], first["seconds_left"]) == ("p-00", None)
    assert moment(first["oldest"]["queued_at"])
    home.start("work", "-n", "1")
    wait_until(lambda: [entry["name"] for entry in home.status()["running"]] == ["p-12"])
    second = home.status()
    assert second["oldest"]["name"] == "p-13"
    assert 0 <= second["seconds_left"] < 600
    text = home.jobrunner("status").stdout
    assert re.search(
        r"^pace      12 done in the last hour.*; the queue takes (about \d+ (s|min)|under 1 s)$", text, re.M
    )
    assert re.search(r"^oldest    p-13 has been in the queue for \d+ s$", text, re.M)


def test_a_trouble_of_the_machine_is_said_before_the_counts(home: TestHome) -> None:
    home.configure('[extract]\nkeep_free = "90000 GiB"\n')
    home.package("p")
    home.start("run", "-n", "1")
    wait_until(lambda: home.counts()["queued"] and home.status()["runners"][0]["alive"])
    document = home.status()
    (trouble,) = document["troubles"]
    assert "has less than 90000 GiB free" in trouble
    assert document["seconds_left"] is None
    lines = home.jobrunner("status").stdout.splitlines()
    assert lines[0].startswith("working   1 worker and the scanner")
    assert lines[1] == f"trouble   {trouble}"
    assert lines[2].endswith("What waits for this goes on by itself once it is mended.")
    assert lines[3].startswith("packages  1 queued")


def test_what_is_new_is_listed_until_it_is_scanned(home: TestHome) -> None:
    home.package("p")
    (new,) = home.status()["new"]
    assert (new["name"], new["holds"]["files"]) == ("p", 1)
    assert re.search(
        r"New, not scanned yet \(1\).*\n  p  for \d+ s \(1 file, \d+ B\)\n", home.jobrunner("status").stdout
    )
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


def test_what_is_watched_is_drawn_again_until_ctrl_c(home: TestHome) -> None:
    with Terminal([*home.program, "--home", str(home.path), "status", "--watch"]) as terminal:
        wait_until(lambda: "0 queued" in terminal.shown())
        home.package("p")
        home.jobrunner("scan")
        wait_until(lambda: "1 queued" in terminal.shown())
        assert terminal.printed.startswith("\x1b[?1049h")
        terminal.resize(lines=2, columns=40)
        wait_until(lambda: terminal.shown().count("\n") < 3)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.printed.endswith("\x1b[?25h\x1b[?1049l")


def test_what_is_watched_is_left_and_taken_up_again(home: TestHome) -> None:
    with Terminal([*home.program, "--home", str(home.path), "status", "--watch"]) as terminal:
        wait_until(lambda: "0 queued" in terminal.shown())
        terminal.signal(signal.SIGTSTP)
        wait_until(terminal.is_stopped)
        assert terminal.shown().endswith("\x1b[?25h\x1b[?1049l")
        terminal.signal(signal.SIGCONT)
        wait_until(lambda: "0 queued" in terminal.printed.rpartition("\x1b[?1049h")[2] and terminal.shown())
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 143


def test_only_a_terminal_can_be_watched(home: TestHome) -> None:
    assert "wants a terminal" in complaint(home.jobrunner("status", "--watch"))
    assert "ask for one of them" in complaint(home.jobrunner("status", "--watch", "--json"))
