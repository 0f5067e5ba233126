"""Events on their way from the processes in which they happen to the supervisor and its listeners."""

import fcntl
import json
import os
import subprocess
import sys
from typing import Any

from tests.support import JOBRUNNER, TestHome, clean_environment, wait_until

#: Runs a home to its end with a second listener, which prints each envelope.
LISTENING = """
import sys
from pathlib import Path
from jobrunner.domain.envelope import Emit, as_line
from jobrunner.domain.role import Role
from jobrunner.wiring import running
from jobrunner.wiring.bugs import Exits
from jobrunner.wiring.reloading import reloading
from jobrunner.wiring.serving import serving
from jobrunner.wiring.home import block_signals, load_settings, open_home

block_signals()
heard = []
emit = Emit(Role.SUPERVISOR, heard.append, lambda envelope: print(as_line(envelope, 4096).decode(), end=""))
exit_of = Exits(None, print).of
with open_home(load_settings(Path(sys.argv[1])), emit) as home:
    told = serving(home)
    supervisor = running.supervisor(home, exit_of, reloading(home, told, given=2), told, drain=True, scan=True)
    supervisor.run()
    supervisor.leave()
print(len(heard))
"""


#: Holds the package p until the package late is archived.
WAITS_FOR_THE_OTHER = """
import os, time
while os.environ["JOBRUNNER_PACKAGE"] == "p" and not os.path.exists("archive/late"):
    time.sleep(0.02)
"""


def heard_in(home: TestHome) -> list[list[Any]]:
    """Return what a listener of the supervisor's hears, as lists: time, pid, role, job, attempt, name, values."""
    result = subprocess.run(
        [sys.executable, "-c", LISTENING, str(home.path)],
        env=clean_environment(), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", "services print nothing"
    *lines, count = result.stdout.splitlines()
    assert int(count) == len(lines), "each listener hears all"
    return [json.loads(line) for line in lines]


def test_events_of_all_processes_come_to_the_listeners_with_job_and_attempt(home: TestHome) -> None:
    home.handler("import os\nraise SystemExit(os.environ['JOBRUNNER_ATTEMPT'] == '1')", retry='backoff = "0.01s"')
    home.package("p")
    home.jobrunner("scan")
    home.package("q")
    heard = heard_in(home)
    by_name = {name: [event for event in heard if event[5] == name] for name in ("job-put-off", "job-done")}
    assert {(job, attempt) for _, _, _, job, attempt, _, _ in by_name["job-put-off"]} >= {(1, 1)}
    assert {(job, attempt) for _, _, _, job, attempt, _, _ in by_name["job-done"]} >= {(1, 2)}
    assert {role for _, _, role, *_ in by_name["job-done"]} == {"worker"}
    times = [event[0] for event in heard if event[3] == 1]
    assert times == sorted(times)


def test_what_the_scanner_finds_comes_to_the_listeners_too(home: TestHome) -> None:
    home.handler(WAITS_FOR_THE_OTHER)
    home.package("p")
    home.jobrunner("scan")
    home.package("late")
    found = [event for event in heard_in(home) if event[5] == "packages-found"]
    assert [(role, job, values) for _, _, role, job, _, _, values in found] == [("scanner", None, [1, 0])]


def test_workers_go_on_while_nobody_reads_what_is_printed(home: TestHome) -> None:
    """On the code before, each worker waits at its first line."""
    names = [f"p{number}" for number in range(30)]
    for name in names:
        home.package(name)
    ours, theirs = os.pipe()
    size = fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    os.write(theirs, b"." * (size - 200) + b"\n")  # it takes the first lines still
    process = subprocess.Popen(
        [*JOBRUNNER, "--home", str(home.path), "run", "-n", "2", "--drain"], stderr=theirs, env=clean_environment()
    )
    os.close(theirs)
    try:
        wait_until(lambda: sorted(os.listdir(home.archive)) == sorted(names) if home.archive.exists() else None)
        with os.fdopen(ours, encoding="utf-8") as reader:
            said = reader.read()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
    assert sorted(line.split()[3] for line in said.splitlines() if "  done " in line) == sorted(names)
