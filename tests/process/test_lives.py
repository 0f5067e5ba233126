"""Whoever holds a process's life is woken when it ends."""

import subprocess
import sys

from jobrunner.linux import proc
from jobrunner.linux.processes import Process
from jobrunner.linux.waiting import ready
from jobrunner.process.lives import Lives
from tests.support import PATIENCE


def begin() -> tuple[subprocess.Popen[bytes], Process]:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    return child, Process(child.pid, proc.stat(child.pid).start, proc.BOOT_ID)


def test_an_end_can_be_waited_for() -> None:
    lives = Lives()
    child, process = begin()
    assert lives.hold([process])
    assert lives.hold([process])
    assert not lives.any_ended()
    child.kill()
    assert ready(lives.descriptors, PATIENCE)
    assert lives.any_ended()
    assert not lives.hold([process])
    assert not lives.descriptors  # else whoever waits for them would not sleep any more
    child.wait()
    assert not lives.hold([process])
    assert lives.hold([])


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    lives = Lives()
    child, process = begin()
    assert not lives.hold([process._replace(start=process.start + 1)])
    assert not lives.hold([process._replace(boot_id="another boot")])
    assert not lives.descriptors
    child.kill()
    child.wait()
