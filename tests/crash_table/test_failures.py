"""Rows 15 to 19: a package on its way to failed/, and one that is put off."""

from dataclasses import dataclass, replace

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import BESIDE, Scene, tree_of
from tests.crash_table.steps import MOVES


@dataclass(frozen=True)
class FailingStep:
    """A row from the decision that a package fails to `failed`."""

    kill: Kill
    state: str
    at: str


FAILING = {
    "row-15-condemn": FailingStep(Kill("commit of condemn"), "running", "work"),
    "row-16-error.txt": FailingStep(Kill(f"{MOVES}.flush_filesystem", "before"), "running", "error.txt"),
    "row-17-rename-to-failed": FailingStep(Kill(f"{MOVES}.rename_new", matching="/failed/p$"), "running", "failed"),
    "row-17-fail-not-committed": FailingStep(Kill("commit of fail", "before"), "running", "failed"),
    "row-18-fail": FailingStep(Kill("commit of fail"), "failed", "failed"),
}

each_failing_step = pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in FAILING.items()])


@each_failing_step
def test_killed_with_its_whole_tree_a_failing_package_goes_to_failed_once(scene: Scene, step: FailingStep) -> None:
    scene.plan(p_1=65)
    scene.deliver(beside=BESIDE | {"error.txt": b"the sender's"})
    scene.crash(step.kill, words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["verdict"]) == (step.state, "rejected")
    assert (job["failed_name"], job["error_name"]) == (b"p", "error~1.txt")
    work, failed = scene.home.work / "1-1" / "package", scene.home.failed / "p"
    assert list(scene.workspaces()) == ["1-1"]
    assert scene.copies("p") == [failed if step.at == "failed" else work]
    ours = {} if step.at == "work" else {"error~1.txt": f"{job['error']}\n".encode()}
    assert tree_of(failed if step.at == "failed" else work) == scene.delivered["p"] | ours
    scene.restart(code=int(step.state == "running"))
    scene.assert_failed(error="exit status 65")
    assert scene.ran() == ["p 1"]


@each_failing_step
def test_killed_alone_a_worker_leaves_a_failing_package_to_another(scene: Scene, step: FailingStep) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    assert scene.crash(replace(step.kill, alone=True), words=("run", "-n", "2", "--drain")) == 1
    scene.restart()  # for the sweep
    scene.assert_failed(error="exit status 65")
    assert scene.ran() == ["p 1"]


def test_row_17_the_move_to_failed_is_flushed_by_the_next_before_its_record(scene: Scene) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    scene.crash(FAILING["row-17-rename-to-failed"].kill, words=("run", "-n", "1", "--drain"))
    scene.crash(Kill(f"{MOVES}.flush_directory", matching="/failed/p$"))
    assert scene.job()["state"] == "running"
    scene.restart(code=1)
    scene.assert_failed(error="exit status 65")


@pytest.mark.parametrize("status", [1, 75], ids=["row-19-failure", "row-19-not-now"])
def test_a_package_that_was_put_off_is_tried_again_when_it_is_due(scene: Scene, status: int) -> None:
    scene.plan(p_1=status)
    scene.deliver()
    scene.crash(Kill("commit of requeue"), words=("run", "-n", "1", "--drain"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["failures"]) == ("queued", 1, int(status == 1))
    assert job["not_before_at"] is not None
    assert scene.workspaces() == {"1-1": ["package"]}
    scene.assert_untouched(scene.home.work / "1-1" / "package")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["failed" if status == 1 else "later", "done"]
