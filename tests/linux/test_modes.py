import os
from pathlib import Path

from jobrunner.linux.modes import private_files, settle


def test_what_is_right_or_not_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    assert settle(str(tmp_path / "file"), 0o600) is None
    assert settle(str(tmp_path / "none"), 0o600) is None


def test_a_mode_is_set_and_the_one_before_returned(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o664)
    assert settle(str(tmp_path / "file"), 0o640) == 0o664
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o640


def test_a_group_gets_a_folder_and_what_is_made_in_it(tmp_path: Path) -> None:
    group = next(iter({*os.getgroups(), os.getegid()}))
    (tmp_path / "logs").mkdir()
    assert settle(str(tmp_path / "logs"), 0o2750, group) == 0o755
    assert settle(str(tmp_path / "logs"), 0o2750, group) is None
    (tmp_path / "logs" / "one").mkdir()
    assert (tmp_path / "logs" / "one").stat().st_gid == group


def test_what_is_made_within_is_private_and_the_umask_comes_back(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with private_files():
            (tmp_path / "file").touch()
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
        (tmp_path / "after").touch()
        assert (tmp_path / "after").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)
