"""`jobrunner check --rebuild`: a new database is made from the folders; what was done stays done."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrunner.domain.findings import Kind
from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.messages import complaint, met_a_bug
from tests.scripts import PRELUDE, journal, lives
from tests.support import TestHome, children_of, kill, wait_until
from tests.test_check import check, execute, found, opened, repair, scan, state

PAGE = 4096
COMMANDS = (["status"], ["run", "--drain"], ["show", "good"], ["retry", "--all"])


def overwrite(database: Path, offset: int, length: int) -> None:
    with open(database, "r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * length)


Harm = Callable[[Path], object]
DAMAGE: dict[str, Harm] = {
    "the header": lambda file: overwrite(file, 0, 100),
    "all but the header": lambda file: overwrite(file, PAGE, file.stat().st_size - PAGE),
    "the end cut off": lambda file: os.truncate(file, 3 * PAGE),
    "zeros": lambda file: file.write_bytes(bytes(8 * PAGE)),
    "text": lambda file: file.write_text("not a database " * 1000),
}
LOSS: dict[str, Harm] = {
    "removed": lambda file: file.unlink(),
    "empty": lambda file: os.truncate(file, 0),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    home = TestHome(tmp_path_factory.mktemp("template") / "home")
    home.handler("import os\nprint('hello')\nraise SystemExit(65 if os.environ['JOBRUNNER_PACKAGE'] == 'bad' else 0)\n")
    for _ in range(2):
        home.package("bad", beside={"error.txt": b"the sender's own\n"})
        for name in ("good", "gone"):
            if not (home.archive / name).exists():
                home.package(name)
        home.jobrunner("run", "--drain")
    return home


@pytest.fixture
def used(template: TestHome, home: TestHome) -> TestHome:
    """A home with two done packages, one of them taken out of the archive, and one that failed twice."""
    shutil.copytree(template.path, home.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".home"))
    (home.archive / "gone").rename(home.path / "gone")
    return home


def database(home: TestHome) -> Path:
    return home.path / "jobrunner.db"


@pytest.mark.parametrize("harm", [pytest.param(harm, id=name) for name, harm in (DAMAGE | LOSS).items()])
def test_whatever_has_happened_to_it_archived_packages_are_known_as_done_again(used: TestHome, harm: Harm) -> None:
    harm(database(used))
    is_lost = harm in LOSS.values()
    assert "jobrunner check --rebuild" in complaint(used.jobrunner("status"), code=2 if is_lost else 1)
    result = used.jobrunner("check", "--json")
    [difference] = json.loads(result.stdout)["differences"]
    assert (result.returncode, difference["path"]) == (1, str(database(used)))
    assert difference["kind"] == (Kind.DATABASE_LOST if is_lost else Kind.DATABASE_DAMAGED)
    result = used.jobrunner("check", "--rebuild")
    assert (result.returncode, result.stderr) == (0, "")
    assert found(used) == []
    assert (state(used, "good"), state(used, "bad")) == ("done", "failed")
    used.package("good")
    scan(used)
    assert state(used, "good") == "done"  # the second one is held as a duplicate
    kept = [name for name in os.listdir(used.path) if "damaged" in name]
    assert len(kept) == (0 if harm is LOSS["removed"] else 1)
    assert [name for name in os.listdir(used.path) if "rebuilding" in name] == []


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_each_command_says_where_a_damaged_or_lost_database_is_mended(used: TestHome, words: list[str]) -> None:
    DAMAGE["all but the header"](database(used))
    result = used.jobrunner(*words)
    *_, last = result.stderr.splitlines()
    assert (result.returncode, met_a_bug(result.stderr)) == (1, False)
    assert "is damaged" in last
    assert "jobrunner check --rebuild" in last
    database(used).unlink()
    assert "jobrunner check --rebuild" in complaint(used.jobrunner(*words))
    assert not database(used).exists()


def test_a_fresh_home_needs_no_rebuild(home: TestHome) -> None:
    home.package("p")
    (home.archive / "things of mine").mkdir(parents=True)
    (home.failed / "notes").mkdir(parents=True)
    assert home.jobrunner("run", "--drain").returncode == 0
    assert state(home, "p") == "done"


def test_a_log_without_its_database_is_not_thrown_away(home: TestHome) -> None:
    (home.path / "jobrunner.db-wal").write_bytes(b"what was committed last")
    assert "jobrunner.db-wal is" in complaint(home.jobrunner("status"))
    assert home.jobrunner("check", "--rebuild").returncode == 0
    [kept] = [name for name in os.listdir(home.path) if "damaged" in name]
    assert (home.path / kept).read_bytes() == b"what was committed last"


def test_what_the_new_database_knows(used: TestHome) -> None:
    before = used.show("bad")
    assert sorted(os.listdir(used.failed)) == ["bad", "bad~1"]
    database(used).unlink()
    result = used.jobrunner("check", "--rebuild")
    assert result.stdout.startswith("The database is new: 1 done, 1 failed. The history of attempts is lost.\n")
    after = used.show("bad")
    assert (after["error"], after["package_path"], after["attempts"]) == (before["error"], before["package_path"], [])
    assert used.jobrunner("show", "bad").returncode == 0
    assert used.jobrunner("logs", "bad").stdout == "hello\nhello\n"
    assert used.jobrunner("retry", "bad").returncode == 0
    assert used.jobrunner("work", "--drain").returncode == 1
    assert sorted(os.listdir(used.failed / "bad")) == ["bad.zip", "error.txt", "error~1.txt"]
    assert (used.failed / "bad" / "error.txt").read_text() == "the sender's own\n"
    assert sorted(os.listdir(used.logs / "bad")) == ["1.log", "2.log", "3.log"]


def test_what_can_be_read_of_a_damaged_one_is_kept(used: TestHome) -> None:
    """A package that was taken out of the archive is known by the old database only, which refers to nothing here."""
    execute(used, "INSERT INTO attempts (job_id, number, worker_id, started_at) VALUES (77, 1, 77, 0)")
    assert [each.kind for each in check(used).differences] == [Kind.DATABASE_DAMAGED]
    assert used.jobrunner("check", "--rebuild").returncode == 0
    assert state(used, "gone") == "done"
    assert check(used).gone == 1
    assert used.show("gone")["finished_at"] is not None


def test_a_sound_database_is_not_replaced(used: TestHome) -> None:
    assert "is sound" in complaint(used.jobrunner("check", "--rebuild"), code=1)
    execute(used, "PRAGMA application_id = 1")
    assert "another program's" in complaint(used.jobrunner("check", "--rebuild"), code=1)


def test_nothing_is_rebuilt_while_jobrunner_runs(used: TestHome) -> None:
    used.package("fresh")
    running = used.start("run")
    wait_until((used.archive / "fresh").exists)
    os.killpg(running.pid, signal.SIGSTOP)  # or it would see that its database is gone, and end
    database(used).unlink()
    assert "jobrunner runs in this home" in complaint(used.jobrunner("check", "--rebuild"), code=1)
    assert not database(used).exists()


def test_a_package_in_work_is_gone_on_with_and_a_recorded_success_is_not_repeated(home: TestHome) -> None:
    home.handler(PRELUDE + "start()\nescape()\nif NAME == 'p' and ATTEMPT == 1: wait_for('go')\n")
    home.package("p")
    runner = home.start("work", "-n", "1")
    with opened(home) as services:
        services.intake.scan()
    wait_until(lambda: journal(home.path, "start"))
    [worker] = children_of(runner.pid)
    guard = next(pid for pid in children_of(worker))
    pids = [note.pid for note in journal(home.path)]
    for pid in (runner.pid, worker, guard):
        kill(pid)
    runner.wait()
    for file in home.path.glob("jobrunner.db*"):
        file.unlink()
    assert home.jobrunner("check", "--rebuild").returncode == 0
    assert not any(map(lives, pids))
    assert found(home) == []
    (home.work / "1-1" / "data-1").rename(home.work / "1-1" / f"handled-{boot_id()}")
    assert home.jobrunner("work", "--drain").returncode == 0
    assert sorted(os.listdir(home.archive / "p")) == ["data.txt", "p.zip"]
    assert [note.attempt for note in journal(home.path, "start")] == [1]


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_package_that_had_just_been_moved_to_the_archive_is_done(used: TestHome) -> None:
    (used.work / "2-1" / "emptied").mkdir(parents=True)
    database(used).unlink()
    assert used.jobrunner("check", "--rebuild").returncode == 1
    assert found(used) == [(Kind.LEFTOVER_IN_WORK, "work/2-1")]
    assert repair(used) == [Kind.LEFTOVER_IN_WORK]
    used.package("fresh")
    assert used.jobrunner("run", "--drain").returncode == 0
    assert sorted(os.listdir(used.archive)) == ["fresh", "good"]


REBUILDS = {
    "adopt, not committed": Kill("commit of Adoption.adopt", "before"),
    "adopt": Kill("commit of Adoption.adopt"),
    "the old one is moved": Kill("jobrunner.files.moves.rename_new", matching="damaged"),
    "before the new one is in place": Kill("jobrunner.files.moves.rename_new", "before", matching="rebuilding"),
    "the new one is in place": Kill("jobrunner.files.moves.rename_new", matching="rebuilding"),
}


@pytest.mark.parametrize("step", REBUILDS.values(), ids=REBUILDS)
def test_a_rebuild_that_is_killed_is_repeated(used: TestHome, step: Kill) -> None:
    DAMAGE["all but the header"](database(used))
    Scene(used).crash(step, words=("check", "--rebuild"))
    result = used.jobrunner("check", "--rebuild")
    if step is REBUILDS["the new one is in place"]:
        assert "is sound" in complaint(result, code=1)
    else:
        assert (result.returncode, result.stderr) == (0, "")
    repair(used)  # the lock of who was killed
    assert found(used) == []
    assert (state(used, "good"), state(used, "bad")) == ("done", "failed")
    assert not list(used.path.glob("*rebuilding"))


def test_a_log_is_never_left_beside_another_database(used: TestHome) -> None:
    database(used).rename(used.path / "elsewhere")
    (used.path / "jobrunner.db-wal").write_bytes(b"of the old one")
    Scene(used).crash(Kill("jobrunner.files.moves.rename_new", matching="damaged.*-wal"), words=("check", "--rebuild"))
    assert not (used.path / "jobrunner.db-wal").exists()
    assert not database(used).exists()
    assert used.jobrunner("check", "--rebuild").returncode == 0
    assert state(used, "good") == "done"


def test_every_kind_of_difference_is_found_by_a_test() -> None:
    tests = "".join(Path(__file__).with_name(name).read_text() for name in ("test_check.py", "test_rebuild.py"))
    assert [kind for kind in Kind if f"Kind.{kind.name}" not in tests.replace("Kind.{kind.name}", "")] == []
