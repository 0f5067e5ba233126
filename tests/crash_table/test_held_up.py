"""Rows 40 to 42: a handler that cannot be ended."""

import os
import signal

import pytest

from tests.scripts import outcomes, parent_of
from tests.support import kill, wait_until
from tests.unkillable import held_up, held_up_home


@pytest.mark.parametrize("row", ["row-40", "row-41", "row-42"])
def test_what_cannot_be_ended_of_a_handler_is_waited_for_whoever_is_killed(row: str) -> None:
    with held_up_home() as home:
        held = held_up(home)
        if row == "row-41":
            kill(held.worker)
        elif row == "row-42":
            ours = (parent_of(held.worker), held.worker, held.guard)
            for pid in ours:  # neither may see the others' end
                os.kill(pid, signal.SIGSTOP)
            for pid in ours:
                kill(pid)
            home.start("run", "-n", "1")
        wait_until(lambda: f"process {held.pid} of a dead worker" in held.troubles() or row == "row-40")
        assert outcomes(home) == ["running"]
        [workspace] = home.work.glob("[0-9]*")
        assert sorted(os.listdir(workspace)) == ["data-1", "package"]
        held.end()
        expected = {"row-40": ["done"], "row-41": ["crashed", "done"], "row-42": ["interrupted", "done"]}
        wait_until(lambda: outcomes(home) == expected[row])
