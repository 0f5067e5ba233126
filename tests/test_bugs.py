"""A bug in jobrunner, in whichever of its processes, is one plain line, exit status 70 and a report in the home."""

import json
import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.messages import complaint, tree
from tests.support import PATIENCE, TestHome, clean_environment

BUG = 70

#: Starts jobrunner with a bug: `bug(where)` makes a function of ours raise ValueError, in the supervisor's children
#: only with `below`, and once in all with `once`, a file to make.
DRIVER = """
import importlib, os, sys

def bug(where, message="boom", below=False, once=None):
    module, _, path = where.partition(":")
    owner, top = importlib.import_module(module), os.getpid()
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    right = getattr(owner, name)
    def wrong(*args, **options):
        if below and os.getpid() == top:
            return right(*args, **options)
        if once:
            try:
                os.close(os.open(once, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return right(*args, **options)
        raise ValueError(message)
    setattr(owner, name, wrong)

def limit_files():
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

sys.argv[:] = ["jobrunner", *sys.argv[1:]]
"""
STATUS = "jobrunner.services.report:Report.status"


def run(home: Path, source: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"{DRIVER}\n{source}\nfrom jobrunner.cli.main import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, "--home", str(home), *words],
        env=clean_environment() | environment, capture_output=True, text=True, timeout=PATIENCE * 3, check=False,
    )  # fmt: skip


def reports(home: TestHome) -> list[Path]:
    return sorted(home.path.glob("jobrunner-bug-*"))


def report(home: TestHome) -> str:
    (one,) = reports(home)
    return one.read_text("utf-8")


def test_a_bug_is_one_line_and_a_private_report_that_tells_what_is_needed(home: TestHome) -> None:
    result = run(home.path, f"bug({STATUS!r})", "status", "--json", JOBRUNNER_INTAKE_SETTLE="7.25s", SECRET="hunter2")
    (file,) = reports(home)
    said = complaint(result, BUG)
    assert "a bug in jobrunner (ValueError: boom)" in said
    assert str(file) in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text("utf-8")
    assert "send this file to" in text
    assert f"jobrunner: {version('jobrunner')}" in text
    assert f"Python: {sys.version.split()[0]}" in text
    assert os.uname().release in text
    assert f"command line: jobrunner --home {home.path} status --json" in text
    assert "Traceback (most recent call last)" in text
    assert text.endswith("ValueError: boom\n")
    assert "hunter2" not in text
    assert "7.25" not in text


def test_what_a_report_says_is_harmless_in_a_terminal(home: TestHome) -> None:
    said = complaint(run(home.path, rf"bug({STATUS!r}, 'a\x1b[2Jb\ud800\nc')", "status", "\x1b[2J"), 2)
    assert r"\x1b[2J" in said
    result = run(home.path, rf"bug({STATUS!r}, 'a\x1b[2Jb\ud800\nc')", "status")
    assert r"a\x1b[2Jb\ud800 c" in complaint(result, BUG)
    assert {char for char in report(home) if not char.isprintable()} == {"\n"}
    assert r"a\x1b[2Jb\ud800" in report(home)


def test_the_same_bug_has_one_report_and_another_one_another(home: TestHome) -> None:
    first = complaint(run(home.path, f"bug({STATUS!r})", "status"), BUG)
    before = tree(home.path)
    assert complaint(run(home.path, f"bug({STATUS!r})", "status"), BUG) == first
    assert tree(home.path) == before
    assert complaint(run(home.path, "bug('jobrunner.wiring.home:load_settings')", "status"), BUG) != first
    assert len(reports(home)) == 2


def test_reports_are_bounded_in_number_and_size(home: TestHome) -> None:
    complaint(run(home.path, f"bug({STATUS!r}, 'x' * 3_000_000 + 'the end')", "status"), BUG)
    (file,) = reports(home)
    assert file.stat().st_size < 100_000
    assert file.read_text("utf-8").endswith("the end\n")
    assert "Traceback" in file.read_text("utf-8")
    for number in range(19):
        (home.path / f"jobrunner-bug-{number:08d}.txt").touch()
    result = run(home.path, "bug('jobrunner.wiring.home:load_settings')", "status")
    assert result.returncode == BUG
    assert "there are 20 already" in result.stderr.splitlines()[-1]
    assert len(reports(home)) == 20


LOADING = r"bug('jobrunner.wiring.home:load_settings', 'a\x1b[2Jb')"
ENTERING = r"bug('jobrunner.cli.main:enter', 'a\x1b[2Jb')"


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        pytest.param(LOADING, "nowhere", "No such file or directory", id="no home"),
        pytest.param(f"{LOADING}; limit_files()", "home", "File too large", id="full disk"),
        pytest.param(ENTERING, "home", "no home is known yet", id="before a home is known"),
    ],
)
def test_where_no_report_can_be_written_it_goes_to_stderr(home: TestHome, source: str, place: str, why: str) -> None:
    result = run(home.path.with_name(place), source, "status")
    assert result.returncode == BUG
    *block, line = result.stderr.splitlines()
    assert "Traceback (most recent call last):" in block
    assert line.startswith(
        r"jobrunner: this is a bug in jobrunner (ValueError: a\x1b[2Jb); its report could not be written"
    )
    assert why in line
    assert {char for char in result.stderr if not char.isprintable()} == {"\n"}
    assert tree(home.path) == {"inbox": None}


ATTEMPT = "jobrunner.services.preparing:Preparing.prepare"


def test_a_worker_that_meets_a_bug_says_it_in_one_line_and_is_replaced(home: TestHome) -> None:
    home.handler("")
    home.package("p")
    result = run(home.path, f"bug({ATTEMPT!r}, once={str(home.path / 'once')!r})", "run", "--drain")
    assert result.returncode == 0, result.stderr
    assert home.show("p")["state"] == "done"
    assert "Traceback" not in result.stderr
    (file,) = reports(home)
    [gave_up] = [line for line in result.stderr.splitlines() if str(file) in line]
    assert "gave up: this is a bug in jobrunner (ValueError: boom): please send" in gave_up
    assert gave_up.endswith("; another one starts")
    text = file.read_text("utf-8")
    assert "process: worker" in text
    assert "attempt 1 of job 1, p" in text


def test_a_worker_that_can_write_no_report_tells_all_on_stderr(home: TestHome) -> None:
    home.package("p")
    for number in range(20):
        (home.path / f"jobrunner-bug-{number:08d}.txt").touch()
    result = run(home.path, f"bug({ATTEMPT!r}, once={str(home.path / 'once')!r})", "run", "--drain")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("Traceback (most recent call last)") == 1
    assert "could not be written (there are 20 already" in result.stderr


def test_as_json_each_line_of_a_bug_is_an_object(home: TestHome) -> None:
    home.package("p")
    for number in range(20):
        (home.path / f"jobrunner-bug-{number:08d}.txt").touch()
    source = f"bug({ATTEMPT!r}, once={str(home.path / 'once')!r})"
    result = run(home.path, source, "run", "--drain", "--log-format", "json")
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    [told] = [line for line in lines if line["event"] == "given-up"]
    assert "ValueError: boom\n" in told["error"]
    [died] = [line for line in lines if line["event"] == "worker-died"]
    assert died["error"].startswith("gave up: this is a bug in jobrunner (ValueError: boom); its report could not be")


def test_a_scanner_that_meets_a_bug_is_replaced_too(home: TestHome) -> None:
    home.handler("import time\nwhile True: time.sleep(1)", timeout='"1s"', retry="max_attempts = 1")
    home.package("p")
    source = f"bug('jobrunner.services.inbox_watch:InboxWatch.run', below=True, once={str(home.path / 'once')!r})"
    result = run(home.path, source, "run", "--drain")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "process: scanner" in report(home)


def test_a_guard_that_meets_a_bug_reports_it_and_its_worker_ends_too(home: TestHome) -> None:
    home.handler("")
    home.package("p")
    source = f"bug('jobrunner.process.guarding:Server._result_of', once={str(home.path / 'once')!r})"
    result = run(home.path, source, "run", "--drain")
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert "process: guard" in report(home)
    guard, worker = [line for line in result.stderr.splitlines() if "gives up" in line or "gave up" in line]
    assert str(reports(home)[0]) in guard
    assert "gave up: the guard of this worker met a bug" in worker


def test_a_bug_of_the_supervisor_ends_all(home: TestHome) -> None:
    home.package("p")
    result = run(home.path, "bug('jobrunner.services.supervision:Supervisor._reap')", "run", "--drain")
    assert result.returncode == BUG
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("jobrunner: this is a bug in jobrunner (ValueError: boom)")
    assert "process: command" in report(home)


def test_an_exception_of_a_callable_is_no_bug_of_jobrunner(home: TestHome) -> None:
    (home.path / "analysis.py").write_text("def process(package): raise ValueError('theirs')")
    home.configure('[process]\ncallable = "analysis:process"\n[retry]\nmax_attempts = 1\n')
    home.package("p")
    result = home.jobrunner("run", "--drain")
    assert result.returncode == 1
    assert "bug" not in result.stderr
    assert reports(home) == []
