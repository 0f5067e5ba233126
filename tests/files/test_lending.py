"""A data folder that is lent to another user and taken back, with what that one may have done in it."""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from jobrunner.files.lending import lend, take_back

UID, GID = 12345, 12346

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def data(public_path: Path) -> Path:
    """A data folder in a work folder that is private, as it is before the handler starts."""
    work = public_path / "1-1"
    work.mkdir(mode=0o700)
    made = work / "data"
    (made / "in").mkdir(parents=True)
    (made / "in/deep.txt").write_text("deep")
    (made / "data.txt").write_text("data")
    (made / "secret").mkdir(mode=0o700)
    return made


def owned(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def all_below(path: Path) -> list[Path]:
    return [path, *path.rglob("*")]


def as_borrower(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the user who has borrowed the folder, in that folder."""
    return subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        user=UID,
        group=GID,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_lent_belongs_to_the_borrower_and_nothing_else(data: Path) -> None:
    beside = data.parent / "package"
    beside.mkdir(mode=0o700)
    lend(str(data), UID, GID)
    assert {owned(path)[:2] for path in all_below(data)} == {(UID, GID)}
    assert owned(data.parent) == (0, GID, 0o710)
    assert owned(beside) == (0, 0, 0o700)
    result = as_borrower(f"echo new > {data}/in/new && ls {data}/secret && ! ls .. 2>&1 && ! ls ../package", data)
    assert result.returncode == 0, result


def test_what_is_taken_back_is_ours_and_others_may_only_read_it(data: Path) -> None:
    lend(str(data), UID, GID)
    script = """
cp /bin/true in/tool && chmod 6777 in/tool && chmod 1777 secret && chmod 0 data.txt &&
umask 0 && mkdir all && echo x > all/x
"""
    assert as_borrower(script, data).returncode == 0
    assert take_back(str(data)) is None
    assert {owned(path)[:2] for path in all_below(data)} == {(0, 0)}
    assert owned(data.parent) == (0, 0, 0o700)
    assert owned(data / "in/tool")[2] == 0o755
    assert owned(data / "secret")[2] == owned(data / "all")[2] == 0o755
    assert owned(data / "all/x")[2] == 0o644
    assert owned(data / "data.txt")[2] == 0


def _link(data: Path) -> None:
    os.symlink("/etc/passwd", data / "in/bad")


def _link_to_a_folder(data: Path) -> None:
    os.symlink("/etc", data / "in/bad")


def _fifo(data: Path) -> None:
    os.mkfifo(data / "in/bad")


def _socket(data: Path) -> None:
    here = os.getcwd()
    os.chdir(data / "in")  # its path may be too long for one
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("bad")
    os.chdir(here)


def _device(data: Path) -> None:
    os.mknod(data / "in/bad", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def _second_name(data: Path) -> None:
    outside = data.parent.parent / "foreign"
    outside.write_text("somebody else's")
    os.chown(outside, 23456, 23456)
    os.link(outside, data / "in/bad")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_link, "a symbolic link"),
        (_link_to_a_folder, "a symbolic link"),
        (_fifo, "a FIFO"),
        (_socket, "a socket"),
        (_device, "a device"),
        (_second_name, "a file with a second name (a hard link)"),
    ],
)
def test_what_is_no_file_of_its_own_is_named_and_the_rest_is_taken_back(
    data: Path, make: Callable[[Path], None], what: str
) -> None:
    lend(str(data), UID, GID)
    make(data)
    assert take_back(str(data)) == (
        f"the handler left {what}, where process.user allows only files and folders: in/bad"
    )
    assert {owned(path)[:2] for path in all_below(data) if path.name != "bad"} == {(0, 0)}
    assert owned(Path("/etc/passwd"))[2] == 0o644
    foreign = data.parent.parent / "foreign"
    assert not foreign.exists() or owned(foreign)[:2] == (23456, 23456)


def test_a_file_that_a_process_can_still_write_to_is_named(data: Path) -> None:
    lend(str(data), UID, GID)
    with open(data / "data.txt", "a") as held:
        refused = take_back(str(data))
        held.write("too late")
    assert refused is not None
    assert "a file that a process still writes to" in refused
    assert refused.endswith(": data.txt")
    with open(data / "data.txt"):
        assert take_back(str(data)) is None


def test_rights_that_an_acl_gives_are_gone(data: Path) -> None:
    lend(str(data), UID, GID)
    # user:23456:rwx, as setfacl writes it
    acl = bytes.fromhex("02000000 01000700ffffffff 02000700a05b0000 04000500ffffffff 10000700ffffffff 20000500ffffffff")
    try:
        for name in ("system.posix_acl_access", "system.posix_acl_default"):
            os.setxattr(data / "in", name, acl)
        os.setxattr(data / "data.txt", "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"this filesystem has no ACLs: {error}")
    assert take_back(str(data)) is None
    assert [os.listxattr(path) for path in (data / "in", data / "data.txt")] == [[], []]


def test_no_depth_and_no_length_of_a_path_is_too_much_and_few_descriptors_are_open(data: Path) -> None:
    folder = os.open(data, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a-name-of-some-length", dir_fd=folder)
        below = os.open("a-name-of-some-length", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, 0o666, dir_fd=folder), "w") as file:
        file.write("at the end")
    before = len(os.listdir("/proc/self/fd"))
    script = """
import os, resource, sys
from jobrunner.files.lending import lend, take_back
few = len(os.listdir("/proc/self/fd")) + 6
resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
sys.setrecursionlimit(150)
(lend if sys.argv[1] == "lend" else take_back)(sys.argv[2], *map(int, sys.argv[3:]))
"""
    for words, owner in ((["lend", str(data), "12345", "12346"], UID), (["take_back", str(data)], 0)):
        subprocess.run([sys.executable, "-c", script, *words], check=True)
        assert os.stat("file", dir_fd=folder).st_uid == os.fstat(folder).st_uid == owner
    os.close(folder)
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_a_folder_whose_place_a_link_has_taken_is_not_followed(data: Path) -> None:
    data.rename(data.parent / "elsewhere")
    os.symlink("elsewhere", data)
    for step in (partial(lend, str(data), UID, GID), partial(take_back, str(data))):
        with pytest.raises(OSError, match="Not a directory"):
            step()
    assert owned(data.parent / "elsewhere")[:2] == (0, 0)


def test_a_borrower_that_swaps_folders_all_the_time_gets_nothing_of_ours(data: Path) -> None:
    """For two seconds: a folder of its own in turn with a link to one that is not."""
    victim = data.parent.parent / "victim"
    victim.mkdir()
    (victim / "ours").write_text("ours")
    os.chown(victim / "ours", 23456, 23456)
    script = f"""
cd in; ln -s {victim} link; exec 2> /dev/null
while :; do mv -T deep aside; mv -T link deep; mv -T deep link; mv -T aside deep; done
"""
    lend(str(data), UID, GID)
    as_borrower("mkdir in/deep", data)
    swapping = subprocess.Popen(["/bin/sh", "-c", script], cwd=data, user=UID, group=GID, extra_groups=[])
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            take_back(str(data))
            assert owned(victim / "ours")[:2] == (23456, 23456)
            assert owned(victim)[:2] == (0, 0)
            os.chown(data / "in", UID, GID)
            os.chmod(data.parent, 0o711)
    finally:
        swapping.kill()
        swapping.wait()
