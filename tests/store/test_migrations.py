from importlib import resources
from pathlib import Path

import apsw
import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database
from jobrunner.store.migrations import migrate, migrations
from tests.store.conftest import SqlFolder

INITIAL = resources.files("jobrunner.sql").joinpath("schema", "0001_initial.sql").read_text("utf-8")


def tables(database: Database) -> set[str]:
    rows = database.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {row["name"] for row in rows}


def schema(database: Database) -> list[dict[str, object]]:
    return database.rows("SELECT type, name, sql FROM sqlite_schema ORDER BY name")


def version(database: Database) -> int:
    row = database.row("PRAGMA user_version")
    assert row is not None
    return int(row["user_version"])


def test_the_files_are_numbered_from_one_without_a_gap() -> None:
    files = [file.name for file in resources.files("jobrunner.sql").joinpath("schema").iterdir()]
    assert list(migrations()) == list(range(1, len(files) + 1))


def test_a_fresh_database_gets_all_tables_and_indexes(empty: Database) -> None:
    assert tables(empty) == set()
    migrate(empty)
    assert tables(empty) == {"workers", "jobs", "attempts"}
    assert {row["name"] for row in schema(empty) if row["type"] == "index" and row["sql"]} == {
        "workers_not_ended",
        "jobs_ready",
        "jobs_waiting",
        "jobs_running",
        "jobs_failed",
        "jobs_done",
        "attempts_final",
    }
    assert version(empty) == max(migrations())


def test_migrating_twice_changes_nothing(database: Database) -> None:
    with database.write():
        database.execute("INSERT INTO jobs (name, position, created_at) VALUES (x'61', 1, 0)")
    before = schema(database)
    migrate(database)
    assert schema(database) == before
    assert len(database.rows("SELECT * FROM jobs")) == 1


def test_an_older_schema_is_brought_up_to_date_with_its_rows(empty: Database, sql_folder: SqlFolder) -> None:
    migrate(empty)
    with empty.write():
        empty.execute("INSERT INTO jobs (name, position, created_at) VALUES (x'61', 1, 0)")
    steps = {"schema/0001_initial.sql": INITIAL, "schema/0002_more.sql": "ALTER TABLE jobs ADD size INTEGER;"}
    sql_folder.install(steps | {"schema/0003_label.sql": "CREATE TABLE labels (id INTEGER PRIMARY KEY) STRICT;"})
    migrate(empty)
    assert version(empty) == 3
    assert "labels" in tables(empty)
    assert empty.rows("SELECT name, size FROM jobs") == [{"name": b"a", "size": None}]


def test_a_step_that_fails_leaves_the_schema_as_it_was(empty: Database, sql_folder: SqlFolder) -> None:
    migrate(empty)
    before = schema(empty)
    steps = {"schema/0001_initial.sql": INITIAL, "schema/0002_more.sql": "CREATE TABLE labels (id INTEGER);"}
    sql_folder.install(steps | {"schema/0003_wrong.sql": "ALTER TABLE no_such ADD size INTEGER;"})
    with pytest.raises(StoreError, match="no_such"):
        migrate(empty)
    assert (schema(empty), version(empty)) == (before, 1)


def test_the_schema_of_a_newer_jobrunner_is_refused_and_left_alone(database: Database) -> None:
    newer = max(migrations()) + 1
    with database.write():
        database.execute(f"PRAGMA user_version = {newer}")
    before = schema(database)
    with pytest.raises(StoreError, match=rf"made by a newer jobrunner \(schema {newer}, .*upgrade jobrunner"):
        migrate(database)
    assert (schema(database), version(database)) == (before, newer)


@pytest.mark.parametrize("their_version", [0, 1])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, their_version: int) -> None:
    path = tmp_path / "theirs.db"
    other = apsw.Connection(str(path))
    other.execute(f"CREATE TABLE songs (title TEXT); PRAGMA user_version = {their_version}")
    other.close()
    database = Database(path)
    database.open()
    before = schema(database)
    with pytest.raises(StoreError, match=r"another program's database: set database.url"):
        migrate(database)
    assert schema(database) == before
    database.close()
