import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from jobrunner.process import signals
from tests.scripts import lives, state_of
from tests.support import kill, wait_until

# Blocks, says so, and waits for any of our signals; prints its name, or "none" when the time (argv[1]) is over.
WAITER = """
import signal, sys, time
from jobrunner.process import signals
signals.block()
print("ready", flush=True)
start = time.monotonic()
got = signals.wait(signals.stop_signals() | {signal.SIGCHLD}, float(sys.argv[1]))
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
    assert float(seconds) < 30
    assert process.returncode == 0


def test_a_signal_that_came_before_the_wait_is_not_lost() -> None:
    source = WAITER.replace("start = ", "import os; os.kill(os.getpid(), signal.SIGTERM)\nstart = ")
    process = _waiter("600", source)
    name, seconds = _rest(process).split()
    assert (name, float(seconds) < 1) == ("SIGTERM", True)


@pytest.mark.parametrize(("seconds", "least"), [("0.05", 0.05), ("0", 0.0), ("-1", 0.0)])
def test_the_wait_ends_when_the_time_is_over(seconds: str, least: float) -> None:
    process = _waiter(seconds)
    name, waited = _rest(process).split()
    assert name == "none"
    assert least <= float(waited) < least + 1


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


def test_blocked_signals_do_not_end_a_process_and_reach_it_once_let_through() -> None:
    source = """
import signal
from jobrunner.process import signals
signals.block()
print("ready", flush=True)
input()
print("alive", flush=True)
signals.unblock()
print("never", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert lives(process.pid)
        print(file=process.stdin, flush=True)
        assert _rest(process) == "alive\n"
        assert process.returncode == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


def test_a_fork_inherits_the_block() -> None:
    child = os.fork()
    if child == 0:
        signals.block()
        grandchild = os.fork()
        if grandchild == 0:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
            os._exit(0 if blocked >= signals.stop_signals() | {signal.SIGCHLD} else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not lives(child)


def test_sigkill_is_not_held_back() -> None:
    process = _waiter("600")
    kill(process.pid)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
