import re
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.settings import FolderSettings
from jobrunner.files import owner
from jobrunner.files.folders import Folders
from jobrunner.linux.locks import Waiting


def tell(_waits_for: str) -> None:
    pytest.fail("nobody is waited for here")


WAITING = Waiting(tell)


@pytest.fixture
def work(tmp_path: Path) -> Folders:
    """The folders of two homes that share one work folder."""
    (tmp_path / "work").mkdir()
    return Folders(FolderSettings(work=tmp_path / "work"))


def database(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name / "jobrunner.db"
    path.parent.mkdir()
    path.touch()
    return path


def test_its_owner_may_take_it_again_and_nobody_else(work: Folders, tmp_path: Path) -> None:
    one, other = database(tmp_path, "one"), database(tmp_path, "other")
    owner.take(work, "1", one, WAITING)
    owner.take(work, "1", one, WAITING)
    said = f"{work.work} is marked as that of the database {one}: .* else set folders.work to another folder"
    with pytest.raises(ConfigurationError, match=said):
        owner.take(work, "2", other, WAITING)
    owner.take(work, "1", one, WAITING)


def test_a_home_that_was_moved_keeps_it(work: Folders, tmp_path: Path) -> None:
    (tmp_path / "work" / "1-1").mkdir()
    one = database(tmp_path, "one")
    owner.take(work, "1", one, WAITING)
    moved = one.parent.rename(tmp_path / "moved") / one.name
    owner.take(work, "1", moved, WAITING)
    with pytest.raises(ConfigurationError, match=re.escape(str(moved))):
        owner.take(work, "2", database(tmp_path, "other"), WAITING)


def test_a_copy_of_a_home_does_not_get_it(work: Folders, tmp_path: Path) -> None:
    one, copy = database(tmp_path, "one"), database(tmp_path, "copy")
    owner.take(work, "1", one, WAITING)
    with pytest.raises(
        ConfigurationError, match=f"{one}: if this home is a copy of that one, remove {work.work}/.home, "
    ):
        owner.take(work, "1", copy, WAITING)


def test_a_new_database_in_place_of_a_lost_one_is_taken_if_no_package_is_in_it(work: Folders, tmp_path: Path) -> None:
    one = database(tmp_path, "one")
    owner.take(work, "1", one, WAITING)
    owner.take(work, "2", one, WAITING)
    (tmp_path / "work" / "7-1").mkdir()
    with pytest.raises(ConfigurationError, match=r"packages of an earlier database .* run jobrunner check --rebuild"):
        owner.take(work, "3", one, WAITING)
    owner.take(work, "2", one, WAITING)
    owner.replace(work, "3", one, WAITING)
    owner.take(work, "3", one, WAITING)


def test_a_marker_that_was_not_written_to_its_end_marks_nothing(work: Folders, tmp_path: Path) -> None:
    (tmp_path / "work" / ".home").write_text('["1", "/one')
    one = database(tmp_path, "one")
    owner.take(work, "2", one, WAITING)
    with pytest.raises(ConfigurationError):
        owner.take(work, "1", database(tmp_path, "other"), WAITING)


def test_a_path_that_is_not_utf_8_is_kept(work: Folders, tmp_path: Path) -> None:
    odd = database(tmp_path, "odd\udcb2")
    owner.take(work, "1", odd, WAITING)
    owner.take(work, "1", odd, WAITING)
    with pytest.raises(ConfigurationError, match=r"odd\\xb2"):
        owner.take(work, "2", database(tmp_path, "other"), WAITING)
