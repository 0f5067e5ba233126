"""Nobody polls: whoever sleeps is woken by what happens, in whichever process. Here nobody looks by the clock."""

import os
import signal
import sys
import time
import zipfile
from pathlib import Path

import pytest

from jobrunner.wiring.steering import pausing
from tests.support import TestHome, children_of, kill, wait_until

#: jobrunner as it is, but without what it would see later by itself.
UNTIMED = """
import sys
from jobrunner.cli.main import main
from jobrunner.services import inbox_watch, rounds
from jobrunner.store.bell import Bell
Bell.PATIENCE = rounds._IDLE = inbox_watch._RESCAN = 1e9
del sys.argv[1:3]  # -m jobrunner
main()
"""
SLOW = """
import os, sys
if not os.path.exists("mended"):
    sys.exit(int(open("exits").read()))
"""


@pytest.fixture
def untimed(home: TestHome) -> TestHome:
    """The same home, whose commands that go on never look by the clock."""
    other = TestHome(home.path)
    other.python = (sys.executable, "-c", UNTIMED)
    other.is_warm = False  # it is another program
    return other


def role(pid: int) -> str:
    """What ps shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text("utf-8").rstrip("\0 ")


def idle(supervisor: int) -> bool:
    """Whether the worker of a supervisor has found nothing and sleeps."""
    children = children_of(supervisor)
    return any(role(pid).endswith(": idle") and "State:\tS" in status(pid) for pid in children)


def status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text("ascii")


def test_whatever_makes_a_package_ready_wakes_the_workers_of_another_command(home: TestHome, untimed: TestHome) -> None:
    home.handler(SLOW, retry='backoff = "1h"\nmax_backoff = "1h"')
    (home.path / "exits").write_text("65")
    process = untimed.start("work", "-n", "1")
    try:
        home.package("p")
        wait_until(lambda: idle(process.pid))
        assert home.jobrunner("scan").returncode == 0
        wait_until(lambda: home.counts()["failed"] == 1 and idle(process.pid))
        (home.path / "exits").write_text("1")
        assert home.jobrunner("retry", "p").returncode == 0
        wait_until(lambda: home.counts()["waiting"] == 1 and idle(process.pid))
        assert home.jobrunner("pause").returncode == 0
        (home.path / "mended").touch()
        assert home.jobrunner("front", "p").returncode == 0
        wait_until(lambda: home.counts()["queued"] == 1 and idle(process.pid))
        assert home.jobrunner("resume").returncode == 0
        wait_until(lambda: home.counts()["done"] == 1 and idle(process.pid))
        assert home.jobrunner("rerun", "p").returncode == 0
        wait_until((home.archive / "p~2").exists)
    finally:
        untimed.end_all()


def test_a_wait_and_a_pause_end_by_themselves(home: TestHome, untimed: TestHome) -> None:
    home.handler(SLOW, retry='backoff = "1s"\nmax_backoff = "1s"')
    (home.path / "exits").write_text("75")
    home.package("p")
    process = untimed.start("run", "-n", "1")
    try:
        wait_until(lambda: home.counts()["waiting"] == 1)
        with home.open() as opened:
            pausing(opened).pause(time.time() + 2, None)
        (home.path / "mended").touch()
        wait_until(lambda: home.counts()["done"] == 1)
        assert process.poll() is None
    finally:
        untimed.end_all()


def test_the_end_of_anothers_workers_wakes_a_supervisor(home: TestHome, untimed: TestHome) -> None:
    home.handler("import os\nos.path.exists('mended') or open('gate').read()")
    os.mkfifo(home.path / "gate")
    first = untimed.start("work", "-n", "1")
    try:
        home.package("p")
        home.jobrunner("scan")
        wait_until(lambda: home.status()["running"])
        second = untimed.start("work", "-n", "1")
        wait_until(lambda: idle(second.pid))
        (home.path / "mended").touch()
        kill(first.pid)
        wait_until((home.archive / "p").exists)
    finally:
        untimed.end_all()


def test_what_is_written_where_it_lies_is_taken_when_it_is_complete(home: TestHome, untimed: TestHome) -> None:
    untimed.start("run", "-n", "1")
    try:
        wait_until(lambda: home.status()["runners"])
        (home.inbox / "p").mkdir()
        (home.inbox / "p-downloading").mkdir()
        wait_until(lambda: len(home.status()["incomplete"]) == 2)
        with zipfile.ZipFile(home.inbox / "p" / "p.zip", "w") as archive:
            archive.writestr("data.txt", "42\n")
        wait_until((home.archive / "p").exists)
    finally:
        untimed.end_all()


def test_more_than_the_kernel_keeps_and_another_inbox_hide_no_package(home: TestHome, untimed: TestHome) -> None:
    process = untimed.start("run", "-n", "1")
    try:
        home.package("first")
        wait_until((home.archive / "first").exists)
        [scanner] = [pid for pid in children_of(process.pid) if role(pid) == "jobrunner: scanner"]
        os.kill(scanner, signal.SIGSTOP)
        wait_until(lambda: "State:\tT" in status(scanner))
        for name in ("a", "b"):
            (home.inbox / name).mkdir()
        for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii")) + 1):
            os.utime(home.inbox / "ab"[number % 2])
        home.package("lost")
        os.kill(scanner, signal.SIGCONT)
        wait_until((home.archive / "lost").exists)
        home.package("moved")  # perhaps taken before that
        home.inbox.rename(home.path / "old")
        home.inbox.mkdir()
        home.package("new")
        wait_until((home.archive / "new").exists)
        home.package("newer")
        wait_until((home.archive / "newer").exists)
    finally:
        untimed.end_all()


def test_of_many_idle_workers_one_package_leaves_some_asleep(home: TestHome, untimed: TestHome) -> None:
    home.handler("print()")
    process = untimed.start("run", "-n", "6")  # three commits, so that at most three wake up, one after the other
    try:
        for name in ("first", "second"):
            wait_until(lambda: len(sleeping(process.pid)) == 6)
            before = sleeping(process.pid)
            home.package(name)
            wait_until((home.archive / name).exists)
        wait_until(lambda: len(sleeping(process.pid)) == 6)
        assert len(set(before.items()) & set(sleeping(process.pid).items())) >= 2
    finally:
        untimed.end_all()


def test_a_worker_that_is_stopped_keeps_no_package_from_the_others(home: TestHome, untimed: TestHome) -> None:
    home.handler("print()")
    process = untimed.start("run", "-n", "3")
    try:
        wait_until(lambda: len(sleeping(process.pid)) == 3)
        stopped = list(sleeping(process.pid))[:2]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all("\nState:\tT" in status(pid) for pid in stopped))
        for name in ("first", "second"):
            home.package(name)
            wait_until((home.archive / name).exists)
    finally:
        untimed.end_all()


def sleeping(supervisor: int) -> dict[int, str]:
    """How often each idle worker of a supervisor has gone to sleep, by its pid."""
    found = {pid: status(pid) for pid in children_of(supervisor) if role(pid).endswith(": idle")}
    return {pid: text.split("\nvoluntary_ctxt_switches:")[1].split()[0] for pid, text in found.items() if "\tS" in text}
