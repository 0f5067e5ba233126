"""A tree of processes ends as a whole: what forks without end, what waits for a dead disk, and who is beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from jobrunner.linux import kernel, proc
from jobrunner.process.killing import Left, descendants, end_all, in_words, reap
from tests.scripts import BOMB, lives, parent_of, state_of
from tests.support import wait_until
from tests.unkillable import dead_disk


@pytest.fixture
def below() -> Iterator[None]:
    """Makes this process adopt the orphans of a test, and end all that is below it."""
    before = {pid for pid, _ in descendants(os.getpid())}
    kernel.adopt_orphans()
    yield
    assert {pid for pid, _ in descendants(os.getpid())} <= before
    kernel._prctl(kernel._PR_SET_CHILD_SUBREAPER, 0)


def end_below() -> list[Left]:
    left = end_all(partial(descendants, os.getpid()), patience=20)
    reap(spare=None)
    return left


def start(*words: str) -> int:
    """Start a program and return its pid when it has printed a line."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    process.returncode = 0  # not Popen's to wait for
    return process.pid


@pytest.mark.usefixtures("below")
def test_what_forks_without_end_is_ended() -> None:
    start(sys.executable, "-c", BOMB)
    wait_until(lambda: len(list(descendants(os.getpid()))) > 50)
    assert end_below() == []
    assert list(descendants(os.getpid())) == []


@pytest.mark.usefixtures("below")
def test_none_is_killed_before_all_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    start(sys.executable, "-c", "import os, time\nprint(flush=True)\nfor _ in range(3): os.fork()\ntime.sleep(600)")
    wait_until(lambda: len(list(descendants(os.getpid()))) == 8)
    send, sent = signal.pidfd_send_signal, list[tuple[int, str]]()

    def note_and_send(handle: int, number: int) -> None:
        sent.append((number, Path(f"/proc/self/fdinfo/{handle}").read_text().partition("Pid:")[2].split()[0]))
        send(handle, number)

    monkeypatch.setattr(signal, "pidfd_send_signal", note_and_send)
    assert end_below() == []
    first_kill = [number for number, _ in sent].index(signal.SIGKILL)
    stopped, killed = (
        {pid for number, pid in sent[:first_kill]},
        {pid for number, pid in sent if number == signal.SIGKILL},
    )
    assert {number for number, _ in sent[:first_kill]} == {signal.SIGSTOP}
    assert stopped == killed
    assert len(killed) == 8


@pytest.mark.usefixtures("below")
def test_a_process_that_waits_for_a_dead_disk_saves_nobody(tmp_path: Path) -> None:
    with dead_disk(tmp_path / "disk") as disk:
        source = f"(setsid sleep 600 & exec cat {disk.folder}/file) & echo; wait"
        shell = start("sh", "-c", source)
        wait_until(lambda: {proc.stat(pid).name for pid, _ in descendants(shell)} == {"cat", "sleep"})
        [cat] = [pid for pid, _ in descendants(shell) if proc.stat(pid).name == "cat"]
        wait_until(disk.mark_of(cat).exists)
        begun = time.monotonic()
        left = end_all(partial(descendants, os.getpid()), patience=0.5)
        assert left == [Left(cat, None)]
        assert state_of(cat) == "D"
        assert time.monotonic() - begun < 10
        assert [pid for pid, _ in descendants(os.getpid())] == [cat]
    assert end_below() == []


@pytest.mark.usefixtures("below")
def test_a_spared_process_keeps_what_it_has_started() -> None:
    spared = start("sh", "-c", "sleep 600 & echo; wait")
    other = start("sh", "-c", "sleep 600 & echo; wait")
    wait_until(lambda: len(list(descendants(os.getpid()))) == 4)
    find = partial(descendants, os.getpid(), spare=spared)
    assert end_all(find, patience=20) == []
    reap(spare=None)
    assert lives(spared)
    assert parent_of(next(pid for pid, _ in descendants(spared))) == spared
    assert not lives(other)
    assert end_below() == []


@pytest.mark.usefixtures("below")
def test_children_of_any_thread_are_found() -> None:
    source = (
        "import subprocess, threading\nt = threading.Thread(target=lambda: subprocess.run(['sh', '-c', 'sleep 600']))"
    )
    parent = start(sys.executable, "-c", source + "\nt.start(); print(flush=True); t.join()")
    wait_until(lambda: {proc.stat(pid).name for pid, _ in descendants(parent)} & {"sleep"})
    assert end_below() == []


def test_why_a_process_is_left_is_said_in_one_line_for_each_reason() -> None:
    left = [Left(7, 0), Left(8, None), Left(9, 0), Left(10, 3_000_000_000), Left(11, 0)]
    assert in_words(left, "of p") == (
        "process 7 (and 2 more) of p belongs to root, and only root can end it; "
        "process 8 of p was killed, but does not end (does it wait for a disk that does not answer?); "
        "process 10 of p belongs to the user 3000000000, and only the user 3000000000 or root can end it"
    )


@pytest.mark.usefixtures("below")
def test_what_no_look_finds_while_its_parent_ends_is_ended_all_the_same() -> None:
    """Its parent has ended by the time that its children are asked for, and it has been handed on since."""
    child = start("sh", "-c", "echo; exec sleep 600")
    looks = count()

    def find() -> Iterator[tuple[int, int]]:
        if next(looks) % 2:
            yield from descendants(os.getpid())

    assert end_all(find, patience=20) == []
    reap(spare=None)
    assert not lives(child)
