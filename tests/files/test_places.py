import os
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.files import places
from jobrunner.files.places import Mount, mount_of, parse_mounts

# As the kernel wrote them on machines that have such mounts.
RECORDED = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
31 22 0:27 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw,size=24684084k,inode64
38 22 0:33 / /mnt/my\\040share rw,relatime shared:90 - nfs4 server:/export rw,vers=4.2,rsize=1048576,hard
39 22 0:34 /sub /mnt/smb rw,relatime shared:91 master:2 - cifs //nas/scans rw,vers=3.1.1,cache=strict
40 22 0:35 / /mnt/host rw,relatime - virtiofs hostshare rw
41 22 0:36 / /mnt/c rw,noatime - 9p C:\\134 rw,dirsync,aname=drvfs;path=C:\\
42 22 0:37 / /home/ann/remote rw,nosuid,nodev,relatime - fuse.sshfs ann@lab:/data rw,user_id=1000,group_id=1000
43 22 8:17 / /media/usb rw,relatime - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,allow_other
44 22 0:38 / /var/lib/x rw,relatime - overlay overlay rw,lowerdir=/l - odd,upperdir=/u
45 22 0:39 /@home /home rw,relatime shared:40 - btrfs /dev/sda2 rw,subvolid=257
46 22 0:40 / /mnt/bucket rw - fuse s3fs rw
"""

MOUNTS = parse_mounts(RECORDED)


def test_the_mounts_are_read_with_odd_names_and_optional_fields() -> None:
    assert MOUNTS[38] == Mount("/mnt/my share", "nfs4")
    assert MOUNTS[39] == Mount("/mnt/smb", "cifs")
    assert MOUNTS[44] == Mount("/var/lib/x", "overlay")
    assert len(MOUNTS) == len(RECORDED.splitlines())


def test_of_the_recorded_mounts_those_of_this_machine_are_safe() -> None:
    unsafe = {mount.kind for mount in MOUNTS.values() if mount.unsafe}
    assert unsafe == {"nfs4", "cifs", "virtiofs", "9p", "fuse.sshfs", "fuse"}


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "lustre", "gpfs", "beegfs", "afs", "vboxsf"]
    + [f"fuse.{program}" for program in ("sshfs", "glusterfs", "s3fs", "rclone", "davfs2", "nobody-knows")],
)
def test_what_does_not_keep_our_promises_is_unsafe(kind: str) -> None:
    assert Mount("/mnt", kind).unsafe


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "bcachefs", "fuseblk", "fuse.fuse-overlayfs"]
)
def test_filesystems_of_this_machine_are_safe(kind: str) -> None:
    assert Mount("/mnt", kind).unsafe is None


def test_the_mount_of_a_folder_is_the_one_that_it_is_on(tmp_path: Path) -> None:
    assert mount_of("/proc") == Mount("/proc", "proc")
    assert mount_of("/dev/shm") == Mount("/dev/shm", "tmpfs")
    (tmp_path / "link").symlink_to("/proc/self")
    assert mount_of(str(tmp_path / "link")) == Mount("/proc", "proc")
    here = mount_of(str(tmp_path))
    assert here is not None
    assert os.path.ismount(here.point)


def test_what_we_can_write_is_said_to_be_ours(tmp_path: Path) -> None:
    places.check_writable("the folder", str(tmp_path))
    places.check_database(tmp_path / "new.db")
    places.check_work(str(tmp_path / "work"), str(tmp_path))


def test_a_read_only_filesystem_is_named_as_such() -> None:
    read_only = [mount.point for mount in mounts_here() if os.path.isdir(mount.point) and is_read_only(mount.point)]
    if not read_only:
        pytest.skip("nothing is mounted read-only here")
    with pytest.raises(ConfigurationError, match=r"the folder \(.*\) is on a filesystem that is mounted read-only"):
        places.check_writable("the folder", read_only[0])


def mounts_here() -> list[Mount]:
    return list(parse_mounts(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")).values())


def is_read_only(point: str) -> bool:
    try:
        return bool(os.statvfs(point).f_flag & os.ST_RDONLY)
    except OSError:
        return False
