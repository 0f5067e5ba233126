"""What the kernel tells of an inbox, and what it cannot tell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobrunner.files.arrivals import Arrivals
from jobrunner.linux import mounts
from jobrunner.linux.mounts import Mount
from jobrunner.linux.waiting import ready


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def arrivals(inbox: Path) -> Arrivals:
    arrivals = Arrivals(str(inbox))
    assert not arrivals.watch()
    assert arrivals.watch()
    return arrivals


def test_what_comes_is_named_however_it_comes(inbox: Path, arrivals: Arrivals, tmp_path: Path) -> None:
    assert arrivals.take() == set()
    (inbox / "made").mkdir()
    (tmp_path / "p").mkdir()
    (tmp_path / "p").rename(inbox / "moved")
    (inbox / "p-downloading").mkdir()
    (inbox / "p-downloading").rename(inbox / "renamed")
    assert ready(arrivals.descriptors, 0)
    assert arrivals.take() == {"made", "moved", "p-downloading", "renamed"}
    (inbox / "moved").chmod(0o711)
    assert arrivals.take() == {"moved"}
    (inbox / "moved").rename(tmp_path / "taken")
    assert arrivals.take() == set()


def test_an_inbox_that_is_moved_or_removed_has_to_be_looked_at(inbox: Path, arrivals: Arrivals, tmp_path: Path) -> None:
    inbox.rename(tmp_path / "elsewhere")
    inbox.mkdir()
    assert arrivals.is_elsewhere()
    assert arrivals.take() is None
    assert not arrivals.watch()
    (tmp_path / "elsewhere" / "p").mkdir()
    assert arrivals.take() == set()
    (inbox / "p").mkdir()
    assert arrivals.take() == {"p"}
    shutil.rmtree(inbox)
    assert arrivals.take() is None
    assert arrivals.is_elsewhere()
    with pytest.raises(FileNotFoundError):
        arrivals.watch()


def test_more_than_the_kernel_keeps_has_to_be_looked_for(inbox: Path, arrivals: Arrivals) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    for name in ("a", "b"):
        (inbox / name).mkdir()
    for number in range(most + 1):
        os.utime(inbox / "ab"[number % 2])
    assert arrivals.take() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_an_inbox_over_which_another_is_mounted_is_another(inbox: Path, arrivals: Arrivals, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    if subprocess.run(["mount", "--bind", tmp_path / "disk", inbox], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert arrivals.is_elsewhere()
        assert not arrivals.watch()
        assert not arrivals.is_elsewhere()
        (tmp_path / "disk" / "p").mkdir()
        assert arrivals.take() == {"p"}
    finally:
        arrivals.close()
        subprocess.run(["umount", inbox], check=True)
    assert arrivals.is_elsewhere()


def test_a_network_filesystem_tells_nothing(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = mounts.mount_id(os.open(inbox, os.O_RDONLY))
    assert number is not None
    there = {number: Mount(str(inbox), "nfs4", "0:99", "/", ())}
    monkeypatch.setattr(mounts, "mounts", lambda: there)  # what the kernel says of a share, which is not to be had here
    arrivals = Arrivals(str(inbox))
    assert not arrivals.watch()
    assert arrivals.descriptors == ()
    assert arrivals.take() == set()
    assert arrivals.deaf_because == "it is on nfs4, a network filesystem, which does not tell what other machines do"
