"""Calls below a folder that is held open."""

import re
from pathlib import Path

import pytest

from jobrunner.linux import at


@pytest.mark.parametrize(
    ("names", "lacks"),
    [
        ([], True),
        (["notes.txt", "data.zi"], True),
        (["p.zip"], False),
        (["P.ZIP.part"], False),
        ([f"some-longer-name-{number:05}" for number in range(3000)], False),
    ],
)
def test_a_small_folder_without_a_name_that_is_looked_for_is_known_at_once(
    tmp_path: Path, names: list[str], lacks: bool
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with at.held(at.open_root(str(tmp_path))) as folder:
        assert at.lacks(folder, re.compile(rb"\.zip", re.IGNORECASE)) is lacks
        if not lacks:
            assert sorted(at.names(folder, most=10_000)) == sorted(names)
            assert at.count(folder) == len(names)
