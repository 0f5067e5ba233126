"""A home that others could change is refused, whoever they are and wherever on the way to it; and ours is not."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.messages import complaint
from tests.users import ROOT, User, UsersHome

LAB = 23777
SERVICE, OTHER = User(23101, (LAB,)), User(23102, (LAB,))
_ACL = "system.posix_acl_access"


@pytest.fixture
def home(public_path: Path, python: list[str]) -> UsersHome:
    """A home of the service's in a folder of root's."""
    above = public_path / "above"
    above.mkdir(mode=0o755)
    made = UsersHome(above / "home", SERVICE, python)
    made.configure("")
    SERVICE.owns(made.path, 0o755)
    return made


def scanned(home: UsersHome, **environment: str) -> str:
    """Return what `scan` complained of, "" where it did its work."""
    result = home.jobrunner("scan", environment=environment)
    return "" if result.returncode == 0 else complaint(result)


def acl(path: Path, *entries: tuple[int, int, int]) -> None:
    """Set an access control list (acl(5)): owner, group and others may not write; a mask; and these entries."""
    basis = [(0x01, 7, 0xFFFFFFFF), (0x04, 5, 0xFFFFFFFF), (0x10, 7, 0xFFFFFFFF), (0x20, 5, 0xFFFFFFFF)]
    packed = (struct.pack("<HHI", *entry) for entry in sorted([*basis, *entries]))
    os.setxattr(path, _ACL, struct.pack("<I", 2) + b"".join(packed))


def open_to(path: Path, mode: int, group: int = 0) -> None:
    os.chown(path, -1, group)
    path.chmod(mode)


ATTACKED: dict[str, tuple[Callable[[Path], object], str]] = {
    "the home, by everybody": (lambda home: open_to(home, 0o777), "chmod g-w,o-w {home}"),
    "the home, by everybody, sticky": (lambda home: open_to(home, 0o1757), "chmod o-w {home}"),
    "the home, by a group": (
        lambda home: open_to(home, 0o775, LAB),
        f'chmod g-w {{home}}; or, to trust that group: [folders] trusted_groups = ["{LAB}"]',
    ),
    "above, by everybody": (lambda home: open_to(home.parent, 0o757), "chmod o-w {home.parent}"),
    "above, by a group": (lambda home: open_to(home.parent, 0o775, LAB), "chmod g-w {home.parent}; or, to trust"),
    "above, its owner": (lambda home: os.chown(home.parent, OTHER.uid, 0), f"belongs to user {OTHER.uid}"),
    "the home, by a user of its ACL": (lambda home: acl(home, (0x02, 7, OTHER.uid)), f"setfacl -x u:{OTHER.uid} "),
    "the home, by a group of its ACL": (lambda home: acl(home, (0x08, 7, LAB)), f"setfacl -x g:{LAB} "),
    "the settings": (lambda home: open_to(home / "jobrunner.toml", 0o664, LAB), "chmod g-w {home}/jobrunner.toml"),
    "the settings, its owner": (lambda home: os.chown(home / "jobrunner.toml", OTHER.uid, 0), "jobrunner.toml belongs"),
    "the database": (lambda home: open_to(home / "jobrunner.db", 0o602), "chmod o-w {home}/jobrunner.db"),
    "work": (lambda home: open_to(home / "work", 0o757), "chmod o-w {home}/work"),
    "archive": (lambda home: open_to(home / "archive", 0o757), "chmod o-w {home}/archive"),
    "failed": (lambda home: open_to(home / "failed", 0o757), "chmod o-w {home}/failed"),
    "logs": (lambda home: open_to(home / "logs", 0o757), "chmod o-w {home}/logs"),
    "the inbox's link": (lambda home: linked_inbox(home, OTHER), "folders.inbox is reached through the link "),
}


def linked_inbox(home: Path, owner: User) -> None:
    """Put the inbox elsewhere, behind a link in a folder of this owner's."""
    theirs = home.parent / "theirs"
    (theirs / "real").mkdir(parents=True)
    (theirs / "link").symlink_to("real")
    owner.owns(theirs, 0o755)
    (home / "inbox").rmdir()
    (home / "inbox").symlink_to(theirs / "link")
    os.chown(home / "inbox", SERVICE.uid, SERVICE.uid, follow_symlinks=False)


@pytest.mark.parametrize("what", ATTACKED)
def test_what_others_could_change_is_refused_with_what_mends_it(home: UsersHome, what: str) -> None:
    """On the code before, each of these homes is run: another user replaces its settings, and with them the handler."""
    assert scanned(home) == ""
    attack, words = ATTACKED[what]
    attack(home.path)
    said = scanned(home)
    assert words.format(home=home.path) in said
    if "chmod" in words:  # the command that is printed mends it
        command = next(part for part in said.split(": ") if part.startswith("chmod")).split(";")[0]
        assert os.system(command) == 0
        assert scanned(home) == ""


def test_a_group_is_trusted_that_the_settings_name_but_not_with_the_settings(home: UsersHome) -> None:
    open_to(home.path, 0o775, LAB)
    open_to(home.path.parent, 0o775, LAB)
    home.configure(f'[folders]\ntrusted_groups = ["{LAB}"]\n')
    assert scanned(home) == ""
    open_to(home.path / "jobrunner.toml", 0o664, LAB)
    said = scanned(home)
    assert f"chmod g-w {home.path}/jobrunner.toml" in said
    assert "trusted_groups" not in said


def test_a_group_that_does_not_exist_is_named(home: UsersHome) -> None:
    assert "there is no group no-such" in scanned(home, JOBRUNNER_FOLDERS_TRUSTED_GROUPS="no-such")
    assert "there is no group no-such" in scanned(home, JOBRUNNER_DATABASE_GROUP="no-such")


def test_a_group_that_jobrunner_is_not_in_cannot_be_made_readers(home: UsersHome) -> None:
    assert "is not in that group" in scanned(home, JOBRUNNER_DATABASE_GROUP="23999")


def test_a_sticky_folder_above_is_well(home: UsersHome) -> None:
    open_to(home.path.parent, 0o1777)
    assert scanned(home) == ""


def test_umask_002_with_a_group_of_ones_own_needs_no_setting(home: UsersHome) -> None:
    home.package("p")
    SERVICE.owns(home.path, 0o775)
    SERVICE.owns(home.inbox, 0o2770)
    result = home.jobrunner("run", "--drain", umask=0o002)
    assert (result.returncode, home.by(ROOT).jobrunner("show", "p").returncode) == (0, 0), result.stderr


def test_an_inbox_may_be_anybodys_and_so_may_a_link_in_it_be_that_is_ours(home: UsersHome) -> None:
    open_to(home.inbox, 0o777, LAB)
    assert scanned(home) == ""
    linked_inbox(home.path, SERVICE)
    assert scanned(home) == ""


def test_a_status_of_the_owners_is_refused_only_for_what_it_uses(home: UsersHome) -> None:
    assert scanned(home) == ""
    open_to(home.path / "archive", 0o777)
    assert home.jobrunner("status").returncode == 0
    open_to(home.path, 0o777)
    complaint(home.jobrunner("status"))
