"""Nodes that freeze for longer than they are waited for, and wake: the one place where two attempts can overlap."""

import signal
import time

import pytest

from tests.campaign.processes import descendants, send
from tests.cluster.dask import NODE_TIMEOUT, TCP
from tests.cluster.lan.ticking import PATIENCE, end, other, report, running_on, start_again, ticks
from tests.cluster.support import ClusterHome
from tests.scripts import journal, lives, outcomes, parent_of, story
from tests.support import wait_until


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("handler_too", [False, True], ids=["without its handler", "with its handler"])
def test_a_frozen_node_overlaps_only_until_it_wakes(home: ClusterHome, handler_too: bool) -> None:
    """The one place where two attempts run at once. Only the data of the later one counts."""
    home.package("p")
    home.start("run")
    node = home.dask.nodes[running_on(home)]
    handler = ticks(home, 1)[-1].pid
    frozen = [node.pid, parent_of(handler), *(descendants(parent_of(handler)) if handler_too else ())]
    frozen_at = time.monotonic()
    send(frozen, signal.SIGSTOP)
    running_on(home, 2)
    report(home, "freeze", frozen_at)
    assert ticks(home, 2)[0].at - frozen_at >= NODE_TIMEOUT
    asleep = [note for note in ticks(home, 1) if note.at > frozen_at + 1]
    assert bool(asleep) is not handler_too
    woken_at = time.monotonic()
    send(reversed(frozen), signal.SIGCONT)
    wait_until(lambda: not lives(handler))
    print(f"ended {ticks(home, 1)[-1].at - woken_at:.2f} s after it woke")
    assert ticks(home, 1)[-1].at - woken_at < TCP
    start_again(home.dask, node.words[node.words.index("--name") + 1])
    (home.path / "end").touch()
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["fault", "done"]
    assert story(home).job.crashes == 0


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_row_68_a_node_that_froze_before_the_start_does_not_start_it_later(home: ClusterHome) -> None:
    """What has been given to it lies in its socket; the start was forbidden when the package was taken over."""
    home.package("p")
    home.start("run")
    first = running_on(home)
    end(home, ["done"])
    (home.path / "end").unlink()
    idle = home.dask.nodes[first]
    for node in home.dask.nodes.values():
        node.signal(signal.SIGSTOP)
    given_at = time.monotonic()
    home.package("q")
    wait_until(lambda: (running := home.status()["running"]) and running[0]["step"] == "waiting for a node")
    for node in home.dask.nodes.values():
        if node is not idle:
            node.signal(signal.SIGCONT)
    wait_until(lambda: outcomes(home, "q")[0] == "fault" or ticks(home, 1, "q"), PATIENCE)
    last = len(outcomes(home, "q"))
    assert running_on(home, last, "q") == other(first)
    print(f"started elsewhere {ticks(home, last, 'q')[0].at - given_at:.1f} s after it was given to the frozen node")
    idle.signal(signal.SIGCONT)
    start_again(home.dask, first)
    assert len([note for note in journal(home.path, "start") if note.package == "q"]) == 1
    (home.path / "end").touch()
    wait_until(lambda: home.counts()["done"] == 2)
    assert set(outcomes(home, "q")[:-1]) <= {"fault"}
