"""Real processes, killed: what the contract promises of workers, handlers and supervisors that die or are stopped."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.job import Job
from jobrunner.services.slot import _RESTART_FLOOR
from tests.messages import met_a_bug
from tests.scripts import PRELUDE, Note, journal, lives, outcomes, parent_of, state_of, story
from tests.support import PATIENCE, TestHome, children_of, kill, processes_of, wait_until

#: Seconds: much less than any wait that it is told from, and enough for a busy machine.
SOON = 8.0

#: Its first attempt leaves a process behind and waits for HOME/go; each later one ends at once.
HOLD_ONCE = PRELUDE + "start()\nif ATTEMPT == 1: note('escaped', escape()); wait_for('go')\nnote('end')"
#: Each attempt leaves a process behind and waits for HOME/go.
HOLD = PRELUDE + "start()\nnote('escaped', escape())\nwait_for('go')\nnote('end')"

Process = subprocess.Popen[str]


@pytest.fixture
def home(home: TestHome) -> Iterator[TestHome]:
    """A home of which nothing lives when the test ends."""
    yield home
    deadline = time.monotonic() + 10
    while (left := processes_of(home)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                kill(pid)


def _hold(home: TestHome, source: str, packages: int = 1, *, grace: str = "30s") -> None:
    home.handler(source)
    with (home.path / "jobrunner.toml").open("a") as file:
        file.write(f'[work]\nshutdown_grace = "{grace}"\n')
    for number in range(packages):
        home.package(f"p{number}" if number else "p")


def _started(home: TestHome, count: int = 1, word: str = "escaped") -> list[Note]:
    """Wait until handlers have noted this word so many times."""
    wait_until(lambda: len(journal(home.path, word)) >= count)
    return journal(home.path, word)


def _chain(handler: int) -> tuple[int, int]:
    """The guard and the worker of a handler."""
    guard = parent_of(handler)
    return guard, parent_of(guard)


def _line_of(process: Process, words: str) -> str:
    """Read what a process prints until a line has these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


def _stop(process: Process) -> str:
    """Stop it, and return what it had to say."""
    process.terminate()
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 143, stderr
    return stderr


def _job(home: TestHome, name: str = "p") -> Job:
    return story(home, name).job


def _budgets(job: Job) -> tuple[int, int, int]:
    return job.failures, job.crashes, job.interruptions


def _is(home: TestHome, state: str, name: str = "p") -> bool:
    try:
        return _job(home, name).state == state
    except JobrunnerError:  # nobody has scanned yet
        return False


def _overlaps(home: TestHome) -> list[Note]:
    return journal(home.path, "overlap")


@pytest.mark.parametrize(
    ("victims", "workers"),
    [
        *(("worker", "1"), ("worker", "3"), ("guard", "1"), ("guard", "3")),
        *(("worker guard", "1"), ("guard worker", "3"), ("worker guard handler", "1")),
    ],
)
def test_after_a_kill_of_worker_or_guard_the_job_runs_again_and_never_twice_at_once(
    home: TestHome, victims: str, workers: str
) -> None:
    _hold(home, HOLD_ONCE)
    process = home.start("run", "-n", workers)
    escaped = _started(home)[0].pid
    handler = journal(home.path, "start")[0].pid
    guard, worker = _chain(handler)
    pids = {"worker": worker, "guard": guard, "handler": handler}
    at = time.monotonic()
    for victim in victims.split():
        with suppress(ProcessLookupError):
            kill(pids[victim])
    again = _started(home, 2, "start")[1]
    assert again.at - at < SOON
    wait_until(lambda: _is(home, "done"))
    assert not any(lives(pid) for pid in (*pids.values(), escaped))
    assert _overlaps(home) == []
    assert outcomes(home) == ["crashed", "done"]
    assert _budgets(_job(home))[1] == 1
    stderr = _stop(process)
    assert not met_a_bug(stderr)
    assert "recovered  p  worker" in stderr


def test_a_handler_that_is_killed_has_failed_and_is_tried_again(home: TestHome) -> None:
    _hold(home, HOLD_ONCE)
    process = home.start("run", "--drain")
    escaped = _started(home)[0].pid
    kill(journal(home.path, "start")[0].pid)
    assert process.wait(30) == 0
    assert outcomes(home) == ["failed", "done"]
    assert _budgets(_job(home)) == (1, 0, 0)
    assert story(home).attempts[0].error == "the handler was killed by signal 9 (Killed)"
    assert not lives(escaped)
    assert _overlaps(home) == []


def test_a_package_whose_worker_dies_three_times_is_failed_with_that_reason(home: TestHome) -> None:
    _hold(home, PRELUDE + "start()\nif NAME == 'p': wait_for('never')")
    process = home.start("run", "--drain", "-n", "2")
    for count in range(1, 4):
        kill(_chain(_started(home, count, "start")[-1].pid)[1])
    assert process.wait(30) == 1
    assert outcomes(home) == ["crashed", "crashed", "crashed", "failed"]
    assert home.show("p")["verdict"] == "crashed"
    error = (home.failed / "p/error.txt").read_text()
    assert "its worker died 3 times while it ran" in error
    assert _overlaps(home) == []


def test_when_the_supervisor_is_killed_all_is_gone_and_a_restart_goes_on_at_once(home: TestHome) -> None:
    _hold(home, HOLD_ONCE, 2)
    process = home.start("run", "-n", "2")
    _started(home, 2)
    pids = set(processes_of(home))
    assert len(pids) == 1 + 1 + 2 * 4  # the supervisor, its scanner; worker, guard, handler, and what escaped from it
    process.kill()
    wait_until(lambda: not processes_of(home) and not any(map(lives, pids)))
    assert [_job(home, name).state for name in ("p", "p1")] == ["running", "running"]
    process = home.start("run", "-n", "2", "--drain")
    _line_of(process, "2 workers in")
    at = time.monotonic()
    assert process.wait(30) == 0
    again = journal(home.path, "start")[2:]
    assert sorted(note.package for note in again) == ["p", "p1"]
    assert all(note.at - at < SOON for note in again)
    for name in ("p", "p1"):
        assert outcomes(home, name) == ["interrupted", "done"]
        assert _budgets(_job(home, name))[:2] == (0, 0)
    assert _overlaps(home) == []


@pytest.mark.parametrize("spared", [False, True], ids=["everything", "all but what escaped from the handler"])
def test_when_everything_is_killed_at_once_a_restart_ends_what_is_left_and_goes_on(
    home: TestHome, spared: bool
) -> None:
    _hold(home, HOLD_ONCE)
    process = home.start("run", "-n", "2")
    escaped = _started(home)[0].pid
    victims = [pid for pid in processes_of(home) if not (spared and pid == escaped)]
    for pid in victims:  # stopped first: nobody sees anybody else die
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: {state_of(pid) for pid in victims} == {"T"})
    guards = [pid for pid in victims if Path(f"/proc/{pid}/comm").read_text() == "jobrunner-guard\n"]
    for pid in (*guards, *victims):  # guards first: the kernel lets a process group go on that has lost its parent
        with suppress(ProcessLookupError):  # the kernel kills who outlives its parent
            kill(pid)
    process.wait()
    wait_until(lambda: not any(lives(pid) for pid in victims))
    assert lives(escaped) == spared
    assert home.start("run", "--drain").wait(30) == 0
    assert not lives(escaped)
    assert _overlaps(home) == []
    assert outcomes(home) == ["interrupted", "done"]
    assert _budgets(_job(home)) == (0, 0, 1)


def test_an_idle_worker_whose_guard_is_killed_is_replaced_at_no_packages_cost(home: TestHome) -> None:
    _hold(home, PRELUDE + "start()", 0)
    process = home.start("run", "-n", "1")
    [guard] = wait_until(
        lambda: [pid for pid in processes_of(home) if Path(f"/proc/{pid}/comm").read_text() == "jobrunner-guard\n"]
    )
    worker = parent_of(guard)
    kill(guard)
    wait_until(lambda: not lives(worker), SOON)
    home.package("p")
    _started(home, word="start")
    _stop(process)
    assert outcomes(home) == ["done"]


def _signal(process: Process, how: str) -> None:
    """As kill does it, or as a terminal does: to the whole process group."""
    number, _, whom = how.partition(" to ")
    if whom == "all":
        os.killpg(process.pid, signal.Signals[number])
    else:
        process.send_signal(signal.Signals[number])


@pytest.mark.parametrize(
    ("verb", "how", "code"),
    [
        *(("run", "SIGTERM", 143), ("run", "SIGINT to all", 130), ("run", "SIGTERM to all", 143)),
        *(("work", "SIGTERM", 143), ("work", "SIGINT", 130)),
    ],
)
def test_a_signal_lets_the_running_job_finish_and_no_other_start(
    home: TestHome, verb: str, how: str, code: int
) -> None:
    _hold(home, HOLD, 2)
    assert home.jobrunner("scan").returncode == 0
    process = home.start(verb)
    _started(home)
    _signal(process, how)
    _line_of(process, "running jobs may end within 30 s")
    assert process.poll() is None
    (home.path / "go").touch()
    assert process.wait(30) == code
    assert [_job(home, name).state for name in ("p", "p1")] == ["done", "queued"]
    assert [note.word for note in journal(home.path)] == ["start", "escaped", "end"]
    assert outcomes(home) == ["done"]
    assert processes_of(home) == []


def test_an_idle_runner_stops_at_once(home: TestHome) -> None:
    process = home.start("run", "-n", "3")
    _line_of(process, "3 workers in")
    wait_until(lambda: len(children_of(process.pid)) == 4)
    at = time.monotonic()
    process.terminate()
    assert process.wait(30) == 143
    assert time.monotonic() - at < SOON


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT to all"])
def test_a_job_that_is_longer_than_the_grace_is_ended_and_queued_again(home: TestHome, how: str) -> None:
    _hold(home, HOLD, grace="0.5s")
    process = home.start("run")
    escaped = _started(home)[0].pid
    at = time.monotonic()
    _signal(process, how)
    assert process.wait(30) in {143, 130}
    assert 0.5 <= time.monotonic() - at < 0.5 + SOON
    assert not lives(escaped)
    assert processes_of(home) == []
    job = _job(home)
    assert (job.state, job.not_before_at, _budgets(job)) == ("queued", None, (0, 0, 1))
    assert outcomes(home) == ["interrupted"]
    (home.path / "go").touch()
    assert home.start("run", "--drain").wait(30) == 0
    assert outcomes(home) == ["interrupted", "done"]
    assert _overlaps(home) == []


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT", "SIGINT to all"])
def test_a_second_signal_stops_at_once_and_the_job_is_queued_again(home: TestHome, second: str) -> None:
    _hold(home, HOLD)
    process = home.start("run", "-n", "2")
    escaped = _started(home)[0].pid
    process.terminate()
    _line_of(process, "again Ctrl-C or SIGTERM: at once")
    at = time.monotonic()
    _signal(process, second)
    assert process.wait(30) == 143
    assert time.monotonic() - at < SOON
    assert not lives(escaped)
    assert processes_of(home) == []
    job = _job(home)
    assert (job.state, job.not_before_at, _budgets(job)) == ("queued", None, (0, 0, 1))


def test_a_worker_that_is_asked_to_end_ends_its_job_first_and_is_replaced(home: TestHome) -> None:
    _hold(home, HOLD, 2)
    process = home.start("run")
    _, worker = _chain(_started(home, 1, "start")[0].pid)
    os.kill(worker, signal.SIGTERM)
    (home.path / "go").touch()
    wait_until(lambda: _is(home, "done", "p1"))
    assert outcomes(home) == outcomes(home, "p1") == ["done"]
    assert story(home).attempts[0].worker_pid != story(home, "p1").attempts[0].worker_pid
    _stop(process)


def test_workers_that_die_are_replaced(home: TestHome) -> None:
    process = home.start("work", "-n", "3")
    wait_until(lambda: len(children_of(process.pid)) == 3)
    first = children_of(process.pid)
    for pid in first:
        kill(pid)
    wait_until(lambda: len(set(children_of(process.pid)) - set(first)) == 3)
    home.package("p")
    assert home.jobrunner("scan").returncode == 0
    wait_until(lambda: _is(home, "done"))
    assert "was killed by signal 9 (Killed); another one starts" in _stop(process)


def test_a_worker_that_keeps_dying_is_started_ever_more_slowly_and_that_is_said(home: TestHome) -> None:
    process = home.start("work")
    seen: list[tuple[int, float]] = []
    for _ in range(3):
        (pid,) = wait_until(lambda: set(children_of(process.pid)) - {known for known, _ in seen})
        seen.append((pid, time.monotonic()))
        kill(pid)
    gaps = [later[1] - earlier[1] for earlier, later in pairwise(seen)]
    for gap, floor in zip(gaps, (_RESTART_FLOOR, _RESTART_FLOOR * 2), strict=True):
        assert floor * 0.9 < gap < floor + SOON  # we see each a little later than it was started
    assert "; 3 workers in a row died while starting; next try in" in _line_of(process, f"worker {seen[-1][0]} ")
    _stop(process)


def test_two_runners_share_one_home(home: TestHome) -> None:
    names = ["p", *(f"p{number}" for number in range(1, 20))]
    _hold(home, PRELUDE + "start()\nnote('end')", len(names))
    assert home.jobrunner("scan").returncode == 0
    processes = [home.start("work", "-n", "2", "--drain") for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert Counter(note.package for note in journal(home.path, "start")) == Counter(names)
    assert _overlaps(home) == []
    assert {name: outcomes(home, name) for name in names} == {name: ["done"] for name in names}
    assert len({story(home, name).attempts[0].worker_pid for name in names}) > 1


def test_an_idle_runner_takes_over_from_a_worker_whose_supervisor_is_stopped(home: TestHome) -> None:
    _hold(home, HOLD_ONCE)
    stopped = home.start("run")
    _started(home)
    other = home.start("work")
    wait_until(lambda: children_of(other.pid))
    _, worker = _chain(journal(home.path, "start")[0].pid)
    stopped.send_signal(signal.SIGSTOP)
    at = time.monotonic()
    kill(worker)
    again = _started(home, 2, "start")[1]
    assert again.at - at < SOON
    wait_until(lambda: _is(home, "done"))
    assert outcomes(home) == ["crashed", "done"]
    assert parent_of(story(home).attempts[1].worker_pid) == other.pid
    assert _overlaps(home) == []
    stopped.send_signal(signal.SIGCONT)
    wait_until(lambda: worker not in children_of(stopped.pid))  # it has seen the death before it is asked to stop
    assert "was killed by signal 9 (Killed)" in _stop(stopped)
    _stop(other)


def test_a_runner_goes_on_with_the_job_of_another_one_that_was_killed(home: TestHome) -> None:
    _hold(home, HOLD_ONCE)
    killed = home.start("run")
    escaped = _started(home)[0].pid
    other = home.start("work", "-n", "2")
    wait_until(lambda: len(children_of(other.pid)) == 2)
    at = time.monotonic()
    killed.kill()
    assert _started(home, 2, "start")[1].at - at < SOON
    wait_until(lambda: _is(home, "done"))
    assert not lives(escaped)
    assert outcomes(home) == ["interrupted", "done"]  # a whole tree was killed: that is not the package's fault
    assert _overlaps(home) == []
    _stop(other)


def test_a_worker_that_is_stopped_is_not_taken_for_dead(home: TestHome) -> None:
    _hold(home, PRELUDE + "start()\nif NAME == 'p': wait_for('go')\nnote('end')", 6)
    process = home.start("run", "-n", "2", "--drain")
    guard, worker = _chain(
        wait_until(lambda: [note for note in journal(home.path, "start") if note.package == "p"])[0].pid
    )
    for pid in (worker, guard):
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: len(journal(home.path, "end")) == 5)
    (home.path / "go").touch()
    wait_until(lambda: len(journal(home.path, "end")) == 6)
    assert _job(home).state == "running"
    for pid in (guard, worker):
        os.kill(pid, signal.SIGCONT)
    assert process.wait(30) == 0
    assert outcomes(home) == ["done"]
    assert [note.package for note in journal(home.path, "start")].count("p") == 1
    assert _overlaps(home) == []


def test_run_picks_up_what_arrives_later(home: TestHome) -> None:
    process = home.start("run", "-n", "2")
    _line_of(process, "2 workers in")
    wait_until(lambda: len(children_of(process.pid)) == 3)
    for name in ("first", "second"):
        home.package(name)
        wait_until((home.archive / name / "data.txt").exists)
    _stop(process)


def test_a_scanner_that_dies_is_replaced(home: TestHome) -> None:
    process = home.start("run")
    wait_until(lambda: len(children_of(process.pid)) == 2)
    scanner = children_of(process.pid)[-1]
    kill(scanner)
    home.package("p")
    wait_until((home.archive / "p").exists)
    assert f"scanner {scanner} was killed" in _stop(process)


def test_drain_says_by_its_exit_status_whether_a_package_failed_in_this_run(home: TestHome) -> None:
    home.handler(PRELUDE + "sys.exit(65 if NAME.startswith('bad') else 0)")
    for names, code in ((["good"], 0), (["bad", "good2"], 1), (["good3"], 0), ([], 0)):
        for name in names:
            home.package(name)
        assert home.jobrunner("run", "--drain", "-n", "2").returncode == code
    home.package("bad2")
    assert home.jobrunner("scan").returncode == 0
    assert [home.jobrunner("work", "--drain").returncode for _ in range(2)] == [1, 0]
    assert [_is(home, "done", name) for name in ("good", "good2", "good3", "bad", "bad2")] == [True] * 3 + [False] * 2


def test_drain_waits_for_a_job_that_is_to_be_tried_again_later(home: TestHome) -> None:
    home.handler(PRELUDE + "sys.exit(ATTEMPT == 1)", retry='backoff = "0.7s"')
    home.package("p")
    assert home.jobrunner("run", "--drain", "-n", "2").returncode == 0
    first, second = story(home).attempts
    assert second.started_at - (first.ended_at or 0) >= 0.7
    assert outcomes(home) == ["failed", "done"]


def test_what_a_start_cannot_sweep_is_said_and_keeps_no_package_waiting(home: TestHome) -> None:
    (home.work / ".workers" / "0123456789abcdef").mkdir(parents=True)  # no lock file
    home.package("p")
    ended = home.jobrunner("run", "--drain")
    assert (ended.returncode, _is(home, "done", "p")) == (0, True)
    assert "what dead processes left stays until the next start: Is a directory" in ended.stderr


def test_a_stop_is_not_lost_while_the_scanner_ends(home: TestHome) -> None:
    """The moment is short: a supervisor that has left it before we could stop it shows nothing, so there is another."""
    home.configure('[process]\ncommand = ["sh", "-c", "until [ -e \\"$JOBRUNNER_HOME/go\\" ]; do sleep 0.02; done"]\n')
    go = home.path / "go"
    for turn in range(100):
        go.unlink(missing_ok=True)
        home.package(f"p{turn}")
        supervisor = home.start("run", "-n", "1", "--drain")
        wait_until(lambda: home.counts()["running"] == 1)
        [scanner] = [pid for pid in children_of(supervisor.pid) if pid != _job_worker(home)]
        os.kill(scanner, signal.SIGSTOP)  # it ends when it is killed
        home.package(f"q{turn}")  # there is more to do, were it not for the signal
        go.touch()
        if _is_stopped_while_it_ends(supervisor, scanner):
            supervisor.terminate()
            supervisor.send_signal(signal.SIGCONT)
            assert supervisor.wait(PATIENCE) == 143
            assert not _is(home, "done", f"q{turn}")
            return
        supervisor.send_signal(signal.SIGCONT)
        assert supervisor.wait(PATIENCE) == 0
    pytest.fail("no supervisor could be stopped while its scanner was about to end")


def _is_stopped_while_it_ends(supervisor: Process, scanner: int) -> bool:
    """Stop a supervisor that has asked its scanner to end, and say whether that had not ended yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        wait_until(lambda: _is_asked_to_end(scanner))
        supervisor.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(supervisor.pid) in {"T", "Z"})
        return state_of(supervisor.pid) == "T" and lives(scanner)
    return False


def _job_worker(home: TestHome) -> int:
    return int(home.status()["running"][0]["worker_pid"])


def _is_asked_to_end(pid: int) -> bool:
    """Say whether a stopped process was sent SIGTERM (proc(5): ShdPnd)."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd:")]
    return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
