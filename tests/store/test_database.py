import fcntl
import threading
from pathlib import Path

import apsw
import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database

INSERT = "INSERT INTO workers (token, supervisor, pid, started_at) VALUES (:token, 's', 1, 0)"


def tokens(database: Database) -> list[str]:
    return [row["token"] for row in database.rows("SELECT token FROM workers ORDER BY id")]


def gate_is_free(database: Database) -> bool:
    with open(f"{database.path}-writer", "rb") as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def second(database: Database) -> Database:
    """Another connection to the same file."""
    made = Database(database.path)
    made.open()
    return made


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_each_connection_is_durable_and_strict(database: Database, pragma: str, value: object) -> None:
    assert database.rows(f"PRAGMA {pragma}") == [{pragma: value}]
    database.close()
    database.open()
    assert database.rows(f"PRAGMA {pragma}") == [{pragma: value}]


def test_it_opens_while_another_process_is_just_making_it(tmp_path: Path) -> None:
    making = apsw.Connection(str(tmp_path / "new.db"))
    making.execute("BEGIN IMMEDIATE; CREATE TABLE other (x)")  # not in WAL mode yet: nobody is let wait for that
    made = threading.Timer(0.2, lambda: making.execute("ROLLBACK"))
    made.start()
    opened = Database(tmp_path / "new.db")
    opened.open()
    assert opened.rows("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    opened.close()
    made.join()
    making.close()


def test_only_a_write_that_need_not_be_durable_is_not_flushed(database: Database) -> None:
    def synchronous() -> list[object]:
        return [row["synchronous"] for row in database.rows("PRAGMA synchronous")]

    for durable in (False, True, False):
        with database.write(durable=durable):
            assert synchronous() == [2 if durable else 1]
    with pytest.raises(StoreError), database.write(durable=False):
        database.execute("nonsense")
    with database.write():
        assert synchronous() == [2]
    with database.write(durable=False):
        pass
    database.close()
    database.open()
    with database.write():
        assert synchronous() == [2]


def test_a_write_is_seen_by_others_when_it_is_over(database: Database, second: Database) -> None:
    with database.write():
        assert database.execute(INSERT, {"token": "a"}) == 1
        assert database.execute(INSERT, {"token": "b"}) == 1
        assert tokens(second) == []
    assert tokens(second) == ["a", "b"]


def test_a_write_that_raises_leaves_nothing_behind(database: Database, second: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError(database.execute(INSERT, {"token": "a"}))
    assert tokens(database) == tokens(second) == []
    with second.write():
        second.execute(INSERT, {"token": "b"})
    assert tokens(database) == ["b"]


def test_only_one_writer_passes_the_gate(database: Database) -> None:
    assert gate_is_free(database)
    with database.write():
        assert not gate_is_free(database)
    assert gate_is_free(database)
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError
    assert gate_is_free(database)


def test_a_wrong_state_is_our_bug_and_not_a_trouble_of_the_store(database: Database) -> None:
    with pytest.raises(apsw.ConstraintError), database.write():
        database.execute("INSERT INTO workers (token, supervisor, pid, started_at) VALUES (NULL, 's', 1, 0)")
    assert tokens(database) == []


def test_how_many_rows_changed_is_returned(database: Database) -> None:
    with database.write():
        for token in "abc":
            database.execute(INSERT, {"token": token})
        assert database.execute("UPDATE workers SET pid = 2 WHERE token <> 'a'") == 2
        assert database.execute("UPDATE workers SET pid = 3 WHERE token = 'z'") == 0


def test_a_row_that_is_not_there_is_none(database: Database) -> None:
    assert database.row("SELECT * FROM workers") is None
    assert database.rows("SELECT * FROM workers") == []


def test_a_closed_database_opens_again_where_it_was(database: Database) -> None:
    with database.write():
        database.execute(INSERT, {"token": "a"})
    database.close()
    database.close()
    database.open()
    assert tokens(database) == ["a"]


def unusable(tmp_path: Path, what: str) -> Path:
    path = tmp_path / "jobrunner.db"
    match what:
        case "in a folder that is missing":
            return tmp_path / "missing" / "jobrunner.db"
        case "a folder":
            path.mkdir()
        case "not a database":
            path.write_text("<html>" * 1000)
        case "gate is a folder":
            Path(f"{path}-writer").mkdir()
    return path


def write_to(database: Database) -> None:
    database.open()
    with database.write():
        pass


@pytest.mark.parametrize("what", ["in a folder that is missing", "a folder", "not a database", "gate is a folder"])
def test_a_path_that_cannot_be_used_is_told_in_words(tmp_path: Path, what: str) -> None:
    path = unusable(tmp_path, what)
    with pytest.raises(StoreError) as caught:
        write_to(Database(path))
    message = str(caught.value)
    assert message.startswith(f"the database {path} ")
    assert len(message.rpartition(": ")[2]) > 10
    assert "\n" not in message


def test_a_statement_that_fails_is_a_store_error(database: Database) -> None:
    with pytest.raises(StoreError, match="no such table: songs"):
        database.rows("SELECT * FROM songs")
    with pytest.raises(StoreError, match="no such table: songs"), database.write():
        database.execute("DELETE FROM songs")
