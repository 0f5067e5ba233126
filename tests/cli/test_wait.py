"""`jobrunner wait`: returns when packages are done or have failed, and its exit status says how."""

import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from jobrunner.wiring.steering import pausing
from tests.messages import complaint
from tests.support import TestHome, wait_until
from tests.terminal import Terminal

#: Ends as its package is named; those that are not told how wait for a file "go".
AS_NAMED = """\
import os, pathlib, threading
name = os.environ["JOBRUNNER_PACKAGE"].split("-")[0]
while name == "slow" and not pathlib.Path("go").exists():
    threading.Event().wait(0.01)
raise SystemExit({"bad": 65, "later": 75}.get(name, 0))
"""


def test_of_what_has_ended_already_it_says_how(home: TestHome) -> None:
    home.handler(AS_NAMED)
    for name in ("good", "bad-1", "bad-2", "stopped"):
        home.package(name)
    home.jobrunner("scan")
    home.jobrunner("cancel", "stopped")
    home.jobrunner("work", "--drain")
    home.package("new")
    result = home.jobrunner("wait", "good")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert home.jobrunner("wait", "--all").returncode == 0, "what had failed before is not waited for"
    result = home.jobrunner("wait", "good", "bad-2", "new", "stopped", "bad-2", "gone")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "jobrunner: new lies in the inbox, but is not queued yet: jobrunner explain new",
        "jobrunner: no package named gone is known: jobrunner explain gone looks for it",
        "jobrunner: bad-2 has failed: the handler rejected the data (exit status 65)",
        "jobrunner: stopped was cancelled",
    ]


def test_names_or_all_and_a_duration_are_wanted(home: TestHome) -> None:
    for words in ([], ["good", "--all"]):
        assert "name the packages that are waited for, or say --all" in complaint(home.jobrunner("wait", *words))
    said = complaint(home.jobrunner("wait", "--all", "--timeout", "soon"))
    assert "--timeout is 'soon', but must be a duration" in said


@pytest.fixture
def slow(home: TestHome) -> TestHome:
    """A home in which slow-1 runs until there is a file "go", and slow-2 and bad are queued behind it."""
    home.handler(AS_NAMED)
    home.package("slow-1")
    home.start("run", "-n", "1")
    wait_until((home.logs / "slow-1" / "1.log").exists)
    for name in ("slow-2", "bad"):
        home.package(name)
    wait_until(lambda: home.counts()["queued"] == 2)
    return home


def test_it_returns_when_all_that_was_named_has_ended(slow: TestHome) -> None:
    good, some, everything = (slow.start("wait", *words) for words in (["slow-2"], ["slow-1", "bad"], ["--all"]))
    for waiting in (good, some, everything):
        wait_until(partial(waits, waiting.pid))
        assert waiting.poll() is None
    (slow.path / "go").touch()
    assert (good.wait(), good.communicate()[1]) == (0, "")
    failed = "jobrunner: bad has failed: the handler rejected the data (exit status 65)\n"
    assert (some.wait(), some.communicate()[1]) == (1, failed)
    assert (everything.wait(), everything.communicate()[1]) == (1, failed)


def test_when_the_time_is_over_it_says_what_is_open(slow: TestHome) -> None:
    over = "jobrunner: the time is over: "
    assert complaint(slow.jobrunner("wait", "slow-1", "bad", "--timeout", "0s"), code=124) == (
        f"{over}slow-1 is running, bad is queued"
    )
    many = [f"many-{number}" for number in range(7)]
    for name in many:
        slow.package(name)
    wait_until(lambda: slow.counts()["queued"] == 9)
    said = complaint(slow.jobrunner("wait", *many, "--timeout", "0.1s"), code=124)
    assert said == f"{over}{', '.join(f'{name} is queued' for name in many[:5])}, and 2 more"
    said = complaint(slow.jobrunner("wait", "--all", "--timeout", "0s"), code=124)
    assert said.startswith(over)
    assert said.endswith(", and 5 more")


def test_signals_end_it_and_ctrl_z_stops_it_for_a_while(slow: TestHome) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        waiting = slow.start("wait", "--all")
        wait_until(partial(waits, waiting.pid))
        waiting.send_signal(number)
        assert waiting.wait() == 128 + number
    with Terminal([*slow.program, "--home", str(slow.path), "wait", "slow-1"]) as terminal:
        wait_until(partial(waits, terminal.pid))
        terminal.type("\x1a")
        wait_until(terminal.is_stopped)
        terminal.signal(signal.SIGCONT)
        (slow.path / "go").touch()
        assert terminal.wait() == 0


def test_in_a_pause_it_waits_for_what_runs_and_for_an_end(slow: TestHome) -> None:
    pause(slow)
    for words in (["bad"], ["slow-2", "bad"]):
        said = complaint(slow.jobrunner("wait", *words), code=1)
        assert said.endswith(f"{len(words)} package{'s' * (len(words) > 1)} left: jobrunner resume")
    waiting = slow.start("wait", "--all")
    wait_until(partial(waits, waiting.pid))
    (slow.path / "go").touch()
    assert waiting.wait() == 1
    assert "; 2 packages left: jobrunner resume\n" in waiting.communicate()[1]
    pause(slow, until=time.time() + 3600)
    waiting = slow.start("wait", "slow-2")
    wait_until(partial(waits, waiting.pid))
    pause(slow, until=time.time() + 0.1)
    assert waiting.wait() == 0
    assert waiting.communicate()[1].endswith("; the wait goes on\n")


def pause(home: TestHome, until: float | None = None) -> None:
    opened = home.open()
    with closing(opened.store):
        pausing(opened).pause(until, None)


def waits(pid: int) -> bool:
    """Say whether a process has got as far as to wait between two looks: it sleeps in poll(2)."""
    return "poll" in Path(f"/proc/{pid}/wchan").read_text()
