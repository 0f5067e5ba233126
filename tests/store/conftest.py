import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from jobrunner.store.database import Database
from jobrunner.store.migrations import migrate
from tests.store.one_worker import OneWorkerStore


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """An open database without a schema."""
    made = Database(tmp_path / "jobrunner.db")
    made.open()
    yield made
    made.close()


@pytest.fixture
def database(empty: Database) -> Database:
    migrate(empty)
    return empty


@pytest.fixture
def store(database: Database) -> OneWorkerStore:
    return OneWorkerStore(database)


class SqlFolder:
    """An installed `jobrunner.sql` of this test's own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._monkeypatch = monkeypatch

    def install(self, files: Mapping[str, str]) -> None:
        for path, content in {"__init__.py": "", **files}.items():
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            (self._root / path).write_text(content, "utf-8")
        spec = importlib.util.spec_from_file_location(
            "jobrunner.sql", self._root / "__init__.py", submodule_search_locations=[str(self._root)]
        )
        assert spec is not None
        self._monkeypatch.setitem(sys.modules, "jobrunner.sql", importlib.util.module_from_spec(spec))


@pytest.fixture
def sql_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlFolder:
    return SqlFolder(tmp_path / "sql", monkeypatch)
