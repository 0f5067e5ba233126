"""A home of an older jobrunner is upgraded at the first command; of a newer one, it is refused."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from jobrunner.store.migrations import migrations
from tests.crash_driver import Kill, encoded
from tests.messages import complaint
from tests.support import JOBRUNNER, TestHome, clean_environment, wait_until

NEWEST = max(migrations())
SCHEMA_1 = (Path(__file__).parent / "store" / "schema_1.sql").read_text("utf-8")
DRIVER = Path(__file__).with_name("crash_driver.py")
BACKUP = f"jobrunner.db.before-schema-{NEWEST}"
COUNTS = {"queued": 0, "waiting": 0, "running": 1, "done": 3, "failed": 1}


def ask(home: TestHome, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(home.path / "jobrunner.db"))
    connection.set_busy_timeout(10_000)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


def version(home: TestHome) -> object:
    return ask(home, "PRAGMA user_version")[0][0]


def backups(home: TestHome) -> list[str]:
    return sorted(path.name for path in home.path.glob("jobrunner.db.*"))


def make_old(home: TestHome) -> None:
    ask(home, SCHEMA_1 + "UPDATE jobs SET not_before_at = NULL WHERE id = 3;")


def started(home: TestHome) -> subprocess.Popen[str]:
    """Start a worker, and return when it is registered."""
    home.jobrunner("status")
    process = home.start("work")
    wait_until(lambda: ask(home, "SELECT 1 FROM workers"))
    return process


@pytest.fixture
def old(home: TestHome) -> TestHome:
    """A home of the first release; its jobs are those of the fixture."""
    make_old(home)
    return home


def test_the_first_command_upgrades_and_says_so_once(old: TestHome) -> None:
    first, second = old.jobrunner("status", "--json"), old.jobrunner("status", "--json")
    assert (first.returncode, second.returncode) == (0, 0)
    assert f"upgrade    {old.path}/jobrunner.db is of this version now" in first.stderr
    assert f"{old.path}/{BACKUP}" in first.stderr
    assert len(first.stderr.splitlines()) == 1
    assert second.stderr == ""
    assert old.counts() == COUNTS | {"queued": 1}
    assert (version(old), backups(old)) == (NEWEST, [BACKUP])


def test_an_upgraded_home_goes_on_with_its_jobs(old: TestHome) -> None:
    old.package("later")
    old.package("run")
    assert old.jobrunner("run", "--drain").returncode == 0
    assert old.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 5, "failed": 1}
    assert old.show("run")["attempts"][0]["outcome"] == "interrupted"


def test_who_starts_at_once_waits_for_the_one_that_upgrades(old: TestHome) -> None:
    words = [*JOBRUNNER, "--home", str(old.path), "status", "--json"]
    pipe = subprocess.PIPE
    at_once = [subprocess.Popen(words, env=clean_environment(), stdout=pipe, stderr=pipe, text=True) for _ in range(6)]
    said = [process.communicate()[1] for process in at_once]
    assert [process.returncode for process in at_once] == [0] * 6
    assert len("".join(said).splitlines()) == 1
    assert backups(old) == [BACKUP]


@pytest.mark.parametrize("command", [["status"], ["run", "--drain"]], ids=" ".join)
def test_a_newer_homes_database_is_refused_in_words_and_left(home: TestHome, command: list[str]) -> None:
    home.package("p")
    home.jobrunner("status")
    ask(home, f"PRAGMA user_version = {NEWEST + 1}")
    said = complaint(home.jobrunner(*command), 1)
    assert f"was made by a newer jobrunner (schema {NEWEST + 1}, known here: {NEWEST}): upgrade jobrunner" in said
    assert ask(home, "SELECT count(*) FROM jobs") == [(0,)]
    assert backups(home) == []


def test_a_home_on_which_the_older_jobrunner_still_runs_is_not_upgraded(home: TestHome) -> None:
    started(home)
    ask(home, f"PRAGMA user_version = {NEWEST - 1}")
    said = complaint(home.jobrunner("status"), 1)
    assert "still runs on this home" in said
    assert "stop it first" in said
    assert (version(home), backups(home)) == (NEWEST - 1, [])


def test_a_worker_whose_program_is_older_by_now_does_not_start(home: TestHome) -> None:
    running = started(home)
    ask(home, f"PRAGMA user_version = {NEWEST + 1}")
    ((pid,),) = ask(home, "SELECT pid FROM workers")
    os.kill(int(str(pid)), signal.SIGKILL)
    said = running.stderr
    assert said is not None
    wait_until(lambda: "made by a newer jobrunner" in said.readline())
    assert ask(home, "SELECT count(*) FROM workers") == [(1,)]


@pytest.mark.parametrize(
    ("kill", "left"),
    [
        (Kill("jobrunner.store.database.Database.execute", "after", "VACUUM INTO"), [f"{BACKUP}.part"]),
        (Kill("jobrunner.store.database.Database.back_up", "after"), [BACKUP]),
        (Kill("jobrunner.store.database.Database.execute", "after", f"user_version = {NEWEST}"), [BACKUP]),
    ],
    ids=["the backup is copied", "the backup is made", "all is done but committed"],
)
def test_killed_in_the_middle_the_old_version_is_left_and_the_next_start_upgrades(
    old: TestHome, kill: Kill, left: list[str]
) -> None:
    before = ask(old, "SELECT * FROM sqlite_schema"), ask(old, "SELECT * FROM jobs")
    marks = tempfile.mkdtemp(dir=old.path.parent)
    words = [sys.executable, str(DRIVER), encoded((kill,)), marks, "--home", str(old.path), "status"]
    ended = subprocess.run(words, env=clean_environment(), capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (version(old), backups(old)) == (1, left)
    assert (ask(old, "SELECT * FROM sqlite_schema"), ask(old, "SELECT * FROM jobs")) == before
    assert old.counts() == COUNTS | {"queued": 1}
    assert version(old) == NEWEST
    assert backups(old) == ([BACKUP, f"{BACKUP}~1"] if BACKUP in left else [BACKUP])


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TestHome]:
    """A home of the first release on a disk of 400 KiB."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a tiny disk")
    disk = tmp_path / "tiny"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a tmpfs")
    home = TestHome(disk / "home")
    make_old(home)
    yield home
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_without_room_for_the_backup_the_old_version_stays(tiny: TestHome) -> None:
    free = os.statvfs(tiny.path)
    (tiny.path / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 80 * 1024))
    said = complaint(tiny.jobrunner("status"), 1)
    assert "full" in said
    assert "stays at schema 1, whole and as it was" in said
    assert (version(tiny), backups(tiny)) == (1, [])
    (tiny.path / "filler").unlink()
    assert tiny.counts() == COUNTS | {"queued": 1}
