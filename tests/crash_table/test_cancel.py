"""Rows 30 and 31: a cancel that is cut short."""

import signal

from tests.crash_driver import Kill
from tests.crash_table.scene import Scene
from tests.scripts import lives
from tests.support import wait_until


def test_row_30_a_cancelled_job_of_a_killed_worker_fails_though_nobody_waits(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    supervisor = scene.start_waiting(1, "run", "-n", "1")
    supervisor.send_signal(signal.SIGSTOP)
    scene.crash_beside(Kill("commit of cancel"), words=("cancel", "p"))
    job = scene.job()
    assert (job["state"], job["attempt"], job["verdict"]) == ("running", 1, "cancelled")
    handler, *_ = (scene.home.path / "started.txt").read_text("ascii").split()
    wait_until(lambda: not lives(int(handler)))  # who reaps it is another matter
    supervisor.send_signal(signal.SIGCONT)
    wait_until(lambda: scene.job()["state"] == "failed")
    supervisor.terminate()
    supervisor.wait()
    scene.assert_failed(error="cancelled")
    assert scene.outcomes() == ["cancelled", "cancelled"]


def test_row_30_a_cancel_that_is_not_committed_is_a_death_of_the_worker(scene: Scene) -> None:
    scene.plan(p_1="wait")
    scene.deliver()
    supervisor = scene.start_waiting(1, "run", "-n", "1")
    scene.crash_beside(Kill("jobrunner.services.cancelling.end_worker"), words=("cancel", "p"))
    wait_until(lambda: scene.job()["state"] == "done")
    supervisor.terminate()
    supervisor.wait()
    scene.assert_archived(by="p 2")
    assert scene.outcomes() == ["crashed", "done"]


def test_row_31_a_queued_job_that_is_being_cancelled_fails_with_the_next_start(scene: Scene) -> None:
    scene.deliver()
    scene.restart("scan")
    scene.crash(Kill("commit of claim_cancelled"), words=("cancel", "p"))
    assert (scene.job()["state"], scene.job()["verdict"]) == ("running", "cancelled")
    scene.assert_untouched(scene.home.inbox / "p")
    scene.restart(code=1)
    scene.assert_failed(error="cancelled")
    assert scene.ran() == []
    assert scene.outcomes() == ["cancelled", "cancelled"]
