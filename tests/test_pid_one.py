"""jobrunner as the first process of a PID namespace, as it is in a container without an init."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.messages import met_a_bug
from tests.scripts import state_of
from tests.support import TestHome, children_of, wait_until

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def test_it_reaps_whoever_comes_to_it_and_ends_as_asked(home: TestHome) -> None:
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made here: that takes root, or the right to user namespaces")
    home.before = UNSHARE
    home.configure('[process]\ncommand = ["sh", "-c", "sleep 600 & sleep 600 & exit"]\n')
    home.package("p")
    first = home.start("run", "-n", "2")
    wait_until(lambda: home.counts()["done"] == 1)
    (pid,) = children_of(first.pid)
    assert f"NSpid:\t{pid}\t1\n" in Path(f"/proc/{pid}/status").read_text()
    ours = set(children_of(pid))
    assert len(ours) == 3, "the scanner and the workers: nothing that the handler left"
    # a program that somebody starts in the container beside it, as `docker exec` does, and that leaves children behind
    beside = ["nsenter", "--target", str(pid), "--pid", "--mount", "sh", "-c", "sleep 600 >&- & sleep 600 >&- & exit"]
    # in a group of its own: the end of an orphan of ours is a SIGHUP for all of us while one is stopped (setpgid(2))
    subprocess.run(beside, check=True, process_group=0)
    orphans = wait_until(lambda: set(children_of(pid)) - ours)
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: orphans.isdisjoint(children_of(pid)))
    assert {state_of(child) for child in ours} <= {"S", "R", "D"}
    os.kill(pid, signal.SIGTERM)
    assert first.wait(60) == 143
    assert first.stderr
    assert not met_a_bug(first.stderr.read())
