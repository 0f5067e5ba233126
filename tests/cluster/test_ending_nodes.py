"""A Dask worker that ends because it was told to, as a batch system does, first ends its tasks and may still say so."""

import os
import signal
from pathlib import Path

import pytest

from tests.cluster.support import ClusterHome
from tests.scripts import PRELUDE, journal, lives, outcomes, parent_of
from tests.support import wait_until

#: A preload of a Dask worker that makes the first step of its end once a file is there, and no other.
FIRST_STEP = """
import asyncio, pathlib
from distributed.worker_state_machine import BaseWorker

async def end(worker):
    while not pathlib.Path({path!r}).exists():
        await asyncio.sleep(0.01)
    await BaseWorker.close(worker)

async def dask_setup(worker):
    worker.first_step = asyncio.create_task(end(worker))
"""


@pytest.mark.parametrize("hangs", [False, True], ids=["its guard ends", "its guard hangs"])
def test_a_task_that_is_cancelled_on_its_node_is_lost_there(home: ClusterHome, tmp_path: Path, hangs: bool) -> None:
    """It is not the dispatcher that has ended."""
    preload, end = tmp_path / "first_step.py", tmp_path / "end"
    preload.write_text(FIRST_STEP.format(path=str(end)))
    home.dask.node("ending", "--preload", str(preload), slots=8)
    home.handler(f"{PRELUDE}start()\nif ATTEMPT == 1: wait_for('never')\n", retry='backoff = "0.01s"')
    home.start("run")
    wait_until(lambda: [node for node in home.status()["nodes"] if node["name"].endswith(":ending")])  # has answered
    home.package("p")
    handler = wait_until(lambda: journal(home.path, "start"))[0].pid
    if hangs:
        os.kill(parent_of(handler), signal.SIGSTOP)
    end.touch()
    wait_until(lambda: not lives(handler))
    wait_until(lambda: home.counts()["done"] == 1)
    assert outcomes(home) == ["fault", "done"]
    assert "ending has ended it" in (home.errors()[0] or "")
