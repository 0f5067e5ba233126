"""Zips made by real programs, as producers.toml lists them: each is extracted as what its program was given."""

import stat
import tomllib
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from jobrunner.domain.settings import ExtractSettings
from jobrunner.unzip.extraction import extract
from tests.unzip.test_corpus import laid_out

REAL = Path(__file__).parent / "real"
LISTING: dict[str, Any] = tomllib.loads((REAL / "producers.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("made", LISTING["zip"], ids=itemgetter("file"))
def test_a_zip_of_a_real_program_is_extracted_as_what_it_was_given(made: dict[str, Any], tmp_path: Path) -> None:
    tree = LISTING["tree"]
    expected = made.get("files") or {path: tree[path] for path in made.get("members", tree)}
    extract(str(REAL / made["file"]), str(tmp_path), ExtractSettings(keep_free=0), lambda *_: None)
    files, folders = laid_out(tmp_path)
    assert files == {path: content.encode() for path, content in expected.items()}
    assert folders == set(made.get("folders", ["bare"]))
    executable = [path for path in files if (tmp_path / path).stat().st_mode & stat.S_IXUSR]
    assert executable == made.get("executable", [])


def test_each_zip_of_a_real_program_is_listed_once_with_what_made_it() -> None:
    listed = [made["file"] for made in LISTING["zip"]]
    assert sorted(listed) == sorted(path.name for path in REAL.iterdir() if path.name != "producers.toml")
    assert all(made["program"] and made["made_by"] for made in LISTING["zip"])
