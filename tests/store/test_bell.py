"""The bell wakes whoever waits for a commit, and nobody else's doing does."""

import os
import resource
from pathlib import Path

import apsw
import pytest

from jobrunner.linux.waiting import ready
from jobrunner.store.bell import Bell
from jobrunner.store.database import Database


def test_each_commit_is_heard_by_everybody(database: Database) -> None:
    with database.write():
        pass
    bells = [Bell(database.path), Bell(database.path)]
    assert not any(bell.has_rung() for bell in bells)
    database.execute("CREATE TABLE any_table (x)")
    with database.write():
        database.execute("INSERT INTO any_table VALUES (1)")
        assert not ready(bells[0].descriptors, 0)  # not before it is committed: nobody would look again after that
    for bell in bells:
        assert ready(bell.descriptors, 0)
        assert bell.has_rung()
        assert not bell.has_rung()
        bell.close()


def test_what_changes_nothing_is_not_heard(database: Database) -> None:
    with database.write():
        pass
    bell = Bell(database.path)
    database.rows("SELECT * FROM sqlite_schema")
    database.execute("CREATE TABLE any_table (x INTEGER) STRICT")
    with pytest.raises(apsw.ConstraintError), database.write():
        database.execute("INSERT INTO any_table VALUES (1), ('no number')")
    with database.write():
        database.execute("UPDATE any_table SET x = 2")
    assert not bell.has_rung()
    bell.close()


def test_the_bell_leaves_nothing_to_be_flushed(database: Database) -> None:
    with database.write():
        pass
    gate = Path(f"{database.path}-writer")
    before = gate.stat().st_mtime_ns
    with database.write():
        database.execute("CREATE TABLE any_table (x)")
        database.execute("INSERT INTO any_table VALUES (1)")
    assert gate.stat().st_mtime_ns == before


def test_where_the_kernel_gives_no_more_of_them_a_look_comes_soon(database: Database) -> None:
    with database.write():
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
    try:
        bell = Bell(database.path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(taken)
    assert not bell.descriptors
    assert not bell.has_rung()
    assert bell.patience < 1
