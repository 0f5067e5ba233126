import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobrunner.linux import locks, users
from jobrunner.linux.locks import Waiting, holders
from tests.support import wait_until


@contextmanager
def held(path: Path, *, called: str = "holder") -> Iterator[int]:
    """Have another process lock a file until the end of the block, or until it is killed; yield its pid."""
    said, saying = os.pipe()
    pid = os.fork()
    if pid == 0:
        with open(path, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            Path("/proc/self/comm").write_text(called)
            os.write(saying, b".")
            threading.Event().wait()
        os._exit(0)
    try:
        assert os.read(said, 1) == b"."
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(said)
        os.close(saying)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_a_free_lock_is_taken_without_a_word_or_an_alarm(file: int, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)
    told: list[str] = []
    Waiting(told.append).lock(file)
    assert holders(file) == [os.getpid()]
    assert (told, signal.getsignal(signal.SIGALRM)) == ([], before)


def test_whoever_holds_it_is_told_once_and_the_lock_is_had_when_that_one_ends(file: int, tmp_path: Path) -> None:
    told: list[str] = []
    before = signal.getitimer(signal.ITIMER_REAL)[0]
    with held(tmp_path / "lock") as pid:
        ending = threading.Timer(1.5, os.kill, (pid, signal.SIGKILL))  # when it has been looked at again

        def tell(line: str) -> None:
            told.append(line)
            ending.start()

        Waiting(tell).lock(file)
    assert [line.split(",")[0] for line in told] == [
        f"{tmp_path}/lock is locked by process {pid} (holder) of {users.user_name(os.geteuid())}"
    ]
    assert holders(file) == [os.getpid()]
    assert (signal.getitimer(signal.ITIMER_REAL)[0] == 0) is (before == 0)  # somebody else's alarm goes on


@contextmanager
def waiting_for(path: Path, *, blocked: set[signal.Signals]) -> Iterator[int]:
    """Have another process wait for a lock, with signals blocked; it says in a file beside it what ended the wait."""
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            with open(path, "r+") as file:
                Waiting(lambda _: None).lock(file.fileno())
        except (InterruptedError, KeyboardInterrupt) as error:
            path.with_name("said").write_text(repr(error))
        os._exit(0)
    wait_until(lambda: f"-> FLOCK  ADVISORY  WRITE {pid} " in Path("/proc/locks").read_text())
    yield pid
    os.waitpid(pid, 0)


def test_a_stop_that_is_held_back_ends_the_wait(tmp_path: Path) -> None:
    with held(tmp_path / "lock") as holder:
        with waiting_for(tmp_path / "lock", blocked={signal.SIGTERM}) as pid:
            os.kill(pid, signal.SIGTERM)
        said = f"stopped while waiting, as {tmp_path}/lock is locked by process {holder} (holder)"
        assert said in (tmp_path / "said").read_text()


def test_ctrl_c_ends_the_wait_at_once(tmp_path: Path) -> None:
    with held(tmp_path / "lock"):
        with waiting_for(tmp_path / "lock", blocked=set()) as pid:
            start = time.monotonic()
            os.kill(pid, signal.SIGINT)
        assert time.monotonic() - start < locks._FIRST_LOOK
        assert (tmp_path / "said").read_text() == "KeyboardInterrupt()"


def test_a_name_that_would_spoil_the_terminal_is_shown_without_what_does(file: int, tmp_path: Path) -> None:
    with held(tmp_path / "lock", called="\x1b[31mred") as pid:
        assert f"process {pid} (?[31mred) of " in str(locks._held(file))
