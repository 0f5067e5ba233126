import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobrunner.files.folders import Folders
from jobrunner.files.probe import look, probe
from tests.support import folder_settings
from tests.users import NOBODY, without_privileges

Check = Callable[[Folders, int], str | None]

NAMES = ("inbox", "work", "archive", "failed", "logs")
MORE_THAN_ANY_DISK = 2**60


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    for name in NAMES:
        (tmp_path / name).mkdir()
    yield Folders(folder_settings(tmp_path))
    for name in NAMES:
        if (tmp_path / name).is_dir():
            (tmp_path / name).chmod(0o755)


def test_a_machine_that_is_well_has_no_trouble_and_nothing_is_left_behind(folders: Folders, tmp_path: Path) -> None:
    assert (look(folders, 0), probe(folders, 0)) == (None, None)
    assert [os.listdir(tmp_path / name) for name in NAMES] == [[]] * 5


@pytest.mark.parametrize("check", [look, probe])
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_missing_or_a_file_is_named(folders: Folders, tmp_path: Path, check: Check, name: str) -> None:
    path = tmp_path / name
    path.rmdir()
    assert (check(folders, 0) or "").endswith(f"{path} is not there: put it back, or mount its disk")
    path.touch()
    assert (check(folders, 0) or "").endswith(f"{path} cannot be read (Not a directory): put the folder back")


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o300, 0o600])
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_may_not_be_used_is_named(public_path: Path, name: str, mode: int) -> None:
    paths = {one: public_path / one for one in NAMES}
    for folder in paths.values():
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, NOBODY.uid, -1)
    paths[name].chmod(mode)
    with without_privileges():
        found = look(Folders(folder_settings(public_path)), 0) or ""
    assert f" {paths[name]} cannot be " in found
    assert found.endswith("(Permission denied): let jobrunner's user read and write it")


def test_the_disk_must_have_what_is_to_be_kept_free(folders: Folders) -> None:
    words = f"the disk of the work folder {folders.work} has less than 1048576 TiB free (extract.keep_free): make room"
    assert look(folders, MORE_THAN_ANY_DISK) == words


def test_an_archive_on_another_filesystem_is_named(folders: Folders, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "archive")
    (tmp_path / "archive").symlink_to("/dev/shm")
    assert look(folders, 0) == (
        f"the archive {folders.archive} is on another filesystem than the work folder: is a disk not mounted?"
    )
