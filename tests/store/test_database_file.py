from pathlib import Path

import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.database_file import file_identity


def test_a_file_is_told_from_any_other_in_its_place(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.touch()
    other.touch()
    before = file_identity(path)
    assert before == file_identity(path)
    other.replace(path)
    assert file_identity(path) not in {before, None}


def test_there_is_none_where_there_is_no_file(tmp_path: Path) -> None:
    assert file_identity(tmp_path / "none") is None


def test_a_path_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be reached: Not a directory"):
        file_identity(tmp_path / "file" / "jobrunner.db")
