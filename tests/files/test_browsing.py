import os
from pathlib import Path

import pytest

from jobrunner.files.browsing import Found, files_of, open_below


@pytest.fixture
def package(tmp_path: Path) -> str:
    """A package in an archive that is a link to another disk."""
    (tmp_path / "disk" / "one" / "deep").mkdir(parents=True)
    (tmp_path / "disk" / "one" / "deep" / "a.txt").write_text("abc")
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    return str(tmp_path / "archive" / "one")


def test_files_are_listed_and_opened_where_a_folder_of_ours_is_a_link(package: str) -> None:
    assert files_of(package, 10) == ([Found("deep/a.txt", 3)], True)
    opened = open_below(package, "deep/a.txt")
    assert (os.read(opened.descriptor, 10), opened.size) == (b"abc", 3)
    os.close(opened.descriptor)


def test_a_package_that_is_a_link_itself_is_not_followed(package: str, tmp_path: Path) -> None:
    (tmp_path / "disk" / "link").symlink_to(package)
    with pytest.raises(NotADirectoryError):
        files_of(str(tmp_path / "archive" / "link"), 10)
    with pytest.raises(NotADirectoryError):
        open_below(str(tmp_path / "archive" / "link"), "deep/a.txt")


def test_of_very_many_files_some_are_listed(package: str) -> None:
    for number in range(11):
        Path(package, "deep", f"b{number}").touch()
    some, is_all = files_of(package, 10)
    assert (len(some), is_all) == (10, False)
    for number in range(10_001):
        Path(package, f"c{number}").touch()
    assert not files_of(package, 20_000)[1]
