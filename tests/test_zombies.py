"""A worker that is stopped while somebody else takes its job over, and then goes on, changes nothing any more.

A stopped worker is not dead to recovery, for it holds its lock. So the takeover is forced: behind its back in the
database, as where its processes cannot be seen (another container), or by the removal of its lock file.
"""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.domain.job import EndedAttempt, Outcome
from jobrunner.domain.retry import Decision
from tests.campaign import contract
from tests.crash_driver import Kill, encoded
from tests.messages import met_a_bug
from tests.scripts import journal, lives, parent_of, state_of
from tests.support import TestHome, wait_until

DRIVER = Path(__file__).with_name("crash_driver.py")
MOVES = "jobrunner.files.moves"
STAGES = {
    "before it takes the package": Kill("os.mkdir", "before", matching="work/1-1 "),
    "in the extraction": Kill("os.open", matching=r"/data-1/folder/1\.bin"),
    "after the handler's success": Kill("os.rename", "before", matching="/handled-"),
    "after the success is recorded": Kill("os.rename", matching="/handled-"),
    "in the flush": Kill("os.rename", "before", matching="/flushed$"),
    "in the merge": Kill("jobrunner.linux.at.rename_new", matching=r"^\d+ (\S.*) \d+ \1$"),
    "before the move to the archive": Kill(f"{MOVES}.rename_new", "before", matching="/archive/p$"),
    "after the move to the archive": Kill(f"{MOVES}.rename_new", matching="/archive/p$"),
    "before it completes": Kill("jobrunner.services.recording.Recording._record", "before"),
}
FAILING_STAGES = {
    "before it condemns": Kill("jobrunner.files.moves.free_name", "before", matching="/failed p$"),
    "before the move to failed": Kill(f"{MOVES}.rename_new", "before", matching="/failed/p$"),
    "after the move to failed": Kill(f"{MOVES}.rename_new", matching="/failed/p$"),
    "before it records the failure": Kill("jobrunner.services.recording.Recording._record", "before"),
}


class Scene:
    """A home with one package, a worker that stops itself at a stage, and others that take over from it."""

    def __init__(self, home: TestHome) -> None:
        self.home = home
        self.evidence = home.path.parent / "evidence"
        self.marks = home.path.parent / "marks"
        self.marks.mkdir()
        self.printed = home.path.parent / "printed"
        contract.prepare(home, self.evidence)

    def deliver(self, plan: str) -> None:
        self.delivery = contract.deliver(self.home, "p", plan)
        assert self.home.jobrunner("scan").returncode == 0

    def stop_at(self, stage: Kill) -> int:
        """Start a supervisor whose worker stops itself at a stage, and return that worker's pid."""
        self._start(replace(stage, stops=True))
        wait_until(lambda: os.listdir(self.marks))
        [row] = contract.rows(self.home, "SELECT pid FROM jobs JOIN workers ON workers.id = worker_id")
        wait_until(lambda: state_of(row["pid"]) == "T")
        return int(row["pid"])

    def stop_in_handler(self) -> tuple[int, int]:
        """Start a supervisor, stop its worker and the guard as soon as the handler runs, and return their pids."""
        self._start()
        [handler] = wait_until(lambda: journal(self.evidence, "start"))
        guard = parent_of(handler.pid)
        worker = parent_of(guard)
        for pid in (worker, guard):
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: {state_of(worker), state_of(guard)} == {"T"})
        return worker, guard

    def _start(self, *kills: Kill) -> None:
        self.supervisor = subprocess.Popen(
            [sys.executable, str(DRIVER), encoded(kills), str(self.marks), "--home", str(self.home.path), "work"],
            stdout=subprocess.DEVNULL,
            stderr=self.printed.open("w"),
            text=True,
            env=self.home.environment,
            process_group=0,
        )
        self.home.started.append(self.supervisor)

    def take_job_away(self) -> None:
        """Queue the job again, as recovery does, but leave the worker alone."""
        opened = self.home.open()
        with opened.store.write():
            [running] = opened.store.jobs.running(opened.store.now())
            opened.store.queue.requeue(
                running.job, Outcome.INTERRUPTED, Decision(0, 0, 0, 1, reason="taken away"), opened.store.now()
            )
            opened.store.totals.add([EndedAttempt(Outcome.INTERRUPTED)], opened.store.now().wall)
        opened.store.close()

    def remove_lock(self, worker: int) -> None:
        [row] = contract.rows(self.home, f"SELECT token FROM workers WHERE pid = {worker}")
        (self.home.work / ".workers" / row["token"]).unlink()

    def take_over(self) -> None:
        """Let another supervisor end the job; then its sender delivers a package of that name again."""
        ended = self.home.jobrunner("work", "-n", "1", "--drain")
        assert ended.returncode in {0, 1}, ended.stderr
        contract.deliver(self.home, "p")

    def state(self) -> tuple[object, ...]:
        """Each row and each file, byte for byte."""
        tables = [contract.rows(self.home, f"SELECT * FROM {table}") for table in ("jobs", "attempts")]
        folders = [self.home.inbox, self.home.archive, self.home.failed, self.home.logs]
        work = [path for path in self.home.work.rglob("*") if ".workers" not in path.parts]
        return tables, [contract.tree_of(folder) for folder in folders], work

    def end(self) -> str:
        """Stop the supervisor, verify the contract, and return what was printed."""
        self.supervisor.terminate()
        assert self.supervisor.wait(30) == 143
        shutil.rmtree(self.home.inbox / "p")
        assert contract.at_rest(self.home, [self.delivery], self.evidence) == []
        printed = self.printed.read_text()
        assert not met_a_bug(printed)
        return printed


@pytest.fixture
def scene(home: TestHome) -> Scene:
    return Scene(home)


@pytest.mark.parametrize(
    ("plan", "stage"),
    [
        *(pytest.param("is quick", stage, id=name) for name, stage in STAGES.items()),
        *(pytest.param("rejects", stage, id=name) for name, stage in FAILING_STAGES.items()),
    ],
)
def test_who_has_lost_its_job_unawares_changes_nothing_of_it(scene: Scene, plan: str, stage: Kill) -> None:
    scene.deliver(plan)
    worker = scene.stop_at(stage)
    scene.take_job_away()
    scene.take_over()
    before = scene.state()
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: "another worker has this job by now" in scene.printed.read_text())
    assert scene.state() == before
    assert lives(worker), "and it goes on with other jobs"
    scene.end()


def test_whose_lock_was_removed_is_dead_before_its_job_is_tried_again(scene: Scene) -> None:
    scene.deliver("is quick")
    worker = scene.stop_at(STAGES["in the merge"])
    scene.remove_lock(worker)
    wait_until(lambda: not lives(worker))
    scene.take_over()
    assert f"worker {worker} died while it ran; queued again" in scene.end()


def test_a_worker_stopped_with_its_guard_is_dead_before_the_next_handler(scene: Scene) -> None:
    scene.deliver("escapes")
    worker, guard = scene.stop_in_handler()
    scene.remove_lock(worker)
    wait_until(lambda: len(journal(scene.evidence, "start")) == 2)
    assert not any(map(lives, (worker, guard, journal(scene.evidence, "start")[0].pid)))
    scene.take_over()
    assert journal(scene.evidence, "overlap") == []
    scene.end()
