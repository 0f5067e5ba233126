"""Rights in archive and failed are the service's to set, whatever the sender gives its files and the umask is."""

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.people import SENDER
from tests.hostile.support import (
    AS_ROOT,
    ROOT_ACROSS,
    SECRET,
    USER,
    USER_ACROSS,
    HostileHome,
    files_below,
    places,
)

MODES = {
    "set-user-id": 0o4775,
    "set-group-id": 0o2775,
    "sticky": 0o1664,
    "world-writable": 0o666,
    "program": 0o755,
    "for-the-group": 0o660,
}
FOLDER_MODES = {"folder": 0o2775, "folder/open": 0o777}
OLD = 1_234_567_890_123_456_789


def access_list(user: int, rights: int = 7) -> bytes:
    """An access control list by which one more user has these rights (acl(5); as the kernel has it, version 2)."""
    nobody = 0xFFFFFFFF
    entries = [(1, rights, nobody), (2, rights, user), (4, rights, nobody), (0x10, rights, nobody), (0x20, 4, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def capability() -> bytes:
    """What makes a program run with CAP_SYS_ADMIN (capabilities(7); revision 2, effective)."""
    return struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)


def rough(home: HostileHome, name: str) -> dict[str, bytes]:
    """Deliver a package with all the rights that there are; return what of its extended attributes must be kept."""
    files = {mode: mode.encode() for mode in MODES}
    beside = files | {"folder/set-user-id": b"", "folder/open/file": b""}
    package = home.deliver(name, beside=beside, to=home.stash)
    kept = {}
    with SENDER.acting():
        for path, mode in (MODES | FOLDER_MODES).items():
            (package / path).chmod(mode)
        (package / "folder" / "set-user-id").chmod(0o6755)
        with suppress(OSError):  # not every filesystem has them
            os.setxattr(package / "program", "user.note", b"mine")
            kept["user.note"] = b"mine"
    for path, attribute, value in [
        ("for-the-group", "system.posix_acl_access", access_list(SENDER.uid, 6)),
        ("folder", "system.posix_acl_access", access_list(SENDER.uid)),
        ("folder", "system.posix_acl_default", access_list(SENDER.uid)),
        ("program", "security.capability", capability()),
        ("program", "trusted.note", b"root's"),
        ("folder/open", "trusted.note", b"root's"),
    ]:
        with suppress(OSError):
            os.setxattr(package / path, attribute, value)
    with SENDER.acting():
        for path in (*beside, f"{name}.zip"):
            os.utime(package / path, ns=(OLD, OLD))
        home.arrive(package)
    return kept


@pytest.mark.parametrize(
    ("home", "umask"),
    [(USER, "022"), (USER, "000"), (USER_ACROSS, "077"), (AS_ROOT, "077"), (ROOT_ACROSS, "000")],
    indirect=["home"],
    ids=str,
)
def test_they_are_set_whatever_they_were(home: HostileHome, umask: str) -> None:
    home.before = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
    home.let('[ "$JOBRUNNER_PACKAGE" = good ] || exit 65')
    kept = rough(home, "good")
    rough(home, "bad")
    home.drain()
    assert home.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 1, "failed": 1}
    assert (home.archive / "good" / "set-user-id").stat().st_mode & 0o7022 == 0
    home.assert_all_is_well()
    for package in (home.archive / "good", home.failed / "bad"):
        for path in [package, *files_below(package)]:
            wanted = kept if path.name == "program" else {}
            assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == wanted, path
        for name, mode in MODES.items():
            assert (package / name).read_bytes() == name.encode()
            assert bool((package / name).stat().st_mode & 0o111) == bool(mode & 0o111), name
        for name in (*MODES, f"{package.name}.zip", "folder/open/file"):
            assert (package / name).stat().st_mtime_ns == OLD, name


@places(USER, AS_ROOT)
def test_a_hard_link_makes_nothing_readable(home: HostileHome) -> None:
    package = home.deliver("p", beside={"mine": b"mine"}, to=home.stash)
    os.link(home.private / "secret", package / "theirs")
    with SENDER.acting():
        home.arrive(package)
    before = (home.private / "secret").stat()
    for _ in range(2):
        home.drain()
        home.ended()
        for folder in (home.archive, home.failed):
            for path in files_below(folder):
                if path.is_file() and path.read_bytes() == SECRET:
                    assert path.stat().st_mode & 0o077 == 0, path
        home.jobrunner("retry", "p")
    after = (home.private / "secret").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert (home.private / "secret").read_bytes() == SECRET


@places(USER, USER_ACROSS, AS_ROOT)
def test_a_read_only_folder_of_the_services_own_is_archived(home: HostileHome) -> None:
    only_the_services(home)
    beside = {"read-only/mine": b"mine", "read-only/deeper/mine": b"mine", "another/mine": b"mine"}
    package = home.deliver("p", {"read-only/member": "m"}, beside, by=home.user, umask=0o022)
    for folder in ("read-only/deeper", "read-only", "another"):
        (package / folder).chmod(0o555)
    home.drain()
    assert home.ended()["state"] == "done"
    assert [(home.archive / "p" / path).read_bytes() for path in beside] == [b"mine"] * 3
    assert (home.archive / "p" / "read-only" / "member").read_bytes() == b"m"


Touch = Callable[[HostileHome, Path], object]


def let_the_private_group_write(_home: HostileHome, package: Path) -> None:
    package.chmod(0o775)
    (package / "mine").chmod(0o664)


def share_a_folder(_home: HostileHome, package: Path) -> None:
    os.chown(package / "folder", -1, 23010)
    (package / "folder").chmod(0o775)


def give_a_folder_to_the_sender(_home: HostileHome, package: Path) -> None:
    os.chown(package / "folder", SENDER.uid, -1)
    (package / "folder").chmod(0o777)


OURS: dict[str, Touch] = {
    "for nobody else": lambda home, package: None,
    "for its private group": let_the_private_group_write,
}
OTHERS: dict[str, Touch] = {
    "world-writable file": lambda home, package: (package / "mine").chmod(0o666),
    "world-writable folder": lambda home, package: (package / "folder").chmod(0o777),
    "shared group": share_a_folder,
    "a file of the sender's": lambda home, package: os.chown(package / "folder" / "mine", SENDER.uid, -1),
    "a folder of the sender's": give_a_folder_to_the_sender,
    "access list": lambda home, package: os.setxattr(
        package / "mine", "system.posix_acl_access", access_list(SENDER.uid)
    ),
    "a second link": lambda home, package: os.link(package / "mine", home.stash / "mine"),
}


@pytest.mark.parametrize("touch", OURS.values(), ids=list(OURS))
@places(USER, AS_ROOT)
def test_what_is_the_services_own_is_renamed(home: HostileHome, touch: Touch) -> None:
    assert inodes_after(home, touch, "service:x:23001:\n") == "as before"


@pytest.mark.parametrize("touch", OTHERS.values(), ids=list(OTHERS))
@places(USER)
def test_what_others_may_change_is_copied(home: HostileHome, touch: Touch) -> None:
    assert inodes_after(home, touch, "service:x:23001:\n") == "new"


def test_a_private_group_with_another_member_is_not_private(home: HostileHome) -> None:
    touch = OURS["for its private group"]
    assert inodes_after(home, touch, "service:x:23001:sender\n") == "new"


def test_a_private_group_that_is_anothers_too_is_not_private(home: HostileHome) -> None:
    touch = OURS["for its private group"]
    assert inodes_after(home, touch, "service:x:23001:\n", sender_group=23001) == "new"


def inodes_after(home: HostileHome, touch: Touch, group: str, sender_group: int = SENDER.uid) -> str:
    """Have a package of the service's own archived; say whether its files are the same ones.

    jobrunner is run where users and groups have names and members: in a mount namespace with an /etc of its own.
    """
    (home.path.parent / "group").write_text(
        f"root:x:0:\n{group}sender:x:{SENDER.uid}:\nexchange:x:23010:service,sender\n"
    )
    (home.path.parent / "passwd").write_text(
        f"root:x:0:0::/:/bin/sh\nservice:x:23001:23001::/:/bin/sh\nsender:x:{SENDER.uid}:{sender_group}::/:/bin/sh\n"
    )
    mounts = 'for file in group passwd; do mount --bind "$1/$file" "/etc/$file" || exit; done; shift; exec "$@"'
    private = ["unshare", "--mount", "--propagation", "private"]
    home.before = [*private, "sh", "-c", mounts, "sh", str(home.path.parent)]
    only_the_services(home)
    beside = {"mine": b"mine", "folder/mine": b"mine"}
    package = home.deliver("p", beside=beside, to=home.path, by=home.user, umask=0o022)
    touch(home, package)
    paths = ["p.zip", *beside]
    before = [(package / path).stat().st_ino for path in paths]
    home.arrive(package)
    home.drain()
    assert home.ended()["state"] == "done"
    after = [(home.archive / "p" / path).stat().st_ino for path in paths]
    if after == before:
        return "as before"
    return "some of each" if set(before) & set(after) else "new"


def only_the_services(home: HostileHome) -> None:
    """Let nobody but the service's user write to the inbox."""
    os.chown(home.inbox, home.user.uid, home.user.uid)
    home.inbox.chmod(0o755)
