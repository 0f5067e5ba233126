import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.store.glance import Glance
from jobrunner.store.jobs import Jobs
from tests.messages import tree
from tests.store.one_worker import OneWorkerStore


def sees(path: Path, name: str) -> bool:
    with closing(Glance(path)) as glance:
        glance.open()
        return Jobs(glance, max_wait=1.0).find(name) is not None


def test_it_sees_what_has_just_been_committed_and_changes_no_file(store: OneWorkerStore) -> None:
    store.enqueue("p")
    path = store.database.path
    assert Path(f"{path}-wal").stat().st_size > 0
    before = {name: content for name, content in tree(path.parent).items() if not name.endswith("-shm")}
    assert sees(path, "p")
    assert {name: content for name, content in tree(path.parent).items() if not name.endswith("-shm")} == before


def test_it_makes_no_file_where_nobody_works(store: OneWorkerStore) -> None:
    store.enqueue("p")
    store.close()
    before = tree(store.database.path.parent)
    assert f"{store.database.path.name}-wal" not in before
    assert sees(store.database.path, "p")
    assert tree(store.database.path.parent) == before


def test_it_waits_for_no_lock(store: OneWorkerStore) -> None:
    store.enqueue("p")
    with closing(apsw.Connection(str(store.database.path))) as other, store.database.turn():
        other.execute("BEGIN EXCLUSIVE")
        assert sees(store.database.path, "p")


def test_it_reads_what_a_killed_process_left(store: OneWorkerStore, tmp_path: Path) -> None:
    store.enqueue("p")
    left = tmp_path / "left"
    left.mkdir()
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{store.database.path}{suffix}", left / f"x.db{suffix}")
    before = tree(left)
    assert sees(left / "x.db", "p")
    assert tree(left) == before


def test_without_shared_memory_it_sees_the_newest_checkpoint(store: OneWorkerStore, tmp_path: Path) -> None:
    """So it is for a user who may only read."""
    store.enqueue("old")
    store.database.rows("PRAGMA wal_checkpoint")
    store.enqueue("new")
    for suffix in ("", "-wal"):
        shutil.copy(f"{store.database.path}{suffix}", tmp_path / f"x.db{suffix}")
    assert sees(tmp_path / "x.db", "old")
    assert not sees(tmp_path / "x.db", "new")
    assert not (tmp_path / "x.db-shm").exists()


def test_it_writes_nothing_and_makes_no_database(store: OneWorkerStore, tmp_path: Path) -> None:
    store.enqueue("p")
    with closing(Glance(store.database.path)) as glance:
        glance.open()
        with pytest.raises(StoreError, match="cannot be written to"):
            glance.execute("DELETE FROM jobs")
    with pytest.raises(StoreError, match="cannot be opened"):
        Glance(tmp_path / "none.db").open()
    assert not (tmp_path / "none.db").exists()
