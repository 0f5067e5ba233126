"""`jobrunner cancel`: what is queued or running fails, and nothing of its handler is left."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from jobrunner.wiring.cancelling import cancelling
from jobrunner.wiring.recovering import recovery
from tests.messages import complaint
from tests.scripts import PRELUDE, journal, lives, outcomes, story
from tests.support import RECEIPT, TestHome, children_of, kill, processes_of, wait_until

#: Leaves a process behind in a session of its own, then waits for a file "go" in the home.
WAITING = PRELUDE + "start()\nnote('escaped', escape())\nwait_for('go')\n"


@pytest.fixture
def waiting(home: TestHome) -> TestHome:
    home.handler(WAITING)
    return home


def state(home: TestHome, name: str = "p") -> tuple[str, str | None]:
    job = story(home, name).job
    return job.state.value, job.error


def scan(home: TestHome) -> None:
    opened = home.open()
    opened.intake.scan()
    opened.store.close()


def delivered(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_queued_package_fails_at_once_without_any_worker(waiting: TestHome) -> None:
    waiting.package("p", beside={"error.txt": b"the sender's own\n"})
    waiting.package("q")
    scan(waiting)
    result = waiting.jobrunner("cancel", "p")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"p is cancelled: it lies in {waiting.failed / 'p'}\n"
    assert state(waiting) == ("failed", "cancelled")
    assert delivered(waiting.failed / "p") == ["error.txt", "error~1.txt", "p.zip"]
    assert (waiting.failed / "p" / "error~1.txt").read_text() == "cancelled\n"
    assert sorted(os.listdir(waiting.work)) == [".home", ".workers"]
    assert os.listdir(waiting.work / ".workers") == []
    assert state(waiting, "q") == ("queued", None)
    assert waiting.show("p")["verdict"] == "cancelled"
    [failed] = waiting.status()["failed"]
    assert (failed["name"], failed["verdict"]) == ("p", "cancelled")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_what_a_full_disk_keeps_from_failed_is_cancelled_and_moved_later(home: TestHome, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
    try:
        for name in ("work", "archive", "failed"):
            (disk / name).mkdir()
        folders = "".join(f'{path.name} = "{path}"\n' for path in disk.iterdir())
        home.configure(f'[folders]\n{folders}[extract]\nkeep_free = "0 B"\n')
        home.package("p")
        scan(home)
        with (disk / "full").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert "p is cancelled, but cannot be moved to failed/ now" in complaint(home.jobrunner("cancel", "p"), code=1)
        (disk / "full").unlink()
        assert home.jobrunner("work", "--drain").returncode == 1
        assert state(home) == ("failed", "cancelled")
        assert delivered(disk / "failed") == ["p"]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_running_package_fails_and_its_handlers_whole_tree_is_gone(waiting: TestHome) -> None:
    waiting.package("p")
    runner = waiting.start("run", "-n", "1")
    [escaped] = wait_until(lambda: journal(waiting.path, "escaped"))
    [started] = journal(waiting.path, "start")
    assert lives(escaped.pid)
    [running] = waiting.status()["running"]
    waiting.package("q")
    result = waiting.jobrunner("cancel", "p")
    assert (result.returncode, result.stderr) == (0, "")
    assert not lives(escaped.pid)
    assert not lives(started.pid)
    assert state(waiting) == ("failed", "cancelled")
    assert delivered(waiting.failed / "p") == ["error.txt", "p.zip"]
    assert outcomes(waiting) == ["cancelled", "cancelled"]
    assert story(waiting).job.crashes == 0
    (waiting.path / "go").touch()
    wait_until((waiting.archive / "q").exists)
    runner.terminate()
    said = runner.communicate()[1]
    assert f"cancelled  p  worker {running['worker_pid']} was ended for it\n" in said
    assert "was killed by" not in said
    assert "recovered" not in said


def has_escaped(home: TestHome, times: int) -> bool:
    return len(journal(home.path, "escaped")) == times


def test_a_worker_that_was_ended_for_a_cancel_is_replaced_at_once(waiting: TestHome) -> None:
    names = ("p", "q", "r", "s", "t")
    for name in names:
        waiting.package(name)
    runner = waiting.start("run", "-n", "1")
    services = wait_until(lambda: (waiting.path / "jobrunner.db").exists() and waiting.open())
    for number, name in enumerate(names, start=1):
        wait_until(partial(has_escaped, waiting, number))
        cancelling(services).cancel(services.report.find(name))
    notes = journal(waiting.path, "start")
    assert [note.package for note in notes] == list(names)
    runner.terminate()
    assert "at their start" not in runner.communicate()[1], "they were taken for early deaths"


def test_what_runs_is_cancelled_after_what_waits_so_that_no_worker_takes_it_up(waiting: TestHome) -> None:
    for name in ("p", "q", "r"):
        waiting.package(name)
        scan(waiting)
    waiting.start("work", "-n", "1")
    wait_until(lambda: journal(waiting.path, "start"))
    result = waiting.jobrunner("cancel", "p", "q", "r", "q")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["q", "r", "p"]
    assert [note.package for note in journal(waiting.path, "start")] == ["p"]


def test_a_package_whose_worker_and_supervisor_are_dead_is_cancelled_alone(waiting: TestHome) -> None:
    waiting.package("p")
    runner = waiting.start("run")
    [escaped] = wait_until(lambda: journal(waiting.path, "escaped"))
    kill(runner.pid)
    assert waiting.jobrunner("cancel", "p").returncode == 0
    assert not lives(escaped.pid)
    assert state(waiting) == ("failed", "cancelled")


def test_a_stopped_worker_is_no_obstacle(waiting: TestHome) -> None:
    waiting.package("p")
    runner = waiting.start("work", "-n", "1")
    scan(waiting)
    wait_until(lambda: journal(waiting.path, "escaped"))
    [worker] = children_of(runner.pid)
    os.kill(worker, signal.SIGSTOP)
    assert waiting.jobrunner("cancel", "p").returncode == 0
    assert state(waiting) == ("failed", "cancelled")


def test_a_package_that_waits_for_another_try_is_cancelled(home: TestHome) -> None:
    home.handler("raise SystemExit(75)\n", retry='backoff = "1h"')
    home.package("p")
    runner = home.start("run")
    wait_until(lambda: home.counts()["waiting"])
    runner.terminate()
    runner.wait()
    assert home.jobrunner("cancel", "p").returncode == 0
    assert state(home) == ("failed", "cancelled")
    assert delivered(home.failed / "p") == ["error.txt", "p.zip"]


def test_retry_brings_it_back_and_it_can_be_cancelled_again_where_it_lies(home: TestHome) -> None:
    home.handler("")
    home.package("p")
    scan(home)
    for _ in range(2):
        assert home.jobrunner("cancel", "p").returncode == 0
        assert delivered(home.failed / "p") == ["error.txt", "p.zip"]
        assert home.jobrunner("retry", "p").returncode == 0
    assert home.jobrunner("work", "--drain").returncode == 0
    assert delivered(home.archive / "p") == [RECEIPT, "data.txt", "p.zip"]


def test_what_has_ended_or_is_unknown_is_said_in_one_line(home: TestHome) -> None:
    home.package("p")
    home.package("q")
    home.jobrunner("run", "--drain")
    assert "p is done: only what is queued, waiting or running" in complaint(home.jobrunner("cancel", "p"), code=1)
    assert "unheard-of" in complaint(home.jobrunner("cancel", "unheard-of"), code=1)
    home.package("late")
    scan(home)
    result = home.jobrunner("cancel", "p", "late")
    assert result.returncode == 1
    assert "p is done" in result.stderr
    assert "late is cancelled" in result.stdout
    assert "late is cancelled: only what" in complaint(home.jobrunner("cancel", "late"), code=1)


def test_filters_choose_what_is_cancelled_and_a_dry_run_shows_it(home: TestHome) -> None:
    for name in ("test-1", "test-2", "scan-1"):
        home.package(name)
    home.jobrunner("scan")
    result = home.jobrunner("cancel", "--state", "queued", "--name", "test-*", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:3]] == ["test-2", "test-1"]
    assert result.stdout.endswith("\n2 packages would be cancelled.\n")
    assert home.counts()["queued"] == 3
    assert home.jobrunner("cancel", "--name", "test-*").returncode == 0
    assert home.jobrunner("cancel", "--name", "test-*").stdout == "Nothing to cancel.\n"
    listed = home.asked("list", "--json", "--sort", "name")["jobs"]
    assert [job["verdict"] for job in listed] == [None, "cancelled", "cancelled"]


def test_without_a_name_or_a_filter_nothing_is_cancelled(home: TestHome) -> None:
    home.package("p")
    home.jobrunner("scan")
    for words in ([], ["--limit", "1"], ["--sort", "name"], ["p", "--name", "p"]):
        assert "name the packages, or choose them" in complaint(home.jobrunner("cancel", *words))
    assert "--state done: only what is queued" in complaint(home.jobrunner("cancel", "--state", "done"))
    assert home.jobrunner("cancel", "--name", "").stdout == "Nothing to cancel.\n"
    assert home.counts()["queued"] == 1


DIES_AFTER_THE_SUCCESS = """
import os, sys
from jobrunner.files.workspace import Workspace
record = Workspace.record_success
def record_and_die(workspace):
    record(workspace)
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)
Workspace.record_success = record_and_die
from jobrunner.cli.main import main
main()
"""


@pytest.mark.parametrize("recovered", [False, True])
def test_a_success_that_is_recorded_cannot_be_cancelled_any_more(home: TestHome, recovered: bool) -> None:
    home.handler("import os\nopen(os.environ['JOBRUNNER_DATA'] + '/out', 'w').close()\n")
    home.package("p")
    scan(home)
    words = [sys.executable, "-c", DIES_AFTER_THE_SUCCESS, "--home", str(home.path), "work"]
    assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == -signal.SIGKILL
    assert state(home) == ("running", None)
    if recovered:
        wait_until(lambda: not processes_of(home))
        recovering = recovery(home.open())
        wait_until(lambda: recovering.run() == set())  # who ends loses its lock after all else
        assert "its handler had succeeded" in complaint(home.jobrunner("cancel", "p"), code=1)
    else:
        assert "its handler has succeeded" in complaint(home.jobrunner("cancel", "p"), code=1)
        assert home.jobrunner("work", "--drain").returncode == 0
    assert state(home) == ("done", None)
    assert delivered(home.archive / "p") == [RECEIPT, "data.txt", "out", "p.zip"]
