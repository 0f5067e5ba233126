"""A scheduler or a node that does not answer for a while: it is not lost, and what others do goes on."""

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
    home.running("run", "-n", "6")
    home.dask.scheduler.signal(signal.SIGSTOP)
    try:
        for name in "abcde":  # more than there are slots: some would be given to a node
            home.package(name)
        [trouble] = wait_until(lambda: home.status()["troubles"])
    finally:
        home.dask.scheduler.signal(signal.SIGCONT)
    assert "does not answer" in trouble
    wait_until(lambda: not home.status()["troubles"])
    held.unlink()
    wait_until(lambda: home.counts()["done"] == 6)
    assert outcomes(home) == ["done"]


@pytest.mark.campaign
def test_a_node_that_does_not_answer_holds_up_no_other(home: ClusterHome) -> None:
    """It is asked for up to 30 seconds whether it can run the handler; those that can are given packages meanwhile."""
    frozen = home.dask.nodes["a"]
    frozen.signal(signal.SIGSTOP)
    try:
        home.handler("")
        home.package("p")
        process = home.start("run")
        wait_until(lambda: home.counts()["done"] == 1, 20)
        assert outcomes(home) == ["done"]
        process.terminate()
    finally:
        frozen.signal(signal.SIGCONT)
