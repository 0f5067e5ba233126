"""A notice is delivered in a child process, and nothing that this has started is left."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.linux import kernel
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process.delivering import Delivering, Stopped, by_command, within
from jobrunner.process.killing import descendants
from tests.scripts import lives
from tests.support import wait_until

DOCUMENT = json.dumps({"text": "x" * 200_000})
LONG = 600.0


@pytest.fixture
def delivering() -> Iterator[Delivering]:
    """Makes this process adopt the orphans of a test, and end all that is below it."""
    before = {pid for pid, _ in descendants(os.getpid())}
    yield Delivering(BlockedSignals({signal.SIGUSR2}), grace=0.1)
    assert {pid for pid, _ in descendants(os.getpid())} <= before
    kernel._prctl(kernel._PR_SET_CHILD_SUBREAPER, 0)


def deliver(delivering: Delivering, home: Path, script: str, seconds: float = LONG) -> str | None:
    channel = by_command(("sh", "-c", script), home, {"PATH": os.environ["PATH"], "GREETING": "hello"})
    return delivering.deliver(channel, DOCUMENT, seconds)


def test_a_command_gets_the_notice_in_the_home(delivering: Delivering, tmp_path: Path) -> None:
    assert deliver(delivering, tmp_path, 'cat > got; echo "$GREETING" > greeting; pwd > place') is None
    assert (tmp_path / "got").read_text() == DOCUMENT
    assert (tmp_path / "greeting").read_text() == "hello\n"
    assert (tmp_path / "place").read_text() == f"{tmp_path}\n"
    assert deliver(delivering, tmp_path, "true") is None, "it need not read it"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "exit status 3"),
        ("echo first; printf 'no \\033[31mserver\\n' >&2; exit 1", "exit status 1: no server"),
        ("kill -9 $$", "it was killed by signal 9"),
        ("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo 'the end'; exit 4", "exit status 4: the end"),
    ],
)
def test_what_went_wrong_is_said(delivering: Delivering, tmp_path: Path, script: str, words: str) -> None:
    assert deliver(delivering, tmp_path, script) == words


def test_a_program_that_cannot_start_says_what_to_do(delivering: Delivering, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("#!/bin/sh\n")
    for program, words in (
        ("no-such-program", "the program no-such-program is not found in PATH"),
        ("./mail", f"the program {tmp_path}/mail may not be executed: chmod +x {tmp_path}/mail"),
    ):
        channel = by_command((program,), tmp_path, {"PATH": os.environ["PATH"]})
        assert words.split(" ", 2)[2] in str(delivering.deliver(channel, DOCUMENT, LONG))


@pytest.mark.parametrize("script", ["(setsid sleep 1000 & echo $! > pid); wait", "exec sleep 1000"])
def test_one_that_hangs_is_ended_with_all_that_it_has_started(
    delivering: Delivering, tmp_path: Path, script: str
) -> None:
    error = deliver(delivering, tmp_path, f"echo 'asking the server'; {script}; sleep 1000", seconds=0.5)
    assert error == "it did not end within 0.5 s, and was ended: asking the server"
    for pid in (tmp_path / "pid").read_text().split() if (tmp_path / "pid").exists() else ():
        assert not lives(int(pid))


def test_what_it_leaves_behind_is_ended_and_not_waited_for(delivering: Delivering, tmp_path: Path) -> None:
    assert deliver(delivering, tmp_path, "setsid yes & echo $! > pid") is None
    assert not lives(int((tmp_path / "pid").read_text()))


def test_a_signal_ends_a_delivery(delivering: Delivering, tmp_path: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        us = threading.get_ident()

        def stop() -> None:
            wait_until((tmp_path / "begun").exists)
            signal.pthread_kill(us, signal.SIGUSR2)

        threading.Thread(target=stop).start()
        with pytest.raises(Stopped):
            deliver(delivering, tmp_path, "touch begun; sleep 1000")
        assert delivering.is_stopped
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})


def test_an_action_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    def act() -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(1000)

    within(LONG, (tmp_path / "done").touch)
    assert (tmp_path / "done").exists()
    within(0.5, act)
    assert not (tmp_path / "pid").exists() or not lives(int((tmp_path / "pid").read_text()))
    assert subprocess.run(["true"], check=True).returncode == 0
