"""Limits of a handler: they hold for all of its processes, and for none of ours."""

import json
import re
import resource
import sys
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.process import cgroup
from tests.messages import complaint
from tests.support import TestHome, processes_of

TELL = """
import json, os, resource, subprocess, sys

def limits(who):
    text = open(f"/proc/{who}/limits").read()
    rows = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()}
    nice = open(f"/proc/{who}/stat").read().rpartition(")")[2].split()[16]
    return [rows["Max address space"], rows["Max open files"], nice]

def tell(data):
    child = subprocess.run(["sh", "-c", "cat /proc/self/limits"], capture_output=True, text=True).stdout
    told = {"handler": limits("self"), "guard": limits(os.getppid()), "child": child}
    json.dump(told, open(os.path.join(data, "told.json"), "w"))
"""


def told(home: TestHome, kind: str) -> dict[str, list[object]]:
    """Run a package with these limits in the environment, and return what its handler saw."""
    (home.path / "analysis.py").write_text(TELL + "def process(package):\n    tell(package.data)\n")
    (home.path / "handler.py").write_text(TELL + "tell(sys.argv[1])\n")
    what = f'command = ["{sys.executable}", "handler.py"]' if kind == "command" else 'callable = "analysis:process"'
    home.configure(f"[process]\n{what}\nmax_open_files = 100\nnice = 0\n")
    home.package("p")
    limits = {"JOBRUNNER_PROCESS_MAX_MEMORY": "3 GiB", "JOBRUNNER_PROCESS_NICE": "3"}
    assert home.jobrunner("run", "--drain", environment=limits).returncode == 0
    read: dict[str, list[object]] = json.loads((home.archive / "p" / "told.json").read_text())
    return read


@pytest.mark.parametrize("kind", ["command", "callable"])
def test_each_process_of_a_handler_is_held_to_them_and_none_of_ours(home: TestHome, kind: str) -> None:
    seen = told(home, kind)
    memory, files = str(3 * 2**30), "100"
    guards_nice = int(str(seen["guard"][2]))
    assert seen["handler"] == [[memory, memory], [files, files], str(min(guards_nice + 3, 19))]
    assert f"{memory}" in str(seen["child"])
    assert seen["guard"][0] != [memory, memory]
    assert seen["guard"][1] != [files, files]


def test_a_handler_that_wants_more_memory_has_failed_and_not_the_worker(home: TestHome) -> None:
    home.handler("x = bytearray(1 << 30)", max_memory='"300 MiB"', retry="max_attempts = 1")
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 1
    assert home.show("p")["error"] == "exit status 1: MemoryError"


@pytest.mark.unmeasured
def test_limits_that_leave_no_room_to_start_fail_the_attempt(home: TestHome) -> None:
    home.handler("", max_memory='"4 MiB"', max_open_files="8", retry="max_attempts = 1")
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 1
    assert re.match("the handler |exit status ", home.show("p")["error"])


def test_a_limit_above_our_own_is_refused_before_anything_starts(home: TestHome) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    home.handler("", max_open_files=str(most + 1))
    home.package("p")
    said = complaint(home.jobrunner("work", "--drain"))
    assert f"process.max_open_files is {most + 1}, but jobrunner itself is held to {most}: lower it" in said
    assert Path(home.inbox / "p").exists()


BOMB = """
import os, sys, time
forks = []
try:
    while len(forks) < 100:
        forks.append(os.fork())
        if forks[-1] == 0:
            time.sleep(600)
except OSError as error:
    print(len(forks), error)
    sys.exit(len(forks))
"""


def test_a_run_of_the_handler_has_so_many_processes_at_most(home: TestHome) -> None:
    try:
        cgroup.check(10)
    except ConfigurationError as error:
        pytest.skip(str(error))
    home.handler(BOMB, max_processes="10", retry="max_attempts = 1")
    home.package("p")
    assert home.jobrunner("run", "-n", "1", "--drain").returncode == 1
    # nine forks and itself
    assert home.show("p")["error"] == "exit status 9: 9 [Errno 11] Resource temporarily unavailable"
    assert processes_of(home) == []


def test_a_limit_of_processes_that_cannot_be_set_is_refused_before_anything_starts(
    home: TestHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_group(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", no_group)
    with pytest.raises(ConfigurationError) as refused:
        cgroup.check(10)
    said = str(refused.value)
    assert said.startswith("process.max_processes is 10, but no control group that limits processes can be made (")
    assert said.endswith("start jobrunner as root or with Delegate=yes in its systemd unit, or leave it out")
    cgroup.check(None)
