"""Nodes that are gone at once, with what they ran, or without what had escaped."""

import signal
import time

import pytest

from tests.campaign.processes import send
from tests.cluster.dask import NODE_TIMEOUT
from tests.cluster.lan.ticking import PATIENCE, end, report, running_on, ticks
from tests.cluster.support import ClusterHome
from tests.scripts import PRELUDE, journal, lives, outcomes, parent_of, story
from tests.support import wait_until


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_row_67_a_node_that_is_lost_is_given_its_time(home: ClusterHome) -> None:
    home.package("p")
    home.start("run")
    node = home.dask.nodes[running_on(home)]
    lost_at = time.monotonic()
    node.kill_tree()
    running_on(home, 2)
    report(home, "loss", lost_at)
    assert ticks(home, 2)[0].at - lost_at >= NODE_TIMEOUT
    end(home, ["fault", "done"])


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_what_a_lost_node_has_left_ends_when_it_starts_again(home: ClusterHome) -> None:
    """Both are killed that would end it. Its sweep is earlier than anything can be started there."""
    home.handler(f"{PRELUDE}start()\nif ATTEMPT == 1:\n    note('escaped', escape())\n    wait_for('never')\n")
    home.package("p")
    home.start("run")
    [escaped] = wait_until(lambda: journal(home.path, "escaped"))
    [handler] = journal(home.path, "start")
    guard = parent_of(handler.pid)
    node = next(node for node in home.dask.nodes.values() if node.pid == parent_of(guard))
    send([node.pid, guard], signal.SIGSTOP)
    send([node.pid, guard], signal.SIGKILL)
    wait_until(node.has_ended)
    assert lives(escaped.pid)
    home.dask.start(node)
    assert not lives(escaped.pid)
    assert not lives(handler.pid)
    wait_until(lambda: home.counts()["done"] == 1, PATIENCE)
    assert outcomes(home) == ["fault", "done"]
    assert journal(home.path, "overlap") == []


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_a_package_that_waits_for_a_node_is_not_touched_by_the_loss_of_all(home: ClusterHome) -> None:
    """Two run, the third waits for one of them to end; nothing of it had been started, so it waits for nothing else."""
    for name in ("p", "q", "r"):
        home.package(name)
    home.start("run", "-n", "3")
    running = wait_until(
        lambda: (now := {note.package for note in journal(home.path, "tick")}) and len(now) == 2 and now
    )
    [waiting] = {"p", "q", "r"} - running
    wait_until(lambda: {entry["step"] for entry in home.status()["running"]} == {"handler", "waiting for a node"})
    for node in home.dask.nodes.values():
        node.kill_tree()
    lost_at = time.monotonic()
    wait_until(lambda: outcomes(home, waiting)[0] == "fault")
    assert time.monotonic() - lost_at < NODE_TIMEOUT
    for node in home.dask.nodes.values():
        home.dask.start(node)
    (home.path / "end").touch()
    wait_until(lambda: home.counts()["done"] == 3, PATIENCE)
    for name in running:
        assert outcomes(home, name) == ["fault", "done"]
    assert {story(home, name).job.failures for name in "pqr"} == {0}
