"""Row 51: a pause or a resume that is cut short, and a claim at the same instant."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import DRAIN, Scene
from tests.support import PATIENCE, children_of, wait_until

PAUSED, RESUMED = Kill("commit of Pauses.begin"), Kill("commit of Pauses.end")


@pytest.fixture
def queued(scene: Scene) -> Scene:
    scene.deliver()
    scene.restart("scan")
    return scene


def test_row_51_a_pause_that_is_not_committed_is_none(queued: Scene) -> None:
    queued.crash(Kill("jobrunner.store.pauses.Pauses.begin"), words=("pause",))
    assert queued.home.status()["paused"] is None
    queued.restart()
    queued.assert_archived(by="p 1")


def test_row_51_from_its_commit_on_nobody_claims_until_a_resume_is_committed(queued: Scene) -> None:
    queued.crash(PAUSED, words=("pause",))
    queued.restart(*DRAIN, code=1)
    queued.crash(Kill("jobrunner.store.pauses.Pauses.end"), words=("resume",))
    queued.restart(*DRAIN, code=1)
    assert (queued.job()["state"], queued.job()["attempt"]) == ("queued", 0)
    queued.assert_untouched(queued.home.inbox / "p")
    queued.crash(RESUMED, words=("resume",))
    queued.restart(*DRAIN)
    queued.assert_archived(by="p 1")


def test_row_51_what_is_claimed_at_the_same_instant_comes_before_the_pause_and_ends(queued: Scene) -> None:
    queued.deliver("q")
    queued.restart("scan")
    supervisor = queued.start_stopping(Kill("commit of claim", "before", stops=True))
    pause = queued.home.start("pause")
    worker = wait_until(lambda: next(filter(is_stopped, children_of(supervisor.pid)), None))
    wait_until(lambda: re.search(rf"-> FLOCK .* {pause.pid} ", Path("/proc/locks").read_text()))  # for its turn
    os.kill(worker, signal.SIGCONT)
    assert pause.wait(PATIENCE) == 0
    assert supervisor.wait(PATIENCE) == 1
    assert (queued.job("p")["state"], queued.job("q")["state"]) == ("done", "queued")
    queued.restart("resume")
    queued.restart()
    assert queued.ran() == ["p 1", "q 1"]


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
