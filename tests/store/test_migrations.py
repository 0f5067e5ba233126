from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import apsw
import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database
from jobrunner.store.identity import identity
from jobrunner.store.migrations import migrate, migrations
from tests.messages import tree
from tests.store.conftest import SqlFolder

#: The released migrations, and the number of the next one.
RELEASED = {
    f"schema/{file.name}": file.read_text("utf-8")
    for file in resources.files("jobrunner.sql").joinpath("schema").iterdir()
}
NEXT = len(RELEASED) + 1
SCHEMA_1 = Path(__file__).with_name("schema_1.sql").read_text("utf-8")


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
    assert tables(empty) == {
        "workers",
        "jobs",
        "attempts",
        "identity",
        "clock",
        "runners",
        "nodes",
        "pauses",
        "outcome_totals",
        "duration_totals",
        "unnoticed_failures",
        "notices",
        "backlogs",
        "changes",
        "changed_jobs",
    }
    assert {row["name"] for row in schema(empty) if row["type"] == "index" and row["sql"]} == {
        "workers_not_ended",
        "jobs_ready",
        "jobs_waiting",
        "jobs_running",
        "jobs_failed",
        "jobs_done",
        "jobs_likeness",
        "jobs_looking_like",
        "jobs_package",
        "jobs_tried_again",
        "attempts_final",
        "changed_jobs_by_change",
    }
    assert version(empty) == max(migrations())


def test_migrating_twice_changes_nothing(database: Database) -> None:
    with database.write():
        database.execute("INSERT INTO jobs (name, position, created_at) VALUES (x'61', 1, 0)")
    before = schema(database)
    migrate(database)
    assert schema(database) == before
    assert len(database.rows("SELECT * FROM jobs")) == 1


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Database]:
    """A database of the first release, in which there are jobs, attempts and a worker."""
    connection = apsw.Connection(str(tmp_path / "jobrunner.db"))
    connection.execute(SCHEMA_1)
    connection.close()
    made = Database(tmp_path / "jobrunner.db")
    made.open()
    yield made
    made.close()


def rows(database: Database) -> dict[str, list[dict[str, object]]]:
    reader = Database(database.path)  # one connection takes the columns of a statement to stay what they are
    reader.open()
    found = {table: reader.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("workers", "jobs", "attempts")}
    reader.close()
    return found


def test_what_was_made_by_the_first_release_becomes_as_a_fresh_one_with_its_rows(old: Database, tmp_path: Path) -> None:
    before = rows(old)
    assert [len(found) for found in before.values()] == [1, 6, 7]
    migrate(old)
    fresh = Database(tmp_path / "fresh.db")
    fresh.open()
    migrate(fresh)
    assert (schema(old), version(old)) == (schema(fresh), version(fresh))
    fresh.close()
    for table, found in rows(old).items():
        kept = [name for name in before[table][0] if name != "condemned"]
        assert [[row[name] for name in kept] for row in found] == [
            [row[name] for name in kept] for row in before[table]
        ]
    assert old.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert old.rows("PRAGMA foreign_key_check") == []


INSERT_JOB = """
INSERT INTO jobs (id, name, state, position, attempt, worker_id, condemned, error, created_at, finished_at)
VALUES (
    :id, CAST(:id AS BLOB), :state, 1, 1, iif(:state = 'running', 1, NULL), :condemned, :error, 1,
    iif(:state = 'failed', 2, NULL)
)
"""
INSERT_ATTEMPT = """
INSERT INTO attempts (job_id, number, worker_id, started_at, ended_at, outcome, error)
VALUES (:id, :number, 1, 1, iif(:outcome IS NULL, NULL, 2), :outcome, iif(:outcome IS NULL, NULL, 'why'))
"""


def test_what_a_job_fails_as_is_told_by_what_was_recorded_before(old: Database) -> None:
    old.execute("UPDATE sqlite_sequence SET seq = 40 WHERE name = 'jobs'")
    for job_id, state, condemned, error, outcomes in (
        (11, "failed", 0, "cancelled", ["interrupted", "failed"]),
        (12, "running", 1, "cancelled", [None]),
        (13, "queued", 1, "its worker died 3 times", ["crashed", "crashed", "crashed"]),
        (14, "queued", 0, "why", ["failed"]),
        (15, "failed", 0, "why", ["later", "failed"]),
        (16, "failed", 0, "found without a job", []),
    ):
        old.execute(INSERT_JOB, {"id": job_id, "state": state, "condemned": condemned, "error": error})
        for number, outcome in enumerate(outcomes, 1):
            old.execute(INSERT_ATTEMPT, {"id": job_id, "number": number, "outcome": outcome})
    migrate(old)
    verdicts = {row["id"]: row["verdict"] for row in old.rows("SELECT id, verdict FROM jobs WHERE verdict IS NOT NULL")}
    assert verdicts == {2: "rejected", 11: "cancelled", 12: "cancelled", 13: "crashed", 15: "failed", 16: "failed"}
    assert old.rows("SELECT name, seq FROM sqlite_sequence") == [{"name": "jobs", "seq": 40}]


def test_each_database_gets_an_id_of_its_own_for_life(old: Database, tmp_path: Path) -> None:
    migrate(old)
    other = Database(tmp_path / "other.db")
    other.open()
    migrate(other)
    ids = identity(old), identity(other)
    assert len(set(ids)) == 2
    migrate(old)
    assert identity(old) == ids[0]
    other.close()


def test_the_backup_beside_it_is_the_database_as_it_was(old: Database) -> None:
    before = schema(old), rows(old)
    backup = migrate(old)
    assert backup == old.path.with_name(f"jobrunner.db.before-schema-{max(migrations())}")
    assert [path.name for path in old.path.parent.glob("*.part")] == []
    copy = Database(backup)
    copy.open()
    assert (schema(copy), rows(copy)) == before
    assert version(copy) == 1
    migrate(copy)  # it can be put back and upgraded again
    assert schema(copy) == schema(old)
    copy.close()


def test_an_earlier_backup_is_never_overwritten(old: Database) -> None:
    earlier = old.path.with_name(f"jobrunner.db.before-schema-{max(migrations())}")
    earlier.write_text("mine")
    backup = migrate(old)
    assert backup == earlier.with_name(f"{earlier.name}~1")
    assert earlier.read_text() == "mine"


def test_a_fresh_database_needs_no_backup_nor_leave(empty: Database) -> None:
    def forbid() -> None:
        raise StoreError("somebody works")

    assert migrate(empty, permit=forbid) is None
    assert migrate(empty, permit=forbid) is None
    assert list(empty.path.parent.glob("*before*")) == []


def test_what_is_not_permitted_changes_nothing(old: Database) -> None:
    def forbid() -> None:
        raise StoreError("somebody works")

    before = schema(old), rows(old)
    with pytest.raises(StoreError, match="somebody works"):
        migrate(old, permit=forbid)
    assert (schema(old), rows(old)) == before
    assert version(old) == 1
    assert list(old.path.parent.glob("*before*")) == []


def test_a_migration_of_many_statements_is_executed_to_its_end(database: Database, sql_folder: SqlFolder) -> None:
    with database.write():
        database.execute("INSERT INTO jobs (name, position, created_at) VALUES (x'61', 1, 0)")
    steps = {
        f"schema/{NEXT:04}_more.sql": """
            ALTER TABLE jobs ADD size INTEGER;  -- a comment; with a semicolon
            UPDATE jobs SET size = 7 RETURNING id;
            CREATE TABLE labels (id INTEGER PRIMARY KEY, word TEXT) STRICT;
            INSERT INTO labels VALUES (1, 'one;'), (2, 'two');
        """,
        f"schema/{NEXT + 1:04}_label.sql": "CREATE INDEX labels_word ON labels (word);",
    }
    sql_folder.install(RELEASED | steps)
    migrate(database)
    assert version(database) == NEXT + 1
    assert database.rows("SELECT name, size FROM jobs") == [{"name": b"a", "size": 7}]
    assert database.rows("SELECT count(*) AS labels FROM labels") == [{"labels": 2}]
    assert "labels_word" in {row["name"] for row in schema(database)}


def test_a_step_that_fails_leaves_the_schema_as_it_was(database: Database, sql_folder: SqlFolder) -> None:
    before = schema(database), version(database)
    steps = {f"schema/{NEXT:04}_more.sql": "CREATE TABLE labels (id INTEGER);"}
    sql_folder.install(RELEASED | steps | {f"schema/{NEXT + 1:04}_wrong.sql": "ALTER TABLE no_such ADD size INTEGER;"})
    with pytest.raises(StoreError, match=rf"no_such.*stays at schema {NEXT - 1}, whole and as it was"):
        migrate(database)
    assert (schema(database), version(database)) == before
    assert list(database.path.parent.glob("*before*")) == []


def test_the_schema_of_a_newer_jobrunner_is_refused_and_left_alone(database: Database) -> None:
    newer = max(migrations()) + 1
    with database.write():
        database.execute(f"PRAGMA user_version = {newer}")
    before = schema(database)
    with pytest.raises(StoreError, match=rf"made by a newer jobrunner \(schema {newer}, .*upgrade jobrunner"):
        migrate(database)
    assert (schema(database), version(database)) == (before, newer)


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("their_version", [0, 1])
def test_another_programs_database_is_refused_and_not_one_byte_changed(
    tmp_path: Path, their_version: int, mode: str
) -> None:
    path = tmp_path / "theirs.db"
    other = apsw.Connection(str(path))
    for statement in (
        f"PRAGMA journal_mode = {mode}",
        "CREATE TABLE songs (title TEXT)",
        f"PRAGMA user_version = {their_version}",
    ):
        other.execute(statement).fetchall()
    other.close()
    before = tree(tmp_path)
    with pytest.raises(StoreError, match=r"another program's database: set database.url"):
        Database(path).open()
    assert tree(tmp_path) == before


def test_another_programs_database_is_refused_though_all_of_it_is_in_its_wal(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    other = apsw.Connection(str(path))
    other.execute("PRAGMA journal_mode = wal").fetchall()
    other.execute("CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    database = Database(path)
    database.open()
    with pytest.raises(StoreError, match=r"another program's database: set database.url"):
        migrate(database)
    database.close()
    assert path.read_bytes() == before
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("songs",)]
    other.close()
