import os
import subprocess
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.files import places
from jobrunner.linux.mounts import Mount, mounts
from tests.messages import complaint
from tests.support import TestHome


@pytest.mark.parametrize(
    "kind",
    [
        "fuse",
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "virtiofs",
        "ceph",
        "lustre",
        "gpfs",
        "beegfs",
        "afs",
        "vboxsf",
    ]
    + [f"fuse.{program}" for program in ("sshfs", "glusterfs", "s3fs", "rclone", "davfs2", "nobody-knows")],
)
def test_what_does_not_keep_our_promises_is_unsafe(kind: str) -> None:
    assert places.unsafe(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "bcachefs", "fuseblk", "fuse.fuse-overlayfs"]
)
def test_filesystems_of_this_machine_are_safe(kind: str) -> None:
    assert places.unsafe(kind) is None


def test_what_we_can_write_is_said_to_be_ours(tmp_path: Path) -> None:
    places.check_writable("the folder", str(tmp_path))
    places.check_database(tmp_path / "new.db")


def test_a_read_only_filesystem_is_named_as_such() -> None:
    read_only = [mount.point for mount in mounts_here() if os.path.isdir(mount.point) and is_read_only(mount.point)]
    if not read_only:
        pytest.skip("nothing is mounted read-only here")
    with pytest.raises(ConfigurationError, match=r"the folder \(.*\) is on a filesystem that is mounted read-only"):
        places.check_writable("the folder", read_only[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_folders_that_a_full_disk_has_no_room_for_are_said_in_one_line(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=4", "none", tmp_path], check=True)
    try:
        home = TestHome(tmp_path / "home")
        home.configure("")  # with the disk's own folder, the home and its inbox, this is the last that it holds
        assert "a folder cannot be made: No space left on device" in complaint(home.jobrunner("scan"))
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def mounts_here() -> list[Mount]:
    return list(mounts().values())


def is_read_only(point: str) -> bool:
    try:
        return bool(os.statvfs(point).f_flag & os.ST_RDONLY)
    except OSError:
        return False
