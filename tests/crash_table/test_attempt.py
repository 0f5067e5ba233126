"""Rows 1 to 14 and 29: a package on its way from the inbox to the archive."""

import os
import signal
import uuid
from dataclasses import replace

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import DRAIN, MEMBERS, WRITTEN, Scene, tree_of
from tests.crash_table.steps import HANDLED, HANDLED_STEP, MOVES, STEPS, Step, assert_lies_at
from tests.support import PATIENCE, children_of, kill, processes_of, wait_until

each_step = pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in STEPS.items()])


@each_step
def test_killed_with_its_whole_tree_a_step_is_taken_up_where_the_table_says(scene: Scene, step: Step) -> None:
    scene.deliver()
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["verdict"]) == ("running", 1, None)
    assert scene.workspaces() == ({} if step.workspace is None else {"1-1": step.workspace})
    assert len(scene.ran()) == step.ran_before
    assert_lies_at(scene, step.at)
    scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["interrupted", "done"]
    assert scene.job()["crashes"] == 0


@each_step
def test_killed_alone_at_a_step_a_worker_is_succeeded_by_another(scene: Scene, step: Step) -> None:
    scene.deliver()
    assert scene.crash(replace(step.kill, alone=True), words=("run", "-n", "2", "--drain")) == 0
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["crashed", "done"]


def test_row_01_a_package_that_was_only_seen_is_queued_by_the_next_scan(scene: Scene) -> None:
    scene.deliver()
    scene.crash(Kill("jobrunner.files.inbox.Inbox.look_at"), words=("scan",))
    assert scene.rows("SELECT * FROM jobs") == []
    scene.crash(Kill("commit of enqueue", "before"), words=("scan",))
    assert scene.rows("SELECT * FROM jobs") == []
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart("scan")
    assert scene.job()["state"] == "queued"
    scene.restart()
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


def test_row_02_a_package_that_was_queued_needs_no_repair(scene: Scene) -> None:
    scene.deliver()
    scene.crash(Kill("commit of enqueue"), words=("scan",))
    assert (scene.job()["state"], scene.job()["attempt"]) == ("queued", 0)
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart("work", "-n", "1", "--drain")
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


def test_row_07_a_handler_that_runs_dies_with_the_tree_and_runs_again(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    scene.kill_tree(scene.start_waiting(1))
    assert (scene.job()["state"], scene.job()["attempt"]) == ("running", 1)
    assert scene.workspaces() == {"1-1": ["data-1", "package"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["interrupted", "done"]


def test_row_07_a_handler_that_runs_dies_with_its_worker_and_runs_again(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.start_waiting(1)
    [worker] = children_of(supervisor.pid)
    kill(worker)
    assert supervisor.wait(PATIENCE) == 0
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["crashed", "done"]


def test_row_07_with_a_dead_guard_too_what_a_handler_started_is_killed_first(
    scene: Scene,
) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.start_waiting(1)
    [worker] = children_of(supervisor.pid)
    [guard] = children_of(worker)
    for pid in (supervisor.pid, worker):
        os.kill(pid, signal.SIGSTOP)  # neither may see the guard's end
    for pid in (guard, supervisor.pid, worker):
        kill(pid)
    supervisor.wait()
    sleeper = int((scene.home.path / "started.txt").read_text("ascii").split()[1])
    wait_until(lambda: processes_of(scene.home) == [sleeper])
    assert scene.job()["state"] == "running"
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]


def test_row_06_a_large_extraction_cut_short_after_its_progress_is_made_again(scene: Scene) -> None:
    large = MEMBERS | {f"large/{number}": bytes(5 << 20) for number in range(8)}
    scene.delivered["p"] = tree_of(scene.home.package("p", large))
    scene.crash(Kill("jobrunner.files.workspace.Workspace.report_extracted"), words=("run", "-n", "1", "--drain"))
    assert scene.workspaces() == {"1-1": ["data-1", "package", "progress-1"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    supervisor = scene.home.start(*DRAIN)
    wait_until(lambda: len(scene.outcomes()) > 1 and scene.outcomes()[1] is not None)
    assert scene.outcomes() == ["interrupted", "done"]
    assert supervisor.wait(PATIENCE) == 0
    assert tree_of(scene.home.archive / "p") == scene.delivered["p"] | large | WRITTEN | {"by.txt": b"p 2"}
    scene.assert_at_rest()


def test_row_12_the_move_to_the_archive_is_flushed_by_the_next_before_its_record(scene: Scene) -> None:
    scene.deliver()
    scene.crash(STEPS["row-12-rename-to-archive"].kill, words=("run", "-n", "1", "--drain"))
    scene.crash(Kill(f"{MOVES}.flush_directory", matching="/archive$"))
    assert scene.job()["state"] == "running"
    scene.restart()
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]


@pytest.mark.parametrize("alone", [False, True], ids=["row-14-tree", "row-14-worker"])
def test_a_job_that_was_completed_stays_done_and_the_next_one_is_as_after_its_claim(scene: Scene, alone: bool) -> None:
    scene.deliver("p")
    scene.deliver("q")
    scene.home.jobrunner("scan")
    scene.crash(Kill("commit of complete", alone=alone), words=("work", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        first, second = ("p", "q") if scene.job("p")["state"] == "done" else ("q", "p")
        assert tree_of(scene.home.archive / first) == scene.processed(by=f"{first} 1")
        assert scene.workspaces() == {f"{scene.job(first)['id']}-1": ["emptied"]}
        assert (scene.job(second)["state"], scene.job(second)["attempt"]) == ("running", 1)
        scene.assert_untouched(scene.home.inbox / second, second)
    scene.restart()
    for name in ("p", "q"):
        runs = [run for run in scene.ran() if run.startswith(name)]
        assert len(runs) == 1
        scene.assert_archived(by=runs[0], name=name)


@pytest.mark.parametrize("row", ["row-05-rename-to-package", "row-09-rename-to-handled", "row-12-rename-to-archive"])
def test_what_comes_under_the_name_on_the_same_filesystem_is_held_as_a_duplicate(scene: Scene, row: str) -> None:
    first = scene.deliver()
    scene.crash(STEPS[row].kill, words=("run", "-n", "1", "--drain"))
    second = scene.deliver()
    scene.restart()
    scene.delivered["p"] = first
    assert tree_of(scene.home.archive / "p") == scene.processed(by=STEPS[row].ran[-1])
    assert tree_of(scene.home.inbox / "p") == second
    assert [each["name"] for each in scene.home.status()["duplicates"]] == ["p"]
    assert scene.ran() == list(STEPS[row].ran)


def test_row_29_a_success_recorded_in_another_boot_is_not_trusted(scene: Scene) -> None:
    scene.deliver()
    scene.crash(HANDLED_STEP.kill, words=("run", "-n", "1", "--drain"))
    handled = scene.home.work / "1-1" / HANDLED
    (handled / "a.txt").write_bytes(b"")  # what a power cut leaves of a file that was not flushed
    handled.rename(handled.with_name(f"handled-{uuid.uuid4()}"))
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
