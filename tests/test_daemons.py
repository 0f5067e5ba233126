"""A handler that makes a daemon of itself: forks twice, in a session of its own, deaf, without files or environment."""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.linux import control_groups
from jobrunner.process import cgroup
from tests.scripts import PRELUDE, journal, lives, outcomes
from tests.support import TestHome, children_of, kill, wait_until

Process = subprocess.Popen[str]
Groups = Callable[[], list[Path]]

#: How the handler goes on when its daemon runs.
WAIT = "wait_for('go')"


def worker_of(process: Process) -> int:
    return next(pid for pid in children_of(process.pid) if children_of(pid))


def guard_of(process: Process) -> int:
    (guard,) = children_of(worker_of(process))
    return guard


def start(home: TestHome, goes_on: str, **process: str) -> tuple[Process, int]:
    """Run a package, and return the main process and the pid of the daemon when that runs."""
    home.handler(f"{PRELUDE}note('daemon', vanish())\n{goes_on}", **process)
    home.package("p")
    assert home.jobrunner("scan").returncode == 0
    started = home.start("work")
    daemon = wait_until(lambda: journal(home.path, "daemon"))[0].pid
    assert Path(f"/proc/{daemon}/environ").read_bytes() == b""
    wait_until(lambda: os.listdir(f"/proc/{daemon}/fd") == [])  # it has just written its note
    return started, daemon


def kill_the_asked_worker(process: Process) -> None:
    os.kill(worker_of(process), signal.SIGTERM)
    kill(worker_of(process))


def two_signals(process: Process) -> None:
    process.terminate()
    assert process.stderr is not None
    while "again Ctrl-C or SIGTERM: at once" not in process.stderr.readline():
        pass
    process.terminate()


@pytest.mark.parametrize(
    "goes_on", ["", "sys.exit(65)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["well", "badly", "by a kill"]
)
def test_it_is_gone_when_the_handler_has_ended(home: TestHome, goes_on: str) -> None:
    _, daemon = start(home, f"{WAIT}\n{goes_on}", retry="max_attempts = 1")
    (home.path / "go").touch()
    wait_until(lambda: outcomes(home) != ["running"])
    assert not lives(daemon)


def test_it_is_gone_at_the_timeout(home: TestHome) -> None:
    _, daemon = start(home, WAIT, timeout='"2s"', retry="max_attempts = 1")
    wait_until(lambda: outcomes(home) == ["failed"])
    assert not lives(daemon)


@pytest.mark.parametrize(
    "end",
    [
        lambda process: kill(worker_of(process)),
        kill_the_asked_worker,
        lambda process: kill(process.pid),
        lambda process: os.killpg(process.pid, signal.SIGKILL),
        two_signals,
    ],
    ids=["the worker", "the worker, asked before", "the supervisor", "their process group", "two signals"],
)
def test_it_is_gone_when_who_stands_above_it_is_killed(home: TestHome, end: Callable[[Process], object]) -> None:
    process, daemon = start(home, WAIT)
    end(process)
    wait_until(lambda: not lives(daemon))


@pytest.fixture
def groups(home: TestHome) -> Callable[[], list[Path]]:
    """Returns the control groups of this home's workers, of those that live and those that do not."""
    probe = secrets.token_hex(8)
    try:
        (control_groups.own_group() / probe).mkdir()
        (control_groups.own_group() / probe).rmdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here, as root or in a group of ours: {error}")
    root = control_groups.hierarchies()[0].point
    tokens = set[str]()

    def existing() -> list[Path]:
        tokens.update(os.listdir(home.work / ".workers"))
        return [
            Path(folder, name)
            for folder, names, _ in os.walk(root)  # it goes on where another test's group vanishes
            for name in names
            if name.removeprefix("jobrunner-") in tokens
        ]

    return existing


def test_all_that_a_handler_starts_is_in_one_group_that_is_removed_at_the_end(home: TestHome, groups: Groups) -> None:
    process, daemon = start(home, WAIT)
    (group,) = groups()
    members = set(map(int, (group / "cgroup.procs").read_text().split()))
    assert members == {guard_of(process), *children_of(guard_of(process))}
    assert daemon in members
    (home.path / "go").touch()
    wait_until(lambda: outcomes(home) == ["done"])
    process.terminate()
    assert process.wait(30) == 143
    assert groups() == []


def test_an_empty_one_that_was_left_in_another_home_is_removed_by_who_starts_next(
    home: TestHome, groups: Groups
) -> None:
    abandoned = control_groups.own_group() / f"jobrunner-{secrets.token_hex(8)}"
    abandoned.mkdir()
    start(home, WAIT)
    assert groups()
    assert not abandoned.exists()


def test_whose_group_is_swept_away_before_it_has_entered_makes_it_again(
    monkeypatch: pytest.MonkeyPatch, groups: Groups
) -> None:
    write = Path.write_text
    swept: list[Path] = []

    def sweep_and_write(path: Path, text: str) -> int:
        if not swept:
            swept.append(path.parent)
            path.parent.rmdir()
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", sweep_and_write)
    before = control_groups.own_group()
    [group] = cgroup.enter(secrets.token_hex(8), None)
    try:
        assert group.path == swept[0] == control_groups.own_group()
    finally:
        group.leave()
    assert control_groups.own_group() == before


def test_it_is_gone_before_the_job_runs_again_when_the_guard_is_killed(home: TestHome, groups: Groups) -> None:
    process, daemon = start(home, f"if ATTEMPT == 1: {WAIT}")
    (group,) = groups()
    kill(guard_of(process))
    wait_until(lambda: outcomes(home) == ["crashed", "done"])
    assert not lives(daemon)
    assert not group.exists()


def test_it_is_gone_before_the_job_runs_again_when_everybody_was_killed(home: TestHome, groups: Groups) -> None:
    process, daemon = start(home, f"if ATTEMPT == 1: {WAIT}")
    assert groups()
    victims = [process.pid, worker_of(process), guard_of(process)]
    for pid in victims:  # stopped first: nobody sees anybody else die
        os.kill(pid, signal.SIGSTOP)
    for pid in reversed(victims):
        kill(pid)
    process.wait()
    assert lives(daemon)
    assert home.jobrunner("work", "--drain").returncode == 0
    assert outcomes(home) == ["interrupted", "done"]
    assert not lives(daemon)
    assert groups() == []
