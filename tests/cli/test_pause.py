"""`jobrunner pause` and `resume`: workers end what they do and claim nothing, until somebody says so, or a time."""

import re
import time
from contextlib import closing

import pytest

from jobrunner.domain.explanation import Kind, OfJob
from jobrunner.wiring.steering import pausing
from tests.cli.test_live import on_terminal, wait_for_lines
from tests.messages import complaint
from tests.scripts import PRELUDE, journal
from tests.support import TestHome, wait_until

WAITING = PRELUDE + "start()\nwait_for('go')\n"


@pytest.fixture
def queued(home: TestHome) -> TestHome:
    """A home in which p and q are queued."""
    for name in ("p", "q"):
        home.package(name)
    with closing(home.open().store) as store, store.write():
        store.queue.enqueue(["p", "q"], time.time())
    return home


def pause(home: TestHome, until: float | None = None, reason: str | None = None) -> None:
    opened = home.open()
    with closing(opened.store):
        pausing(opened).pause(until, reason)


def resume(home: TestHome) -> None:
    opened = home.open()
    with closing(opened.store):
        pausing(opened).resume()


def test_what_runs_ends_and_nothing_is_claimed_until_the_resume(home: TestHome) -> None:
    home.handler(WAITING)
    home.package("p")
    events = home.path / "events"
    with events.open("w") as file:
        home.start("run", "-n", "2", stderr=file)
    wait_until(lambda: journal(home.path, "start"))
    result = home.jobrunner("pause", "--reason", "the night")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Paused until jobrunner resume: nothing is claimed.",
        "1 package that runs ends as usual.",
    ]
    home.package("q")
    (home.path / "go").touch()
    wait_until(lambda: home.counts()["done"] == 1 and home.counts()["queued"] == 1)
    assert home.explain("q").kind is Kind.PAUSED
    assert [note.package for note in journal(home.path, "start")] == ["p"]
    wait_until(lambda: "paused" in events.read_text())
    result = home.jobrunner("resume")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(r"Resumed: it was paused since \d\d:\d\d:\d\d: the night\.\n", result.stdout)
    wait_until(lambda: home.counts()["done"] == 2 and "resumed" in events.read_text())
    said = [line.split("  ", 1)[1] for line in events.read_text().splitlines()]
    [paused] = [line for line in said if line.startswith("paused")]
    assert re.fullmatch(r"paused     since \S+: the night; running jobs end, nothing is claimed", paused)
    [resumed] = [line for line in said if line.startswith("resumed")]
    assert resumed == "resumed    the pause is over: the work goes on"
    assert said.index(paused) < said.index(resumed)
    assert home.jobrunner("resume").stdout == "It is not paused.\n"


def test_a_drain_in_a_paused_home_says_so_and_ends_with_one(queued: TestHome) -> None:
    queued.package("r")
    pause(queued, reason="the night")
    for words, left in ((("work", "-n", "2"), 2), (("run",), 3)):
        result = queued.jobrunner(*words, "--drain")
        assert result.returncode == 1
        [line] = [line for line in result.stderr.splitlines() if "  held  " in line]
        assert re.search(rf"  held       paused since \S+: the night; {left} packages left: jobrunner resume$", line)
    assert queued.counts()["queued"] == 3
    resume(queued)
    assert queued.jobrunner("work", "--drain").returncode == 0
    pause(queued)
    assert queued.jobrunner("work", "--drain").returncode == 0, "nothing is left"


def test_a_drain_that_is_paused_ends_when_what_runs_has_ended(home: TestHome) -> None:
    home.handler(WAITING)
    for name in ("p", "q"):
        home.package(name)
    runner = home.start("run", "-n", "1", "--drain")
    wait_until(lambda: journal(home.path, "start"))
    pause(home)
    (home.path / "go").touch()
    assert runner.wait() == 1
    assert "; 1 package left: jobrunner resume" in runner.communicate()[1]
    assert home.counts()["done"] == 1


def test_a_drain_waits_for_a_pause_that_ends_by_itself(queued: TestHome) -> None:
    pause(queued, until=time.time() + 3600)
    runner = queued.start("work", "-n", "1", "--drain")
    wait_until(lambda: queued.status()["runners"])
    assert queued.counts()["queued"] == 2
    pause(queued, until=time.time() + 0.1)
    assert runner.wait() == 0
    said = runner.communicate()[1]
    assert re.search(r"  paused     since \S+, until .*\n", said)
    assert "  resumed    " in said
    assert queued.counts()["done"] == 2


def test_a_pause_is_shown_wherever_somebody_looks(queued: TestHome) -> None:
    result = queued.jobrunner("pause", "--until", "tomorrow 06:00", "--reason", "disk\x1b[2J is \udcff changed")
    assert re.fullmatch(
        r"Paused until \d{4}-\d\d-\d\d 06:00, or until jobrunner resume: nothing is claimed\.\n",
        result.stdout,
    )
    reason = r"disk\x1b[2J is \xff changed"
    head = queued.jobrunner("status").stdout.splitlines()[0]
    assert re.fullmatch(
        rf"Paused since \d\d:\d\d:\d\d, until \d{{4}}-\d\d-\d\d 06:00: {re.escape(reason)}\. jobrunner resume", head
    ), head
    status = queued.status()
    assert status["paused"]["reason"] == reason
    assert status["paused"]["since"] < status["paused"]["until"]
    assert status["seconds_left"] is None
    said = queued.jobrunner("explain", "q").stdout.splitlines()
    assert said[0] == "q is queued, but jobrunner is paused."
    assert any(re.match(r"  Paused since .* changed\.", line) for line in said)
    assert "    jobrunner resume" in said
    found = queued.explain("q")
    assert isinstance(found, OfJob)
    assert (found.kind, found.ahead) == (Kind.PAUSED, 1)
    assert queued.asked("explain", "--json", "q")["at_work"]["paused"] == status["paused"]


def test_the_lines_of_workers_without_a_package_say_that_they_pause(home: TestHome) -> None:
    with on_terminal(home, "work", "-n", "2") as terminal:
        wait_for_lines(terminal, "idle", times=2)
        pause(home)
        wait_for_lines(terminal, "  idle, paused", times=2)
        resume(home)
        wait_for_lines(terminal, "resumed")
        assert wait_for_lines(terminal, "  idle", times=2)[-1].endswith("idle")


def test_a_pause_can_be_said_in_time_only_for_what_is_to_come(home: TestHome) -> None:
    for until in ("yesterday", "0s", "soon"):
        assert "--until is" in complaint(home.jobrunner("pause", "--until", until))
    assert "--reason has 201 characters" in complaint(home.jobrunner("pause", "--reason", "x" * 201))
    assert home.status()["paused"] is None


def test_a_queued_package_is_cancelled_in_a_pause(queued: TestHome) -> None:
    pause(queued)
    assert queued.jobrunner("cancel", "p").returncode == 0
    assert queued.counts() == {"queued": 1, "waiting": 0, "running": 0, "done": 0, "failed": 1}
