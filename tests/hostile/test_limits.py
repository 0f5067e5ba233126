"""Limits and free space hold for all that a sender delivers, also while it is still writing."""

import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.people import SENDER
from tests.hostile.support import (
    LONG_RACE,
    MEMBERS,
    ROOT_ACROSS,
    USER,
    USER_ACROSS,
    HostileHome,
    files_below,
    places,
    races_in,
)
from tests.support import wait_until

MEBI = 2**20


def blocks(folder: Path) -> int:
    """The bytes that what lies below a folder takes on the disk."""
    total = 0
    for path in files_below(folder):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:  # it is being moved
            continue
    return total


@places(USER, USER_ACROSS, ROOT_ACROSS)
def test_a_sparse_file_takes_no_more_than_it_took(home: HostileHome) -> None:
    package = home.deliver("p", to=home.stash)
    with SENDER.acting():
        with (package / "sparse").open("wb") as file:
            file.truncate(2**40)
            file.seek(2**39)
            file.write(b"in the middle")
        home.arrive(package)
    process = home.start("run", "--drain")
    wait_until(lambda: process.poll() is not None or blocks(home.path) > 256 * MEBI)
    assert blocks(home.path) < 256 * MEBI
    if home.ended()["state"] == "done":
        with (home.archive / "p" / "sparse").open("rb") as file:
            assert file.seek(0, os.SEEK_END) == 2**40
            file.seek(2**39)
            assert file.read(13) == b"in the middle"
    home.assert_all_is_well()


@places(USER, ROOT_ACROSS)
def test_what_is_over_a_limit_stays_in_the_inbox_until_it_or_the_limit_changes(home: HostileHome) -> None:
    home.let(extract__max_entries="100", extract__max_size='"1 MiB"')
    over = {
        "files": {f"file{number}": b"" for number in range(150)},
        "folders": {f"folder{number}/file": b"" for number in range(60)},
        "bytes": {"large": bytes(2 * MEBI)},
        "mended": {"large": bytes(2 * MEBI)},
    }
    for name, beside in over.items():
        home.deliver(name, MEMBERS, beside)
    for _ in range(2):  # it is not tried again and again
        home.drain()
        assert home.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 0, "failed": len(over)}
        assert home.delivered() == sorted(over)
        for name, beside in over.items():
            job = home.ended(name)
            assert len(job["attempts"]) <= 1
            assert str(home.inbox / name) in home.jobrunner("show", name).stdout.replace("\n", "")
            assert all((home.inbox / name / path).exists() for path in beside)
        assert home.check() == []
    with SENDER.acting():
        (home.inbox / "mended" / "large").write_bytes(b"small")
    home.drain()
    assert home.ended("mended")["state"] == "done"
    home.let()
    home.jobrunner("retry", "--all")
    home.drain()
    assert {name: home.ended(name)["state"] for name in over} == dict.fromkeys(over, "done")
    assert home.delivered() == []
    home.assert_all_is_well()


@races_in(USER_ACROSS)
def test_a_file_that_grows_while_it_is_copied_cannot_pass_the_limit(home: HostileHome) -> None:
    home.let(extract__max_size='"8 MiB"')
    package = home.deliver("p", beside={"growing": b""})
    file = home.held(package / "growing", os.O_WRONLY | os.O_APPEND)
    piece = bytes(MEBI)

    def grow() -> None:
        if os.fstat(file).st_size < 40 * MEBI:
            os.write(file, piece)

    home.race(grow)
    for folder in (home.archive, home.failed):
        assert blocks(folder) < 12 * MEBI
    if home.delivered() == []:
        home.assert_all_is_well()


@races_in(USER)
def test_a_zip_that_is_rewritten_while_it_is_read_cannot_pass_the_limit(home: HostileHome) -> None:
    """It says that a member is small, or that it is large, by turns; and never that it was changed."""
    home.let(extract__max_size='"8 MiB"')
    deep = "/".join(["x" * 250] * 14)
    with zipfile.ZipFile(home.path / "large.zip", "w", zipfile.ZIP_DEFLATED) as large:
        for number in range(1_300):  # with such paths, more than are kept in memory
            large.writestr(f"{deep}/{number}", b"")
        large.writestr("bomb", bytes(64 * MEBI))
        bomb = large.getinfo("bomb")
    content = (home.path / "large.zip").read_bytes()
    record = content.rindex(b"PK\1\2")
    says_large = content[record + 16 : record + 28]
    says_small = (1).to_bytes(4, "little") + (3).to_bytes(4, "little") + (1).to_bytes(4, "little")
    local = bomb.header_offset + 14
    files = []
    for number in range(16):
        package = home.deliver(f"p{number}", to=home.stash)
        (package / f"p{number}.zip").write_bytes(content[:local] + says_small + content[local + 12 :])
        with SENDER.acting():
            home.arrive(package)
        files.append(home.held(home.inbox / f"p{number}" / f"p{number}.zip", os.O_RDWR))
    times = os.fstat(files[0]).st_mtime_ns

    def say() -> None:
        for what in (says_large, says_small):
            for file in files:
                os.pwrite(file, what, record + 16)
                os.utime(file, ns=(times, times))

    home.race(say, seconds=LONG_RACE)
    assert max(map(blocks, home.archive.iterdir()), default=0) < 10 * MEBI
    for number in range(16):
        home.ended(f"p{number}")


@pytest.fixture
def disk(home: HostileHome) -> Iterator[Path]:
    """Have the home on a disk of 24 MiB that only jobrunner sees at its place; return where others see it."""
    mount = 'mount -t tmpfs -o size=24m,mode=755 tmpfs "$1" && cp -a "$2/." "$1" && echo done && exec sleep 1000'
    aside = home.path.with_name("aside")
    home.path.rename(aside)
    home.path.mkdir()
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh", str(home.path), str(aside)]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline() == b"done\n"
    home.before = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--"]
    yield Path(f"/proc/{holder.pid}/root{home.path}")
    home.end_all()
    holder.kill()
    holder.communicate()


@places(USER_ACROSS)
def test_space_is_kept_free_while_a_package_is_copied(home: HostileHome, disk: Path) -> None:
    settings = (disk / "jobrunner.toml").read_text()
    (disk / "jobrunner.toml").write_text(f'{settings}\n[extract]\nkeep_free = "12 MiB"\n')
    home.deliver("p", beside={"large": bytes(18 * MEBI)})
    process = home.start("run", "--drain")
    free = []

    def look() -> None:
        space = os.statvfs(disk)
        free.append(space.f_bavail * space.f_frsize)

    def is_told() -> bool:
        look()
        if len(free) % 30:
            return False
        status = home.status()
        look()
        return bool(status["waiting"] or status["troubles"] or status["failed"])

    wait_until(is_told)
    assert min(free) > 10 * MEBI
    assert not (disk / "archive" / "p").exists()
    process.kill()
    process.communicate()
