"""`jobrunner check` and its `--repair`: each difference is found, transitions are none, and no package is deleted."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import pytest

from jobrunner.domain.findings import Findings, Kind
from jobrunner.files.delivery import Source
from jobrunner.wiring.checking import checking, repairing
from jobrunner.wiring.home import Home
from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.messages import tree
from tests.scripts import PRELUDE, journal
from tests.support import RECEIPT, TestHome, kill, processes_of, wait_until


@contextmanager
def opened(home: TestHome) -> Iterator[Home]:
    services = home.open()
    try:
        yield services
    finally:
        services.store.close()


def scan(home: TestHome) -> None:
    with opened(home) as services:
        services.intake.scan()


def check(home: TestHome) -> Findings:
    with opened(home) as services:
        return checking(services).check()


def found(home: TestHome) -> list[tuple[Kind, str]]:
    """What a check finds, by kind and path in the home."""
    return [(each.kind, os.path.relpath(each.path, home.path)) for each in check(home).differences]


def repair(home: TestHome) -> list[Kind]:
    with opened(home) as services:
        return [
            each.kind for each, error in repairing(services).repair(checking(services).check().differences) if not error
        ]


def state(home: TestHome, name: str) -> str | None:
    with opened(home) as services:
        job = services.store.jobs.find(name)
        return job and job.state.value


def execute(home: TestHome, sql: str) -> None:
    """Change the database as nothing of ours does."""
    connection = apsw.Connection(str(home.path / "jobrunner.db"))
    connection.execute(sql)
    connection.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    home = TestHome(tmp_path_factory.mktemp("template") / "home")
    home.handler("import os\nraise SystemExit(65 if os.environ['JOBRUNNER_PACKAGE'] == 'bad' else 0)\n")
    for name in ("good", "bad"):
        home.package(name)
    home.jobrunner("run", "--drain")
    home.package("bad")
    home.jobrunner("run", "--drain")
    home.package("next")
    scan(home)
    assert sorted(os.listdir(home.failed)) == ["bad", "bad~1"]
    return home


@pytest.fixture
def settled(template: TestHome, home: TestHome) -> TestHome:
    """A home with a done package, a failed one whose first delivery is kept, and a queued one."""
    shutil.copytree(template.path, home.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".home"))
    return home


def test_all_is_well_after_all_that_is_usual(settled: TestHome) -> None:
    settled.package("new, not scanned")
    settled.package("good")  # a duplicate
    (settled.inbox / "later-downloading").mkdir()
    (settled.archive / "notes of mine.txt").touch()
    (settled.failed / "notes").mkdir()
    assert check(settled) == Findings([], jobs=3, gone=0)


def test_the_archive_is_the_users(settled: TestHome) -> None:
    shutil.rmtree(settled.archive / "good")
    assert check(settled) == Findings([], jobs=3, gone=1)


def test_a_package_without_a_job_is_found_and_known_after_the_repair(settled: TestHome) -> None:
    (settled.path / "elsewhere").mkdir()
    settled.package("old", folder=settled.archive)
    settled.package("broken", folder=settled.failed)
    (settled.failed / "broken" / "error.txt").write_text("its zip is broken\n")
    settled.package("a~1", folder=settled.failed).rename(settled.failed / "a~1~2")
    assert found(settled) == [
        (Kind.ARCHIVED_WITHOUT_JOB, "archive/old"),
        (Kind.FAILED_WITHOUT_JOB, "failed/a~1~2"),
        (Kind.FAILED_WITHOUT_JOB, "failed/broken"),
    ]
    before = tree(settled.archive) | tree(settled.failed)
    assert repair(settled) == [Kind.ARCHIVED_WITHOUT_JOB, Kind.FAILED_WITHOUT_JOB, Kind.FAILED_WITHOUT_JOB]
    assert found(settled) == []
    assert tree(settled.archive) | tree(settled.failed) == before
    assert settled.show("broken")["error"] == "its zip is broken"
    settled.package("old")  # is a duplicate now
    assert settled.jobrunner("retry", "broken", "a~1").returncode == 0
    assert settled.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(settled.archive)) == ["a~1", "broken", "good", "next", "old"]
    assert sorted(os.listdir(settled.archive / "broken")) == [RECEIPT, "broken.zip", "data.txt"]
    assert os.listdir(settled.inbox) == ["old"]


def test_a_job_without_a_package_is_found_and_can_be_settled_as_it_says(settled: TestHome) -> None:
    shutil.rmtree(settled.inbox / "next")
    shutil.rmtree(settled.failed / "bad")
    assert sorted(found(settled)) == [
        (Kind.FAILED_WITHOUT_PACKAGE, "failed/bad"),
        (Kind.QUEUED_WITHOUT_PACKAGE, "inbox/next"),
    ]
    assert repair(settled) == []
    settled.jobrunner("cancel", "next")
    settled.jobrunner("retry", "bad")
    assert settled.jobrunner("work", "--drain").returncode == 1
    assert found(settled) == []


def test_a_package_in_work_without_a_job_is_queued_and_gone_on_with(settled: TestHome) -> None:
    workspace = settled.work / "70-3"
    workspace.mkdir()
    settled.package("lost", folder=workspace).rename(workspace / "package")
    settled.package("good", folder=settled.work).rename(settled.work / "strange")
    assert found(settled) == [(Kind.WORK_WITHOUT_JOB, "work/70-3"), (Kind.UNKNOWN_IN_WORK, "work/strange")]
    assert repair(settled) == [Kind.WORK_WITHOUT_JOB]
    assert found(settled) == [(Kind.UNKNOWN_IN_WORK, "work/strange")]
    assert settled.jobrunner("work", "--drain").returncode == 0
    assert sorted(os.listdir(settled.archive / "lost")) == [RECEIPT, "data.txt", "lost.zip"]
    assert settled.show("lost")["attempts"][0]["number"] == 4


def test_what_only_a_person_can_tell_is_left_to_one(settled: TestHome) -> None:
    def put_in_work(folder: str, name: str) -> None:
        (settled.work / folder).mkdir()
        settled.package(name, folder=settled.work / folder).rename(settled.work / folder / "package")

    put_in_work("70-1", "two")
    (settled.work / "70-1" / "package" / "zips.zip").touch()
    put_in_work("71-1", "good")  # known by another job
    put_in_work("1-9", "whatever")  # of a job that is done
    settled.package("next", folder=settled.archive)  # which is queued
    settled.package("x").rename(settled.inbox / ".jobrunner-taken-72")
    check(settled)  # opening a home marks the work folder as its own
    before = tree(settled.path)
    assert sorted(found(settled)) == [
        (Kind.ARCHIVED_NOT_DONE, "archive/next"),
        (Kind.COPIED_WITHOUT_JOB, "inbox/.jobrunner-taken-72"),
        (Kind.SECOND_IN_WORK, "work/1-9"),
        (Kind.SECOND_IN_WORK, "work/71-1"),
        (Kind.WORK_WITHOUT_NAME, "work/70-1"),
    ]
    assert repair(settled) == []
    assert {path for path in tree(settled.path) if "jobrunner.db" not in path} == {
        path for path in before if "jobrunner.db" not in path
    }


def test_leftovers_and_locks_of_nobody_are_removed(settled: TestHome) -> None:
    for folder in ("1-1/data/deep", "70-1/emptied", "3-8/data", "3-9/package"):  # done, unknown, and twice `next`
        (settled.work / folder).mkdir(parents=True)
    (settled.inbox / "next").rename(settled.work / "3-9" / "package" / "next")
    (settled.work / ".workers" / "0123456789abcdef").touch()
    descriptor = os.open(settled.package("good"), os.O_RDONLY)
    source = Source.of(descriptor, 1)
    os.close(descriptor)
    (settled.inbox / "good").rename(settled.inbox / source.hidden_name)
    (settled.work / "1-1" / "source").write_text(str(source))
    assert sorted(found(settled)) == [
        (Kind.LEFTOVER_IN_INBOX, f"inbox/{source.hidden_name}"),
        (Kind.LEFTOVER_IN_WORK, "work/3-8"),
        (Kind.LEFTOVER_IN_WORK, "work/70-1"),
        (Kind.LEFTOVER_LOCK, "work/.workers/0123456789abcdef"),
    ]
    assert len(repair(settled)) == 4
    assert found(settled) == []
    assert sorted(os.listdir(settled.work)) == [".home", ".workers", "3-9"]
    assert os.listdir(settled.inbox) == []


def test_ids_that_stand_on_something_are_never_given_to_another_job(settled: TestHome) -> None:
    """As after an older database has been put back: the folder of a lost job must not be taken for a new one's."""
    (settled.work / "9-1" / "emptied").mkdir(parents=True)
    settled.package("x").rename(settled.inbox / ".jobrunner-taken-9")  # a name says nothing
    repair(settled)
    settled.package("fresh")
    scan(settled)
    with opened(settled) as services:
        job = services.store.jobs.find("fresh")
    assert job is not None
    assert job.id == 10


def test_a_dead_workers_job_is_recovered_where_nobody_else_is_there(settled: TestHome) -> None:
    settled.handler(PRELUDE + "start()\nwait_for('go')\n")
    runner = settled.start("work")
    wait_until(lambda: journal(settled.path, "start"))
    assert found(settled) == []
    kill(runner.pid)
    runner.wait()
    wait_until(lambda: not processes_of(settled))
    settled.start("scan", "--watch")  # which recovers nothing
    wait_until(lambda: len(os.listdir(settled.work / ".workers")) == 3)
    assert found(settled) == [(Kind.WORKER_DEAD, "work/3-1")]
    assert repair(settled) == [Kind.WORKER_DEAD]
    assert found(settled) == []
    assert state(settled, "next") == "queued"


def test_a_running_job_that_nobody_holds_is_queued_again(settled: TestHome) -> None:
    execute(settled, "UPDATE jobs SET state = 'running', attempt = 1, worker_id = 1 WHERE name = CAST('next' AS BLOB)")
    execute(settled, "INSERT INTO attempts (job_id, number, worker_id, started_at) VALUES (3, 1, 1, 0)")
    assert found(settled) == [(Kind.RUNNING_WITHOUT_WORKER, "work/3-1")]
    assert repair(settled) == [Kind.RUNNING_WITHOUT_WORKER]
    assert found(settled) == []
    assert state(settled, "next") == "queued"


def test_while_workers_are_at_it_nothing_is_found(home: TestHome) -> None:
    for number in range(150):
        home.package(f"p{number}")
    home.start("run", "-n", "3")
    wait_until(lambda: home.path.joinpath("jobrunner.db").exists() and state(home, "p0"))
    looks = 0
    with opened(home) as services:
        while services.store.jobs.any_pending():
            assert checking(services).check().differences == []
            looks += 1
    assert looks > 5
    assert len(os.listdir(home.archive)) == 150


REPAIRS = {
    "adopt, not committed": Kill("commit of Adoption.adopt", "before"),
    "adopt": Kill("commit of Adoption.adopt"),
    "second adopt": Kill("commit of Adoption.adopt", call=2),
    "rename of a leftover": Kill("os.rename", matching="left-over"),
    "part of a leftover": Kill("os.rmdir"),
}


@pytest.mark.parametrize("step", REPAIRS.values(), ids=REPAIRS)
def test_a_repair_that_is_killed_is_repeated(settled: TestHome, step: Kill) -> None:
    settled.package("old", folder=settled.archive)
    settled.package("broken", folder=settled.failed)
    (settled.work / "1-1" / "data" / "deep").mkdir(parents=True)
    Scene(settled).crash(step, words=("check", "--repair"))
    result = settled.jobrunner("check", "--repair")
    assert (result.returncode, result.stderr) == (0, "")
    assert found(settled) == []
    assert (state(settled, "old"), state(settled, "broken")) == ("done", "failed")
    assert sorted(os.listdir(settled.work)) == [".home", ".workers"]


def test_a_hundred_thousand_jobs_are_checked_in_seconds(home: TestHome) -> None:
    scan(home)
    execute(
        home,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO jobs (name, state, position, attempt, created_at, finished_at) "
        "SELECT CAST('p' || i AS BLOB), 'done', i, 1, 0, 0 FROM n",
    )
    start = time.process_time()
    assert check(home) == Findings([], jobs=100_000, gone=100_000)
    assert time.process_time() - start < 5


def test_a_handler_that_is_certain_not_to_start_is_found_and_nothing_mends_it(home: TestHome) -> None:
    home.configure('[process]\ncommand = ["nonesuch"]\n')
    assert found(home) == [(Kind.CANNOT_START, "jobrunner.toml")]
    assert repair(home) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount something")
def test_what_cannot_be_mended_is_said_and_the_rest_is_mended(settled: TestHome) -> None:
    for folder in ("70-1/data", "71-1/data"):
        (settled.work / folder).mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", settled.work / "70-1" / "data"], check=True)
    try:
        result = settled.jobrunner("check", "--repair")
    finally:
        [data] = settled.work.glob("*70-1/data")
        subprocess.run(["umount", data], check=True)
    assert result.returncode == 1
    assert "work/70-1 cannot be mended (" in result.stderr
    assert result.stdout.startswith("work/71-1  removed\n1 difference between")
    assert settled.jobrunner("check", "--repair").returncode == 0
