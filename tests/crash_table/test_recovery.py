"""Row 28, and how many deaths a package bears."""

import os
from dataclasses import replace

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.crash_table.steps import CLAIMED, HANDLED_STEP, MERGING, MOVES, STEPS, Step, assert_lies_at
from tests.support import PATIENCE, kill


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        pytest.param(
            Kill("jobrunner.services.recovery.kill_handlers_of", "before"), "running", id="row-28-handlers-not-killed"
        ),
        pytest.param(
            Kill("jobrunner.services.recovery.kill_handlers_of", "after"), "running", id="row-28-handlers-killed"
        ),
        pytest.param(Kill("commit of requeue", "before"), "running", id="row-28-before-its-commit"),
        pytest.param(Kill("commit of requeue", "after"), "queued", id="row-28-after-its-commit"),
    ],
)
@pytest.mark.parametrize("step", [CLAIMED, HANDLED_STEP], ids=["of-row-03", "of-row-09"])
def test_a_recovery_that_was_killed_is_taken_up_by_the_next(scene: Scene, step: Step, cut: Kill, state: str) -> None:
    scene.deliver()
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    scene.crash(cut)
    assert scene.job()["state"] == state
    [worker] = scene.rows("SELECT * FROM workers")
    assert (worker["ended_at"] is None) == (state == "running")
    assert scene.outcomes() == [None if state == "running" else "interrupted"]
    assert_lies_at(scene, step.at)
    scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert scene.outcomes() == ["interrupted", "done"]
    assert scene.job()["interruptions"] == 1


def test_the_third_crash_while_its_handler_runs_fails_a_package(scene: Scene) -> None:
    scene.plan(p_1="wait", p_2="wait", p_3="wait")
    scene.deliver()
    scene.restart("scan")
    supervisor = scene.home.start("work", "-n", "4", "--drain")  # each dies once: none is waited for
    for number in range(1, 4):
        scene.wait_for_run(number)
        scene.assert_nothing_is_lost()
        [busy] = scene.rows(
            "SELECT workers.pid, jobs.crashes FROM jobs JOIN workers ON workers.id = worker_id WHERE state = 'running'"
        )
        assert busy["crashes"] == number - 1
        kill(busy["pid"])
    assert supervisor.wait(PATIENCE) == 1
    scene.assert_failed(error="its worker died 3 times while it ran")
    assert scene.ran() == ["p 1", "p 2", "p 3"]
    assert scene.outcomes()[:3] == ["crashed", "crashed", "crashed"]
    assert scene.job()["crashes"] == 3


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(Kill(f"{MOVES}.Watch.flush", "before"), id="after-row-09"),
        pytest.param(Kill(f"{MOVES}.merge", "before", matching="/package /"), id="after-row-10"),
        pytest.param(MERGING, id="in-row-11"),
        pytest.param(Kill("commit of complete", "before"), id="after-row-13"),
    ],
)
def test_four_crashes_after_the_handler_succeeded_do_not_fail_a_package(scene: Scene, cut: Kill) -> None:
    scene.deliver()
    code = scene.crash(replace(cut, times=4, alone=True), words=("run", "-n", "5", "--drain"))
    assert code == 0
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]
    assert scene.outcomes() == ["crashed"] * 4 + ["done"]
    assert os.listdir(scene.home.failed) == []


def test_a_crash_at_each_step_after_the_success_in_turn_does_not_fail_a_package(scene: Scene) -> None:
    scene.deliver()
    rows = ("row-09-rename-to-handled", "row-10-rename-to-flushed", "row-12-rename-to-archive")
    kills = [replace(STEPS[row].kill, alone=True) for row in rows]
    assert scene.crash(*kills, words=("run", "-n", "4", "--drain")) == 0
    scene.assert_archived(by="p 1")
    assert scene.ran() == ["p 1"]
    assert scene.outcomes() == ["crashed"] * 3 + ["done"]


def test_the_third_death_of_the_whole_tree_puts_a_package_at_the_back_of_the_queue(scene: Scene) -> None:
    scene.plan(p_1="wait", p_2="wait", p_3="wait")
    for name in ("p", "q", "r"):
        scene.deliver(name)
        scene.restart("scan")
    for number in range(1, 4):
        scene.kill_tree(scene.start_waiting(number))
    scene.restart()
    assert scene.ran() == ["p 1", "p 2", "p 3", "q 1", "r 1", "p 4"]
    assert scene.outcomes() == ["interrupted"] * 3 + ["done"]
    assert (scene.job()["crashes"], scene.job()["failures"]) == (0, 0)
    for by in ("p 4", "q 1", "r 1"):
        scene.assert_archived(by=by, name=by[0])
