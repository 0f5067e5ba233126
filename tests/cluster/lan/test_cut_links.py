"""A link that is cut: its node ends the handler by itself, and two attempts never run at once."""

import signal
import time

import pytest

from tests.campaign.processes import descendants, send
from tests.cluster.dask import NODE_TIMEOUT, TCP
from tests.cluster.lan.ticking import PATIENCE, end, other, report, running_on, start_again, ticks
from tests.cluster.network import Lan
from tests.cluster.support import ClusterHome
from tests.scripts import lives
from tests.support import wait_until


def test_a_link_that_is_cut_for_a_moment_ends_nothing(home: ClusterHome, lan: Lan) -> None:
    home.package("p")
    home.start("run")
    node = running_on(home)
    lan.cut(node)
    seen = len(ticks(home, 1))
    wait_until(lambda: len(ticks(home, 1)) > seen + 20)
    lan.mend(node)
    end(home, ["done"])


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "mended", ["almost in time", "once the handler has ended", "once another node has the package"]
)
def test_row_70_a_node_that_is_cut_off_ends_its_handler_itself(home: ClusterHome, lan: Lan, mended: str) -> None:
    home.package("p")
    home.start("run")
    node = running_on(home)
    handler = ticks(home, 1)[-1].pid
    lan.cut(node)
    cut_at = time.monotonic()
    match mended:
        case "almost in time":
            wait_until(lambda: ticks(home, 1)[-1].at - cut_at > TCP - 1)
        case "once the handler has ended":
            wait_until(lambda: not lives(handler), PATIENCE)
        case _:
            assert running_on(home, 2) == other(node)
    lan.mend(node)
    mended_at = time.monotonic()
    wait_until(lambda: not lives(handler) or time.monotonic() - mended_at > 2 * TCP, PATIENCE)
    report(home, "cut", cut_at)
    if lives(handler):
        end(home, ["done"])
    else:
        start_again(home.dask, node)
        running_on(home, 2)
        assert ticks(home, 1)[-1].at - cut_at < NODE_TIMEOUT
        end(home, ["fault", "done"])


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_what_ends_while_the_link_is_cut_runs_again(home: ClusterHome, lan: Lan) -> None:
    """Its answer has not come: that it would have been good is not known."""
    home.package("p")
    home.start("run")
    node = running_on(home)
    lan.cut(node)
    cut_at = time.monotonic()
    (home.path / "end").touch()
    wait_until(lambda: not lives(ticks(home, 1)[-1].pid))
    (home.path / "end").unlink()
    running_on(home, 2)
    report(home, "cut", cut_at)
    lan.mend(node)
    start_again(home.dask, node)
    end(home, ["fault", "done"])


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheduler_too", [False, True], ids=["jobrunner", "jobrunner and the scheduler"])
@pytest.mark.parametrize("mended", [True, False], ids=["mended first", "cut for good"])
def test_the_server_is_lost_while_the_link_is_cut(
    home: ClusterHome, lan: Lan, scheduler_too: bool, mended: bool
) -> None:
    home.package("p")
    process = home.start("run")
    node = running_on(home)
    lan.cut(node)
    cut_at = time.monotonic()
    kill_tree(process.pid)
    if scheduler_too:
        home.dask.scheduler.kill_tree()
        home.dask.start_scheduler()
        start_again(home.dask, other(node))
    if mended:
        lan.mend(node)
    home.start("run")
    running_on(home, 2)
    report(home, "cut", cut_at)
    end(home, ["interrupted", "done"])


def kill_tree(pid: int) -> None:
    tree = [pid, *descendants(pid)]
    send(tree, signal.SIGSTOP)
    send(tree, signal.SIGKILL)
