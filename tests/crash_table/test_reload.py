"""Rows 55 and 56: a reload that is cut short."""

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.support import wait_until

RUNNERS = "jobrunner.store.runners.Runners"


def test_row_55_what_was_asked_for_is_taken_over_though_nobody_waits(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    supervisor = scene.start_waiting(1, "run", "-n", "1")
    toml = (scene.home.path / "jobrunner.toml").read_text()
    scene.home.configure(f"{toml}[work]\nworkers = 2\n")
    scene.crash_beside(Kill("jobrunner.services.reload_request.ReloadRequest._answer", "before"), words=("reload",))
    wait_until(lambda: scene.rows("SELECT * FROM runners WHERE reloads_done = 1"))
    assert scene.outcomes() == [None], "the package runs on"
    scene.kill_tree(supervisor)
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.outcomes() == ["interrupted", "done"]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(Kill("jobrunner.services.slots.Slots.take_over", "before"), id="row-56-read"),
        pytest.param(Kill("jobrunner.services.slots.Slots.take_over"), id="row-56-drained"),
        pytest.param(Kill(f"{RUNNERS}.answer"), id="row-56-before-the-answer-is-committed"),
    ],
)
def test_a_supervisor_that_dies_while_it_takes_settings_over_costs_no_package(scene: Scene, cut: Kill) -> None:
    scene.plan(p_1="reload")
    scene.deliver()
    scene.restart("scan")
    scene.crash(cut, words=("work", "--drain"))
    assert scene.job()["state"] == "running"
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.outcomes() == ["interrupted", "done"]


def test_row_56_once_it_is_answered_the_package_goes_on_and_another_worker_follows(scene: Scene) -> None:
    scene.plan(p_1="reload")
    scene.deliver()
    scene.restart("scan")
    scene.deliver("q")
    scene.restart("run", "--drain")
    for name in ("p", "q"):
        assert scene.outcomes(name) == ["done"]
        assert f"{name} 1" in scene.ran()
    scene.assert_at_rest()


def test_row_56_a_worker_that_dies_while_it_is_drained_is_replaced(scene: Scene) -> None:
    scene.plan(p_1="reload")
    scene.deliver()
    scene.restart("scan")
    cut = Kill("jobrunner.files.workspace.Workspace.record_success", alone=True)
    assert scene.crash(cut, words=("work", "--drain")) == 0
    scene.assert_archived(by="p 1")
    assert scene.outcomes() == ["crashed", "done"]
    assert scene.ran() == ["p 1"]
