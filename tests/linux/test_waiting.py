import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from jobrunner.linux.libc import checked, libc
from jobrunner.linux.waiting import BlockedSignals, ready
from jobrunner.process import signals
from tests.scripts import state_of
from tests.support import PATIENCE, kill, wait_until

ROOT = Path(__file__).parents[2]

# Blocks, says so, and waits for any of our signals; prints its name, or "none" when the time (argv[1]) is over.
WAITER = """
import signal, sys, time
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process import signals
signals.block()
waited = BlockedSignals(signals.stop_signals() | {signal.SIGCHLD})
print("ready", flush=True)
start = time.monotonic()
got = waited.wait(float(sys.argv[1]))
print(got.name if got else "none", time.monotonic() - start, flush=True)
"""

_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """Whatever a test started ends with it."""
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()


def _waiter(seconds: str, source: str = WAITER) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", source, seconds], stdout=subprocess.PIPE, text=True)
    _started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _sleeps(process: subprocess.Popen[str]) -> bool:
    return state_of(process.pid) == "S"


def _rest(process: subprocess.Popen[str]) -> str:
    """What it prints until its end. (communicate would lose what readline has buffered.)"""
    assert process.stdout is not None
    with process.stdout:
        rest = process.stdout.read()
    process.wait()
    return rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
def test_a_blocked_signal_wakes_who_waits(number: signal.Signals) -> None:
    process = _waiter("600")
    process.send_signal(number)
    name, seconds = _rest(process).split()
    assert name == number.name
    assert float(seconds) < PATIENCE
    assert process.returncode == 0


def test_a_signal_that_came_before_the_wait_is_not_lost() -> None:
    source = WAITER.replace("start = ", "import os; os.kill(os.getpid(), signal.SIGTERM)\nstart = ")
    process = _waiter("600", source)
    name, seconds = _rest(process).split()
    assert (name, float(seconds) < PATIENCE) == ("SIGTERM", True)


@pytest.mark.parametrize(("seconds", "least"), [("0.05", 0.05), ("0", 0.0), ("-1", 0.0)])
def test_the_wait_ends_when_the_time_is_over(seconds: str, least: float) -> None:
    process = _waiter(seconds)
    name, waited = _rest(process).split()
    assert name == "none"
    assert least <= float(waited) < least + PATIENCE


def test_a_process_that_was_stopped_beyond_its_time_wakes_up_with_nothing() -> None:
    """Ctrl-Z and fg: the wait is over and no signal came. (Python's sigtimedwait makes one up after an EINTR.)"""
    processes = [_waiter("2") for _ in range(3)]
    for process in processes:
        wait_until(partial(_sleeps, process))  # it is in its wait
        process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 2.1
    wait_until(lambda: time.monotonic() > deadline)
    for process in processes:
        process.send_signal(signal.SIGCONT)
    assert [_rest(process).split()[:1] for process in processes] == [["none"]] * 3


def test_a_child_that_ends_wakes_its_parent() -> None:
    source = WAITER.replace("start = ", "import os\nif os.fork() == 0: os._exit(0)\nstart = ")
    process = _waiter("600", source)
    assert _rest(process).split()[0] == "SIGCHLD"


def test_a_process_that_waits_can_be_killed() -> None:
    process = _waiter("600")
    kill(process.pid)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "change",
    [
        "import os; os.kill(os.getpid(), signal.SIGSTOP)",
        "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    ],
    ids=["stopped and continued", "interrupted by handlers", "no descriptor left"],
)
def test_a_wait_goes_on(change: str) -> None:
    process = _waiter("600", WAITER.replace("start = ", f"{change}\nstart = "))
    wait_until(lambda: state_of(process.pid) in {"S", "T"})
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    assert _rest(process).split()[0] == "SIGTERM"


@pytest.fixture
def blocked() -> Iterator[BlockedSignals]:
    signals.block()
    yield BlockedSignals({signal.SIGINT, signal.SIGTERM})
    signals.unblock()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_each_signal_is_taken_once_the_lowest_first_and_others_are_left(blocked: BlockedSignals) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.raise_signal(number)
    assert [blocked.wait(0) for _ in range(3)] == [signal.SIGINT, signal.SIGTERM, None]
    assert signal.sigpending() == {signal.SIGCHLD}


def test_a_descriptor_beside_ends_the_wait_but_a_signal_comes_first(
    blocked: BlockedSignals, pipe: tuple[int, int]
) -> None:
    reading, writing = pipe
    assert blocked.wait(0.01, beside=(reading,)) is None
    os.write(writing, b"x")
    start = time.monotonic()
    assert blocked.wait(600, beside=(reading,)) is None
    assert time.monotonic() - start < PATIENCE
    signal.raise_signal(signal.SIGTERM)
    assert blocked.wait(600, beside=(reading,)) is signal.SIGTERM


def test_a_forked_child_gets_its_own_signals(blocked: BlockedSignals) -> None:
    signal.raise_signal(signal.SIGTERM)
    child = os.fork()
    if child == 0:
        mine = [blocked.wait(0)]
        os.kill(os.getpid(), signal.SIGINT)
        mine.append(blocked.wait(0))
        os._exit(0 if mine == [None, signal.SIGINT] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [blocked.wait(0), blocked.wait(0)] == [signal.SIGTERM, None]


@pytest.mark.usefixtures("blocked")
def test_no_program_that_is_started_has_the_descriptor() -> None:
    assert "anon_inode:[signalfd]" in open_files()
    source = "from tests.linux.test_waiting import open_files; print(open_files())"
    inherited = subprocess.run(
        [sys.executable, "-c", source], close_fds=False, capture_output=True, check=True, cwd=ROOT, text=True
    )
    assert "pipe:" in inherited.stdout
    assert "signalfd" not in inherited.stdout


def open_files() -> list[str]:
    """What this process has open, but for the folder that is listed for that."""
    return [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]


def test_those_are_ready_that_can_be_read_or_are_closed_at_the_other_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    closed, other_end = os.pipe()
    try:
        assert ready((reading, closed), 0.01) == set()
        os.write(writing, b"x")
        assert ready((reading, closed), 600) == {reading}
        os.close(other_end)
        assert ready((reading, closed), 600) == {reading, closed}
    finally:
        os.close(closed)


def test_a_process_is_ready_when_it_has_ended(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    handle = os.pidfd_open(child)
    try:
        assert ready((handle,), 0) == set()
        os.write(writing, b"x")
        assert ready((handle,), 600) == {handle}
    finally:
        os.close(handle)
        os.waitpid(child, 0)


def test_a_folder_that_is_watched_is_ready_when_something_comes_into_it(tmp_path: Path) -> None:
    watch = checked(libc.inotify_init1(os.O_CLOEXEC))
    try:
        checked(libc.inotify_add_watch(watch, os.fsencode(tmp_path), ctypes.c_uint32(0x100)))  # IN_CREATE
        assert ready((watch,), 0) == set()
        (tmp_path / "package").mkdir()
        assert ready((watch,), 600) == {watch}
    finally:
        os.close(watch)


@pytest.mark.parametrize(("seconds", "least"), [(0.02, 0.02), (0.0, 0.0), (-1.0, 0.0)])
def test_nothing_is_ready_when_the_time_is_over(seconds: float, least: float) -> None:
    start = time.monotonic()
    assert ready((), seconds) == set()
    assert least <= time.monotonic() - start < least + PATIENCE


def test_a_wait_may_be_longer_than_poll_can_count(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    assert ready((pipe[0],), 1e9) == {pipe[0]}
