"""What a sender keeps of a delivery (open files and folders, links, memory) changes nothing of what is done."""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hostile.people import READER, SENDER
from tests.hostile.support import USER, USER_ACROSS, HostileHome, places, state
from tests.support import RECEIPT, wait_until

WAITING = """
touch "$JOBRUNNER_HOME/started"
while [ ! -e "$JOBRUNNER_HOME/go" ]; do sleep 0.02; done
"""
BEFORE = b"before " * 1000


class Kept(NamedTuple):
    """Of one package, all that its sender may hold on to."""

    files: list[int]
    folders: list[int]
    links: list[Path]
    memory: mmap.mmap

    def use(self) -> None:
        """Change all that can be changed by any of it."""
        with SENDER.acting():
            self.memory[:5] = b"AFTER"
            for descriptor in self.files:
                with suppress(OSError):
                    os.pwrite(descriptor, b"AFTER", 0)
                    os.ftruncate(descriptor, 10_000)
                    os.fchmod(descriptor, 0o4777)
                    os.utime(descriptor)
            for folder in self.folders:
                for name in ("notes", "more", "p.zip", "data.txt", "error.txt"):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=folder)
                with suppress(OSError):
                    os.close(os.open("planted", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
                with suppress(OSError):
                    os.fchmod(folder, 0o777)
            for link in self.links:
                with suppress(OSError):
                    link.write_bytes(b"AFTER")
                    link.chmod(0o666)


def deliver_and_keep(home: HostileHome) -> Kept:
    package = home.deliver("p", beside={"notes": BEFORE, "sub/more": BEFORE}, to=home.stash)
    paths = [package / "p.zip", package / "notes", package / "sub" / "more"]
    links = [home.stash / f"link-{number}" for number in range(len(paths))]
    with SENDER.acting():
        for path, link in zip(paths, links, strict=True):
            os.link(path, link)
    files = [home.held(path, os.O_RDWR) for path in paths]
    folders = [home.held(path) for path in (package, package / "sub")]
    with SENDER.acting():
        memory = mmap.mmap(files[1], 100)
        home.arrive(package)
    return Kept(files, folders, links, memory)


@places()
def test_what_is_archived_stays_as_it_is(home: HostileHome) -> None:
    kept = deliver_and_keep(home)
    home.drain()
    archived = state(home.archive / "p")
    kept.use()
    assert state(home.archive / "p") == archived
    home.assert_all_is_well()


@places(USER, USER_ACROSS)
def test_what_has_failed_stays_as_it_is_and_so_it_is_tried_again(home: HostileHome) -> None:
    home.let('[ -e "$JOBRUNNER_HOME/good" ] || exit 65')
    kept = deliver_and_keep(home)
    zipped = (home.inbox / "p" / "p.zip").read_bytes()
    home.drain()
    failed = state(home.failed / "p")
    kept.use()
    assert state(home.failed / "p") == failed
    (home.path / "good").touch()
    home.jobrunner("retry", "p")
    home.drain()
    archived = home.archive / "p"
    kept.use()
    assert (archived / "p.zip").read_bytes() == zipped
    assert (archived / "notes").read_bytes() == (archived / "sub" / "more").read_bytes() == BEFORE
    assert sorted(os.listdir(archived)) == [RECEIPT, "data.txt", "notes", "p.zip", "sub"]
    home.assert_all_is_well()


@places(USER, USER_ACROSS)
def test_what_the_handler_works_on_stays_as_it_is(home: HostileHome) -> None:
    home.let(WAITING)
    kept = deliver_and_keep(home)
    zipped = (home.inbox / "p" / "p.zip").read_bytes()
    process = home.start("run", "--drain")
    wait_until((home.path / "started").exists)
    kept.use()
    (home.path / "go").touch()
    process.communicate(timeout=60)
    archived = home.archive / "p"
    assert (archived / "p.zip").read_bytes() == zipped
    assert (archived / "notes").read_bytes() == (archived / "sub" / "more").read_bytes() == BEFORE
    assert sorted(os.listdir(archived)) == [RECEIPT, "data.txt", "notes", "p.zip", "sub"]
    home.assert_all_is_well()


def test_nobody_else_sees_into_the_work_on_it(home: HostileHome) -> None:
    home.before = ["sh", "-c", 'umask 000; exec "$@"', "sh"]
    home.let(WAITING)
    home.deliver()
    process = home.start("run", "--drain")
    wait_until((home.path / "started").exists)
    for other in (READER, SENDER):
        with other.acting(), pytest.raises(PermissionError):
            os.listdir(home.work / "1-1")
    (home.path / "go").touch()
    process.communicate(timeout=60)
    home.assert_all_is_well()
