"""`process.recycle_after`: a callable gets a new process after so many packages."""

import signal
from collections.abc import Callable

import pytest

from tests.campaign.processes import is_guard
from tests.scripts import PRELUDE, journal, lives, parent_of
from tests.support import TestHome, kill, processes_of, wait_until

#: Notes in which process each package is, and when that ends.
NOTES = f"""
import atexit, jobrunner
{PRELUDE}
def end():
    note("end")
atexit.register(end)
def process(package):
    global NAME
    NAME = package.name
    note("start")
    if package.name == "p1":
        raise jobrunner.Reject("there is no sensor")
"""


def recycle(home: TestHome, source: str, after: int) -> None:
    (home.path / "analysis.py").write_text(source)
    home.configure(f'[process]\ncallable = "analysis:process"\nrecycle_after = {after}\n[retry]\nbackoff = "0.01s"\n')


def test_after_so_many_packages_it_ends_in_order_and_a_new_one_goes_on(home: TestHome) -> None:
    recycle(home, NOTES, after=2)
    for number in range(5):
        home.package(f"p{number}")
    assert home.jobrunner("run", "--drain").returncode == 1
    notes = [(note.word, note.package) for note in journal(home.path)]
    first = [("start", "p0"), ("start", "p1"), ("end", "p1")]
    assert notes[:7] == [*first, ("start", "p2"), ("start", "p3"), ("end", "p3"), ("start", "p4")]
    hosts = [note.pid for note in journal(home.path)]
    assert hosts[:3] == hosts[:1] * 3, "a rejected one counts, too"
    assert hosts[3:6] == hosts[3:4] * 3
    assert len({hosts[0], hosts[3], hosts[6]}) == 3
    assert processes_of(home) == []


def test_what_leaks_is_given_back(home: TestHome) -> None:
    source = """
leaked = []
def process(package):
    leaked.append(b"x" * 20_000_000)
    (package.data / "leaked").write_text(str(len(leaked)))
"""
    recycle(home, source, after=2)
    for number in range(5):
        home.package(f"p{number}")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert [int((home.archive / f"p{number}" / "leaked").read_text()) for number in range(5)] == [1, 2, 1, 2, 1]


VICTIMS: dict[str, Callable[[int], int]] = {
    "host": lambda host: host,
    "guard": parent_of,
    "worker": lambda host: parent_of(parent_of(host)),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_meanwhile_nothing_is_lost_or_done_twice(home: TestHome, victim: str) -> None:
    """The package is recorded as done before its host has ended: it is not run again."""
    recycle(home, NOTES.replace('note("end")', 'wait_for("never")'), after=1)
    home.package("p0")
    running = home.start("run", "-n", "1")
    wait_until(lambda: journal(home.path, "start"))
    host = journal(home.path, "start")[0].pid
    assert is_guard(parent_of(host))
    doomed = VICTIMS[victim](host)
    wait_until(lambda: home.counts()["done"] == 1)
    kill(doomed)
    wait_until(lambda: not lives(doomed))  # a worker that has not noticed it yet would claim the next package
    home.package("p2")
    wait_until(lambda: home.counts()["done"] == 2)
    running.send_signal(signal.SIGTERM)
    running.wait()
    assert [(note.package, note.attempt) for note in journal(home.path, "start")] == [("p0", 1), ("p2", 1)]
    assert processes_of(home) == []
