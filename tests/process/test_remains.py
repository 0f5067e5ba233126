import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jobrunner.linux import proc
from jobrunner.process.environment import WORKER_VARIABLE
from jobrunner.process.remains import end_worker, kill_handlers_of
from tests.scripts import PRELUDE, journal, lives, parent_of
from tests.support import PATIENCE, clean_environment, kill, wait_until

TOKEN = secrets.token_hex(8)  # of this process of pytest alone: another one kills by its own


@pytest.fixture
def started() -> Iterator[list[int]]:
    """The pids of what a test starts: killed at its end."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            kill(pid)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _start(started: list[int], tmp_path: Path, source: str, variables: dict[str, str]) -> subprocess.Popen[str]:
    package = {"JOBRUNNER_HOME": str(tmp_path), "JOBRUNNER_PACKAGE": "p", "JOBRUNNER_ATTEMPT": "1"}
    environment = clean_environment() | package | {"JOBRUNNER_DATA": str(tmp_path)} | variables
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + source], env=environment, stdout=subprocess.PIPE, text=True
    )
    started.append(process.pid)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with process.stdout:
        return process.stdout.readline()


def test_what_has_the_workers_token_in_its_environment_is_killed_and_nothing_else(
    started: list[int], tmp_path: Path
) -> None:
    source = "print(1, flush=True); signal.pause()"
    ours = _start(started, tmp_path, source, {WORKER_VARIABLE: TOKEN})
    others = [
        _start(started, tmp_path, source, {WORKER_VARIABLE: "ffeeddccbbaa9988"}),
        _start(started, tmp_path, source, {WORKER_VARIABLE: TOKEN + "0"}),
        _start(started, tmp_path, source, {"X" + WORKER_VARIABLE: TOKEN}),
        _start(started, tmp_path, source, {"OTHER": f"{WORKER_VARIABLE}={TOKEN}"}),
    ]
    for process in (ours, *others):
        assert _line(process) == "1\n"
    kill_handlers_of(TOKEN, "", patience=10)
    assert not lives(ours.pid)
    assert ours.wait() == -signal.SIGKILL
    assert all(lives(process.pid) for process in others)


def test_a_re_parented_process_in_its_own_session_is_found(started: list[int], tmp_path: Path) -> None:
    process = _start(started, tmp_path, "print(escape(), flush=True)", {WORKER_VARIABLE: TOKEN})
    escaped = int(_line(process))
    started.append(escaped)
    assert process.wait() == 0
    wait_until(lambda: parent_of(escaped) != process.pid)
    assert lives(escaped)
    kill_handlers_of(TOKEN, "", patience=10)
    assert not lives(escaped)


def test_a_program_that_a_handler_started_is_found_too(started: list[int], tmp_path: Path) -> None:
    source = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); signal.pause()"
    process = _start(started, tmp_path, source, {WORKER_VARIABLE: TOKEN})
    program = int(_line(process))
    started.append(program)
    kill_handlers_of(TOKEN, "", patience=10)
    assert not lives(program)
    assert not lives(process.pid)


def test_a_process_is_waited_for_while_it_gives_back_its_memory(started: list[int], tmp_path: Path) -> None:
    """It has no environment any more by then, and still holds its files and locks."""
    source = "memory = bytearray(b'm') * 2**29; print(1, flush=True); signal.pause()"
    process = _start(started, tmp_path, source, {WORKER_VARIABLE: TOKEN})
    assert _line(process) == "1\n"
    assert kill_handlers_of(TOKEN, "", patience=PATIENCE) == []
    assert not lives(process.pid)


def test_a_process_that_starts_others_without_end_is_caught_with_all_of_them(
    started: list[int], tmp_path: Path
) -> None:
    source = """
print(1, flush=True)
while True:
    note("escaped", escape())
    threading.Event().wait(0.002)
"""
    process = _start(started, tmp_path, source, {WORKER_VARIABLE: TOKEN})
    assert _line(process) == "1\n"
    wait_until(lambda: len(journal(tmp_path)) > 10)
    kill_handlers_of(TOKEN, "", patience=10)
    escaped = [note.pid for note in journal(tmp_path)]
    started.extend(escaped)
    assert not [pid for pid in (process.pid, *escaped) if lives(pid)]


def test_a_process_that_is_just_starting_a_program_is_found(started: list[int], tmp_path: Path) -> None:
    """While the kernel replaces a program, the process has no environment for an instant."""
    (tmp_path / "again").write_text('#!/bin/sh\nexec "$0"\n')
    (tmp_path / "again").chmod(0o755)
    environment = clean_environment() | {WORKER_VARIABLE: TOKEN}
    for _ in range(20):
        process = subprocess.Popen([str(tmp_path / "again")], env=environment)
        started.append(process.pid)
        kill_handlers_of(TOKEN, "", patience=10)
        assert not lives(process.pid)


def test_a_session_that_was_noted_is_killed_without_an_environment_and_no_other(started: list[int]) -> None:
    def start() -> int:
        process = subprocess.Popen(
            ["sh", "-c", "sleep 600 & echo $!"], env={}, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process.pid)
        started.append(int(_line(process)))
        process.wait()
        return started[-1]

    ours, other = start(), start()
    noted = f"{proc.BOOT_ID} {proc.session(ours)}"
    kill_handlers_of(TOKEN, noted.replace("-", "0"), patience=10)  # of another boot
    kill_handlers_of(TOKEN, noted + "0", patience=10)  # as if the session's id had been given out again
    assert lives(ours)
    kill_handlers_of(TOKEN, noted, patience=10)
    assert not lives(ours)
    assert lives(other)


def test_what_was_started_by_what_is_found_is_killed_too(started: list[int], tmp_path: Path) -> None:
    source = """
child = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
print(child.pid, flush=True); signal.pause()
"""
    process = _start(started, tmp_path, "import subprocess" + source, {WORKER_VARIABLE: TOKEN})
    child = int(_line(process))
    started.append(child)
    kill_handlers_of(TOKEN, "", patience=10)
    assert not lives(child)


def test_nothing_to_kill_is_no_error() -> None:
    kill_handlers_of("not-a-token-of-anybody", "", patience=10)


HOLDER = """
import signal, sys
from pathlib import Path
from jobrunner.process.presence import Presence
print(Presence(Path(sys.argv[1])).appear().token, flush=True)
signal.pause()
"""


def test_a_worker_is_ended_only_if_it_has_its_lock_file_open(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "locks")]
    worker, other = (subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2))
    try:
        token, _ = _line(worker).strip(), _line(other)
        assert not end_worker(other.pid, token, patience=1)  # as if the pid had been used again
        assert lives(other.pid)
        assert end_worker(worker.pid, token, patience=10)
        assert not lives(worker.pid)
        worker.wait()
        assert not end_worker(worker.pid, token, patience=1)
    finally:
        for each in (worker, other):
            each.kill()
            each.wait()
