import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobrunner.process import signals
from jobrunner.process.signals import StopRequest
from tests.scripts import lives


@pytest.fixture
def _blocked() -> Iterator[None]:
    signals.block()
    yield
    signals.unblock()


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
        assert process.communicate()[0] == "alive\n"
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


@pytest.mark.usefixtures("_blocked")
def test_a_request_to_stop_is_remembered_and_what_others_wait_for_is_left_to_them() -> None:
    asked_to_stop = StopRequest({signal.SIGTERM})
    signal.raise_signal(signal.SIGCHLD)
    assert not asked_to_stop()
    assert not asked_to_stop(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert asked_to_stop()
    assert signal.sigpending() == {signal.SIGCHLD}
    assert asked_to_stop(600)
    assert asked_to_stop.caught is signal.SIGTERM


@pytest.mark.usefixtures("_blocked")
def test_a_request_to_drain_ends_the_work_but_no_wait_for_the_machine() -> None:
    asked_to_stop = StopRequest({signal.SIGTERM}, drains=True)
    signal.raise_signal(signals.DRAIN_SIGNAL)
    assert not asked_to_stop.at_once(0.01)
    assert asked_to_stop(600)
    assert not asked_to_stop.at_once(0.01)
    signal.raise_signal(signal.SIGTERM)
    assert asked_to_stop.at_once(600)
    assert asked_to_stop.caught is signal.SIGTERM


def in_a_session(environment: dict[str, str], source: str) -> str:
    """What a program prints that has no terminal."""
    clean = {name: text for name, text in os.environ.items() if name not in {"INVOCATION_ID", "NOTIFY_SOCKET"}}
    words = [sys.executable, "-c", f"from jobrunner.process.signals import *\nimport os, pty, signal\n{source}"]
    result = subprocess.run(
        words, env=clean | environment, start_new_session=True, capture_output=True, text=True, check=True
    )
    return result.stdout


ASKS = "print(*(number.name for number in reload_signals()), signal.SIGHUP in stop_signals())"


@pytest.mark.parametrize(
    ("environment", "before", "said"),
    [
        ({"INVOCATION_ID": "0123"}, "", "SIGHUP False\n"),
        ({"NOTIFY_SOCKET": "@none"}, "", "SIGHUP False\n"),
        ({}, "", "True\n"),
        ({"INVOCATION_ID": "0123"}, "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n", "False\n"),
        ({"INVOCATION_ID": "0123"}, "os.open(os.ttyname(pty.openpty()[1]), os.O_RDWR)\n", "True\n"),
    ],
    ids=["systemd", "another manager", "no manager", "ignored", "terminal"],
)
def test_a_hangup_asks_to_reload_only_a_service(environment: dict[str, str], before: str, said: str) -> None:
    assert in_a_session(environment, before + ASKS).lstrip() == said
