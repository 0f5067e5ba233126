"""The dispatcher notes the nodes in the database, and waits there as others do."""

from pathlib import Path

from tests.cluster.support import WAITS, ClusterHome
from tests.cluster.test_faults import dispatcher_of
from tests.scripts import PRELUDE, outcomes
from tests.support import wait_until


def test_a_database_that_is_written_to_does_not_end_the_dispatcher(home: ClusterHome) -> None:
    """It would take all runs with it."""
    home.handler(f"{PRELUDE}{WAITS}")
    held = home.hold()
    home.package("p")
    home.running()
    dispatcher = dispatcher_of(home)
    opened = home.open()
    with opened.store.write():
        home.dask.node("new")
        wait_until(lambda: [line for line in Path("/proc/locks").read_text().splitlines() if is_wait(line, dispatcher)])
    opened.store.close()
    wait_until(lambda: len(home.status()["nodes"]) == 3)
    held.unlink()
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["done"]


def is_wait(line: str, pid: int) -> bool:
    return "->" in line and str(pid) in line.split()
