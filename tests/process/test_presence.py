import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobrunner.process.presence import SCANNER, TRY, Presence
from tests.scripts import lives
from tests.support import kill, wait_until

# Appears in the folder argv[1], forks a child that keeps the lock, says "TOKEN PID-OF-CHILD", and waits.
HOLDER = """
import os, signal, sys
from pathlib import Path
from jobrunner.process.presence import Presence
present = Presence(Path(sys.argv[1])).appear()
child = os.fork() if sys.argv[2] == "fork" else 0
if child or sys.argv[2] != "fork":
    print(present.token, child, flush=True)
signal.pause()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workers"


def _holder(folder: Path, how: str) -> tuple[subprocess.Popen[str], str, int]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    token, child = process.stdout.readline().split()
    return process, token, int(child)


def test_a_lock_is_held_until_it_is_left(folder: Path) -> None:
    presence = Presence(folder)
    present = presence.appear()
    assert presence.is_alive(present.token)
    assert (folder / present.token).exists()
    present.leave()
    assert not presence.is_alive(present.token)
    assert list(folder.iterdir()) == []


def test_each_presence_has_a_token_of_its_own(folder: Path) -> None:
    presence = Presence(folder)
    one, other = presence.appear(), presence.appear()
    assert one.token != other.token
    one.leave()
    assert presence.is_alive(other.token)
    other.leave()


def test_who_is_killed_is_dead_at_once_though_still_a_zombie(folder: Path) -> None:
    process, token, _ = _holder(folder, "alone")
    presence = Presence(folder)
    try:
        assert presence.is_alive(token)
        kill(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is left a zombie
        assert "Z" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert not presence.is_alive(token)
    finally:
        process.kill()
        process.communicate()


def test_a_fork_keeps_the_lock_after_its_parent_was_killed(folder: Path) -> None:
    process, token, child = _holder(folder, "fork")
    presence = Presence(folder)
    try:
        process.kill()
        process.wait()
        assert lives(child)
        assert presence.is_alive(token)
        kill(child)
        wait_until(lambda: not presence.is_alive(token))
    finally:
        process.communicate()
        if lives(child):
            kill(child)


def test_a_stopped_process_is_alive(folder: Path) -> None:
    process, token, _ = _holder(folder, "alone")
    try:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert Presence(folder).is_alive(token)
    finally:
        process.kill()
        process.communicate()


def test_a_lock_that_was_released_here_is_still_held_by_a_fork(folder: Path) -> None:
    presence = Presence(folder)
    present = presence.appear()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(theirs)
        os.read(ours, 1)  # until the test closes its end
        os._exit(0)
    os.close(ours)
    present.release()
    assert presence.is_alive(present.token)
    os.close(theirs)
    os.waitpid(child, 0)
    assert not presence.is_alive(present.token)
    assert (folder / present.token).exists()


@pytest.mark.parametrize(("kind", "recovers"), [("", True), (SCANNER, False), (TRY, False)])
def test_who_only_scans_or_tries_lives_but_recovers_nobody(folder: Path, kind: str, recovers: bool) -> None:
    presence = Presence(folder)
    present = presence.appear(kind=kind)
    assert presence.anybody()
    assert presence.anybody_recovers() is recovers
    present.leave()
    assert not presence.anybody()


def test_only_one_clears_up_after_the_dead(folder: Path) -> None:
    presence = Presence(folder)
    present = presence.appear()
    with presence.of_the_dead(present.token) as dead:
        assert not dead
    present.release()
    with presence.of_the_dead(present.token) as first, presence.of_the_dead(present.token) as second:
        assert (first, second) == (True, False)
    with presence.of_the_dead(present.token) as again:
        assert again


def test_the_lock_of_the_dead_is_given_back_when_clearing_up_fails(folder: Path) -> None:
    presence = Presence(folder)
    present = presence.appear()
    present.release()
    with pytest.raises(RuntimeError), presence.of_the_dead(present.token):
        raise RuntimeError
    assert not presence.is_alive(present.token)


def test_who_is_forgotten_or_never_was_is_dead(folder: Path) -> None:
    presence = Presence(folder)
    assert not presence.is_alive("0123456789abcdef")
    present = presence.appear()
    present.release()
    presence.forget(present.token)
    presence.forget(present.token)
    assert not presence.is_alive(present.token)
    assert list(folder.iterdir()) == []


def test_a_program_that_is_started_does_not_get_the_lock(folder: Path) -> None:
    presence = Presence(folder)
    present = presence.appear()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as process:
        present.release()
        wait_until(lambda: not presence.is_alive(present.token))  # its descriptors are closed as the program starts
        assert process.poll() is None
