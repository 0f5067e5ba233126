"""The rights and the group of all that goes to archive and failed."""

import grp
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import FolderSettings
from jobrunner.files.package_rights import Rights, rights_of
from tests.support import TestHome

#: A group that we may give, another one than files get by themselves where there is one.
OURS = next(
    (
        group
        for group in grp.getgrall()
        if group.gr_gid != os.getegid() and (os.geteuid() == 0 or group.gr_gid in os.getgroups())
    ),
    grp.getgrgid(os.getegid()),
)


def test_a_group_of_ours_is_given_to_folders_and_files(tmp_path: Path) -> None:
    rights = rights_of(replace(FolderSettings(), mode=0o750, group=OURS.gr_name))
    assert rights == Rights(0o750, OURS.gr_gid)
    rights.make_folder(str(tmp_path / "folder"))
    status = (tmp_path / "folder").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o750 | stat.S_ISGID, OURS.gr_gid)
    file = tmp_path / "file"
    file.write_bytes(b"")
    with file.open() as opened:
        rights.give(opened.fileno(), 0o100777)
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o750, OURS.gr_gid)


def test_a_group_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^folders.group: there is no group no-such on this machine$"):
        rights_of(replace(FolderSettings(), group="no-such"))


def test_what_is_archived_belongs_to_the_group(home: TestHome) -> None:
    home.configure(f'[folders]\ngroup = "{OURS.gr_name}"\nmode = "0750"\n')
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    for path in (home.archive / "p", home.archive / "p/p.zip"):
        assert path.stat().st_gid == OURS.gr_gid
        assert not path.stat().st_mode & stat.S_IRWXO
