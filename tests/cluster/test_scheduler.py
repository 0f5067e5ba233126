"""A scheduler that is slow, or does not answer for a while, is no lost one."""

import signal

import pytest

from tests.cluster.support import WAITS, ClusterHome
from tests.scripts import PRELUDE, outcomes
from tests.support import wait_until


@pytest.mark.campaign
def test_a_scheduler_that_freezes_and_wakes_ends_nothing(home: ClusterHome) -> None:
    """Its connections are still there. What runs goes on, and nothing is given to nodes meanwhile."""
    home.handler(f"{PRELUDE}{WAITS}")
    held = home.hold()
    home.package("p")
    home.running()
    home.dask.scheduler.signal(signal.SIGSTOP)
    try:
        [trouble] = wait_until(lambda: home.status()["troubles"])
    finally:
        home.dask.scheduler.signal(signal.SIGCONT)
    assert "does not answer" in trouble
    wait_until(lambda: not home.status()["troubles"])
    held.unlink()
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["done"]
