import os
import time
from pathlib import Path

import pytest

from jobrunner.files import keeping, space
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Workspace
from tests.support import folder_settings

HOUR = 3600.0


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "work").mkdir()
    return Folders(folder_settings(tmp_path))


def kept(folders: Folders, job_id: int, *, hours_ago: float = 0, files: int = 1) -> Path:
    """Keep a data folder, as if it had been done some time ago."""
    workspace = Workspace.at(folders.work, job_id, 1)
    os.makedirs(f"{workspace.data}/deep/er")
    for number in range(files):
        Path(workspace.data, f"deep/er/{number}").write_bytes(bytes(1000))
    keeping.keep(workspace)
    place = Path(folders.work, ".kept", f"{job_id}-1")
    then = time.time() - hours_ago * HOUR
    os.utime(place, (then, then))
    return place


def test_what_is_kept_moves_and_is_kept_from_then_on(folders: Folders) -> None:
    place = kept(folders, 7)
    assert not os.path.lexists(Workspace.at(folders.work, 7, 1).data)
    assert (place / "deep/er/0").stat().st_size == 1000
    assert os.stat(f"{folders.work}/.kept").st_mode & 0o777 == 0o700
    (lying,) = keeping.lying(folders)
    assert (lying.path, lying.job_id, lying.attempt) == (str(place), 7, 1)


def test_data_that_the_handler_has_removed_is_not_kept(folders: Folders) -> None:
    os.makedirs(Workspace.at(folders.work, 7, 1).path)
    keeping.keep(Workspace.at(folders.work, 7, 1))
    assert keeping.lying(folders) == []


def test_a_link_that_the_handler_left_is_kept_and_removed_itself(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    workspace = Workspace.at(folders.work, 7, 1)
    os.makedirs(workspace.path)
    os.symlink(tmp_path / "elsewhere", workspace.data)
    keeping.keep(workspace)
    assert keeping.tidy(folders, 0, 0)
    assert os.listdir(f"{folders.work}/.kept") == []
    assert (tmp_path / "elsewhere" / "file").exists()


def test_of_an_earlier_job_with_this_number_nothing_is_left(folders: Folders) -> None:
    kept(folders, 7, files=5)
    assert len(os.listdir(kept(folders, 7, files=2) / "deep/er")) == 2


def test_what_has_been_kept_for_long_enough_is_removed(folders: Folders) -> None:
    old, young = kept(folders, 1, hours_ago=25), kept(folders, 2, hours_ago=23)
    assert keeping.tidy(folders, 24 * HOUR, 0)
    assert not old.exists()
    assert (young / "deep/er/0").exists()


def test_a_look_removes_only_so_much(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_MOST_REMOVED", 10)
    kept(folders, 1, hours_ago=25, files=25)
    left = []
    while not keeping.tidy(folders, 24 * HOUR, 0):
        (going,) = Path(folders.work, ".kept").iterdir()
        assert keeping.lying(folders) == []
        left.append(len(os.listdir(going / "deep/er")))
    assert left == [15, 5]
    assert os.listdir(f"{folders.work}/.kept") == []


def test_while_the_disk_has_too_little_room_the_oldest_goes_first(folders: Folders) -> None:
    old, young = kept(folders, 1, hours_ago=2), kept(folders, 2, hours_ago=1)
    keeping.make_room(folders, space.free(folders.work) // 2)
    assert old.exists()
    assert young.exists()
    assert keeping.tidy(folders, 24 * HOUR, 1 << 62)
    assert keeping.lying(folders) == []


def test_room_is_made_for_what_needs_more_than_there_is(folders: Folders) -> None:
    kept(folders, 1)
    keeping.make_room(folders, 1 << 62)
    assert keeping.lying(folders) == []


def test_what_is_not_ours_in_there_stays(folders: Folders) -> None:
    kept(folders, 1, hours_ago=2)
    notes = Path(folders.work, ".kept", "notes.txt")
    notes.write_text("1-1: sensor 7 again")
    assert keeping.tidy(folders, HOUR, 0)
    assert notes.exists()
