import os
from pathlib import Path

from jobrunner.linux.mounts import Mount, mount_of, parse_mounts

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
    assert MOUNTS[38] == Mount("/mnt/my share", "nfs4", "0:33", "/", ("rw", "vers=4.2", "rsize=1048576", "hard"))
    assert MOUNTS[39] == Mount("/mnt/smb", "cifs", "0:34", "/sub", ("rw", "vers=3.1.1", "cache=strict"))
    assert MOUNTS[44][:3] == ("/var/lib/x", "overlay", "0:38")
    assert len(MOUNTS) == len(RECORDED.splitlines())


def test_the_mount_of_a_folder_is_the_one_that_it_is_on(tmp_path: Path) -> None:
    for folder, kind in (("/proc", "proc"), ("/dev/shm", "tmpfs")):
        device = os.stat(folder).st_dev
        found = mount_of(folder)
        assert found is not None
        assert found[:4] == (folder, kind, f"{os.major(device)}:{os.minor(device)}", "/")
    (tmp_path / "link").symlink_to("/proc/self")
    assert mount_of(str(tmp_path / "link")) == mount_of("/proc")
    here = mount_of(str(tmp_path))
    assert here is not None
    assert os.path.ismount(here.point)
