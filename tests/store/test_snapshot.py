"""Readers copy while a writer writes: every copy is one state that was committed, and the writer does not notice."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database

# Keeps two tables equal in each commit until its input ends; checkpoints and new logs come often.
WRITER = """
import sys, threading
from pathlib import Path
from jobrunner.store.database import Database
from jobrunner.store.migrations import migrate
database = Database(Path(sys.argv[1]))
database.open()
migrate(database)
with database.write():
    database.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, n, filling)")
    database.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, n)")
    for number in range(300):
        database.execute("INSERT INTO one VALUES (:id, 0, randomblob(3000))", {"id": number})
        database.execute("INSERT INTO other VALUES (:id, 0)", {"id": number})
database.execute("PRAGMA wal_autocheckpoint = 40")
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("ready", flush=True)
count = 0
while not ended.is_set():
    count += 1
    with database.write(durable=False):
        for table in ("one", "other"):
            database.execute(f"UPDATE {table} SET n = n + 1 WHERE id % 50 = :part", {"part": count % 50})
print(count, flush=True)
"""


def test_each_copy_is_a_state_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "jobrunner.db"
    words = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        sums = []
        for _ in range(40):
            database = Database(path, to_read=True)
            database.open()
            assert database.row("PRAGMA integrity_check") == {"integrity_check": "ok"}
            row = database.row("SELECT (SELECT sum(n) FROM one) AS one, (SELECT sum(n) FROM other) AS other")
            assert row is not None
            assert row["one"] == row["other"]
            sums.append(row["one"])
            database.close()
        out, _ = writer.communicate("")
        assert int(out) > 40
        assert sums == sorted(sums)
        assert sums[-1] > sums[0]


def test_nothing_is_left_of_a_copy(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    reader = Database(database.path, to_read=True)
    reader.open()
    assert os.listdir(tmp_path / "tmp") == []
    assert reader.rows("SELECT * FROM jobs") == []
    reader.close()


def test_what_is_committed_later_is_seen_after_a_refresh(database: Database) -> None:
    reader = Database(database.path, to_read=True)
    reader.open()
    with database.write():
        database.execute("INSERT INTO jobs (name, position, created_at) VALUES (x'61', 1, 0)")
    assert reader.rows("SELECT 1 FROM jobs") == []
    reader.refresh()
    assert len(reader.rows("SELECT 1 FROM jobs")) == 1
    reader.close()


def test_a_database_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        Database(tmp_path / "none.db", to_read=True).open()
