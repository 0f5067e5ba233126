"""`jobrunner health`: 0 where packages are worked on, else 1 and why."""

import os
import signal
from pathlib import Path

from jobrunner.wiring.home import Home
from tests.messages import complaint
from tests.support import TestHome, children_of, wait_until


def test_it_says_whether_packages_are_worked_on_and_why_not(home: TestHome) -> None:
    assert "nobody works here" in complaint(home.jobrunner("health"), 1)
    run = home.start("run", "-n", "2")
    wait_until(lambda: home.jobrunner("health").returncode == 0)
    assert home.jobrunner("health").stdout == "Packages are worked on.\n"
    for stopped in (run.pid, *children_of(run.pid)):
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: is_stopped(stopped))  # noqa: B023  (it is called at once)
        assert f"process {stopped} of jobrunner run, pid {run.pid} is stopped" in complaint(home.jobrunner("health"), 1)
        os.kill(stopped, signal.SIGCONT)
    home.archive.rename(home.path / "elsewhere")
    assert "archive" in complaint(home.jobrunner("health"), 1)
    (home.path / "elsewhere").rename(home.archive)
    wait_until(lambda: home.jobrunner("health").returncode == 0)
    run.kill()
    run.wait()
    assert "nobody works here" in complaint(home.jobrunner("health"), 1)


def test_a_package_that_is_held_up_keeps_nobody_else_from_working(home: TestHome) -> None:
    run = home.start("run", "-n", "2")
    with home.open() as opened:
        wait_until(lambda: len(tokens_of(opened)) == 2)
        for token, status in zip(tokens_of(opened), (0, 1), strict=True):
            with opened.store.write():
                opened.store.workers.note_trouble(token, "a process of the handler of p does not end")
            assert home.jobrunner("health").returncode == status
    assert run.poll() is None


def tokens_of(opened: Home) -> list[str]:
    return [each.token for each in opened.store.workers.not_ended()]


def test_one_that_only_scans_works_on_nothing(home: TestHome) -> None:
    home.start("scan", "--watch")
    wait_until(lambda: (home.path / "jobrunner.db").exists() and home.status()["runners"])
    assert "nobody works here" in complaint(home.jobrunner("health"), 1)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
