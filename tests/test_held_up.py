"""A process that does not end though it was killed holds up the recovery of its own package, and of no other."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Event, JobRecovered, Trouble
from jobrunner.domain.role import Role
from jobrunner.linux.processes import Process
from jobrunner.process.environment import WORKER_VARIABLE
from jobrunner.wiring.home import Home, load_settings, open_home
from jobrunner.wiring.recovering import recovery
from tests.support import TestHome, clean_environment


@pytest.fixture
def opened(home: TestHome) -> Iterator[tuple[Home, list[Event]]]:
    """A home with two packages, each running in a worker that is dead."""
    home.package("a")
    home.package("b")
    events: list[Event] = []
    made = open_home(load_settings(home.path), Emit(Role.COMMAND, lambda envelope: events.append(envelope.event)))
    made.intake.scan()
    events.clear()
    for number, token in enumerate(("a" * 16, "b" * 16)):
        with made.store.write():
            worker = made.store.workers.register(token, "nobody", Process(1000 + number, 1, "a-boot"), 0)
            assert made.store.queue.claim(worker, made.store.now())
    yield made, events
    made.store.close()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the first worker that the kernel does not end now, as if it waited for a disk."""
    process = subprocess.Popen(["sleep", "1000"], env=clean_environment() | {WORKER_VARIABLE: "a" * 16})
    end = signal.pidfd_send_signal

    def end_others(handle: int, number: int, *rest: Any) -> None:
        with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as file:
            if f"Pid:\t{process.pid}\n" not in file.read():
                end(handle, number, *rest)

    monkeypatch.setattr(signal, "pidfd_send_signal", end_others)
    yield process
    process.kill()
    process.wait()


def test_the_others_are_recovered_meanwhile_and_it_is_said_once(
    opened: tuple[Home, list[Event]], stuck: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, events = opened
    recovering = recovery(home)
    assert recovering.run() == set()
    start = time.monotonic()
    assert recovering.run() == set()
    assert time.monotonic() - start < 0.9  # its patience is over
    trouble, recovered = events
    assert isinstance(trouble, Trouble)
    assert f"process {stuck.pid} of a dead worker was killed, but does not end" in trouble.error
    assert recovered == JobRecovered("b", "jobrunner was stopped while it ran", condemned=False, worker_pid=1001)
    assert [(job.state, job.worker_id) for job in map(home.store.jobs.find, ("a", "b")) if job] == [
        ("running", 1),
        ("queued", None),
    ]
    os.kill(stuck.pid, signal.SIGKILL)
    stuck.wait()
    assert recovering.run() == set()
    assert [job.state for job in map(home.store.jobs.find, ("a", "b")) if job] == ["queued", "queued"]
