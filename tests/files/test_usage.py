import os
from pathlib import Path

from jobrunner.domain.status import Taken
from jobrunner.files.folders import Folders
from jobrunner.files.usage import disk_use
from tests.support import folder_settings

MANY = 1000
BLOCK = 512


def home(path: Path) -> Folders:
    for name in ("inbox", "work", "archive", "failed", "logs"):
        (path / name).mkdir()
    return Folders(folder_settings(path))


def size_of(*paths: Path) -> int:
    return sum(path.lstat().st_blocks * BLOCK for path in paths)


def write(path: Path, size: int = 10_000) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    os.sync()  # before, some filesystems have not said which blocks it takes
    return path


def test_each_part_takes_what_lies_in_it(tmp_path: Path) -> None:
    folders = home(tmp_path)
    database, log = write(tmp_path / "jobrunner.db"), write(tmp_path / "jobrunner.db-wal")
    logs = [write(tmp_path / "logs" / name / "1.log") for name in ("p", "q")]
    use = disk_use(str(database), folders, MANY)
    assert use.database == Taken(size_of(database, log), use.database.free if use.database else -1, is_all=True)
    assert use.logs is not None
    assert (use.logs.size, use.logs.is_all) == (size_of(*logs, *(path.parent for path in logs)), True)
    assert use.work is not None
    assert (use.work.size, use.work.is_all) == (0, True)
    assert use.work.free > 0


def test_of_very_much_some_is_looked_at(tmp_path: Path) -> None:
    folders = home(tmp_path)
    files = [write(tmp_path / "work" / f"{number}") for number in range(5)]
    for most, is_all in ((5, True), (4, False)):
        use = disk_use(str(tmp_path / "jobrunner.db"), folders, most)
        assert use.work is not None
        assert (use.work.size, use.work.is_all) == (size_of(*files[:most]), is_all)


def test_what_a_link_leads_to_does_not_count(tmp_path: Path) -> None:
    folders = home(tmp_path)
    write(tmp_path / "elsewhere" / "large")
    (tmp_path / "work" / "link").symlink_to(tmp_path / "elsewhere")
    use = disk_use(str(tmp_path / "jobrunner.db"), folders, MANY)
    assert use.work is not None
    assert use.work.size == size_of(tmp_path / "work" / "link")


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    folders = home(tmp_path)
    (tmp_path / "logs").rmdir()
    use = disk_use(str(tmp_path / "jobrunner.db"), folders, MANY)
    assert use.logs is None
    assert use.database is not None
    assert use.database.size == 0
