"""A sender that keeps others waiting, or that never stops writing, holds up nothing but its own package."""

import fcntl
import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest

from tests.hostile.people import SENDER, attack
from tests.hostile.support import ROOT_ACROSS, USER, USER_ACROSS, HostileHome, places
from tests.support import PATIENCE, wait_until


@pytest.fixture
def leases() -> Iterator[None]:
    """The kernel tells the holder of a lease by SIGIO that somebody wants it to end; we do not listen."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGIO, before)


@places(USER, ROOT_ACROSS)
def test_a_lease_on_a_file_keeps_no_other_package_waiting(home: HostileHome, leases: None) -> None:
    """Whoever opens the file without O_NONBLOCK waits for 45 s, and its worker with it (fcntl(2), F_SETLEASE)."""
    held = []
    for name, part in [("a-zip", "a-zip.zip"), ("a-file", "mine")]:
        package = home.deliver(name, beside={"mine": b"mine"})
        held.append(home.held(package / part, os.O_RDWR))
        with SENDER.acting():
            fcntl.fcntl(held[-1], fcntl.F_SETLEASE, fcntl.F_WRLCK)
    home.deliver("good")
    process = home.start("run", "--drain")
    wait_until(lambda: home.jobrunner("show", "--json", "good").stdout.count('"state": "done"'))
    for file in held:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    process.communicate(timeout=PATIENCE * 3)
    home.drain()
    home.ended("a-zip")
    home.ended("a-file")
    home.assert_all_is_well()


@places(USER, USER_ACROSS)
def test_a_folder_into_which_is_written_for_ever_does_not_keep_its_job_from_ending(home: HostileHome) -> None:
    home.let(retry__backoff='"0.1s"', retry__max_backoff='"0.1s"')
    package = home.deliver("p", {"sub/member": "m"}, {"sub/mine": b""})
    folder = home.held(package / "sub")
    numbers = count()

    def write() -> None:
        number = next(numbers)
        os.close(os.open(f"new{number}", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.unlink(f"new{number - 20}", dir_fd=folder)

    with attack(SENDER, write):
        process = home.start("run", "--drain")
        process.communicate(timeout=PATIENCE * 3)
        job = home.ended()  # done where it was whole for a moment
        assert job["state"] == "done" or "changed while it was" in job["error"], job
        assert job["state"] == "done" or job["error"].endswith("and so at each of 10 tries"), job
    home.drain()
    home.assert_all_is_well()
