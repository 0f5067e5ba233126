"""What is wrong with a database, and what of it can still be read."""

import re
from pathlib import Path

import pytest

from jobrunner.domain.errors import DamagedDatabase
from jobrunner.domain.job import Adopted, Identity, State
from jobrunner.store.database import Database
from jobrunner.store.migrations import is_blank, migrate
from jobrunner.store.soundness import fault
from jobrunner.store.store import Store

JOBS = 2000
TABLE_LEAF = 0x0D  # the first byte of such a page


def filled(path: Path) -> Store:
    store = Store(Database(path), max_wait=0)
    store.open()
    migrate(store.database)
    with store.write():
        for number in range(JOBS):
            store.adoption.adopt(Adopted(Identity.plain(f"package-{number:05}"), State.DONE, 1, 1.0, 2.0))
    return store


def damage(path: Path, content: bytes) -> None:
    """Spoil the page of the table that holds this: an index has it, too."""
    written = path.read_bytes()
    pages = [match.start() // 4096 for match in re.finditer(re.escape(content), written)]
    page = next(page for page in pages if written[page * 4096] == TABLE_LEAF)
    with open(path, "r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)


def read(database: Database) -> None:
    database.open()
    database.rows("SELECT * FROM jobs")


def test_a_sound_database_has_no_fault(database: Database) -> None:
    assert fault(database) is None


def test_a_database_with_a_table_is_not_blank(empty: Database) -> None:
    assert is_blank(empty)
    empty.execute("CREATE TABLE theirs (x)")
    assert not is_blank(empty)


def test_a_row_that_refers_to_nothing_is_a_fault(database: Database) -> None:
    database.execute("PRAGMA foreign_keys = off")
    database.execute("INSERT INTO attempts (job_id, number, worker_id, started_at) VALUES (1, 1, 1, 0)")
    assert "attempts" in (fault(database) or "")


def test_a_row_that_breaks_a_rule_of_the_schema_is_a_fault(database: Database) -> None:
    database.execute("PRAGMA ignore_check_constraints = on")
    database.execute("INSERT INTO jobs (name, state, position, created_at) VALUES (x'61', 'lost', 1, 0)")
    database.execute("PRAGMA ignore_check_constraints = off")
    assert "CHECK constraint failed in jobs" in (fault(database) or "")


def test_what_is_on_other_pages_than_the_damaged_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jobrunner.db"
    filled(path).close()
    damage(path, b"package-01000")
    store = Store(Database(path), max_wait=0)
    store.open()
    assert fault(store.database)
    names = [job.identity.name for job in store.ended_jobs()]
    assert JOBS * 0.9 < len(names) < JOBS
    assert names[0] == "package-00000"
    assert names[-1] == f"package-{JOBS - 1:05}"
    store.close()


@pytest.mark.parametrize("length", [0, 100])
def test_a_damaged_database_says_so_whatever_is_asked_of_it(tmp_path: Path, length: int) -> None:
    path = tmp_path / "jobrunner.db"
    filled(path).close()
    with open(path, "r+b") as file:
        file.seek(length)
        file.write(b"\xa5" * (path.stat().st_size - length))
    database = Database(path)
    with pytest.raises(DamagedDatabase, match="jobrunner check --rebuild"):
        read(database)
    database.close()
