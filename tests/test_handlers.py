"""Each way in which a handler can end, through the command line."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.messages import met_a_bug
from tests.scripts import PRELUDE, journal, lives, outcomes, story
from tests.support import RECEIPT, TestHome, processes_of, wait_until

FAST = 'backoff = "0.01s"\nmax_attempts = 2'


def _drain(home: TestHome, code: int) -> str:
    """Run until all is done and return what was printed on stderr."""
    result = home.jobrunner("run", "--drain")
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert not met_a_bug(result.stderr)
    return result.stderr


def _log(home: TestHome, name: str = "p", attempt: int = 1) -> str:
    return (home.logs / name / f"{attempt}.log").read_text()


def _callable(home: TestHome, source: str, process: str = "", retry: str = FAST) -> None:
    """Configure analysis.py's `process`; `source` is the module after some imports."""
    (home.path / "analysis.py").write_text(f"import jobrunner, os, signal, subprocess, sys, threading\n{source}\n")
    home.configure(f'[process]\ncallable = "analysis:process"\n{process}\n[retry]\n{retry}\n')


def _callables_count(home: TestHome) -> str:
    """Source that adds a line to HOME/imports: one for each import."""
    return f"open({str(home.path / 'imports')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"


# How a handler ends without success: the source, the outcome of its two attempts, the reason.
FAILURES = [
    pytest.param("sys.exit(1)", "exit status 1", id="exit 1"),
    pytest.param("sys.exit(255)", "exit status 255", id="exit 255"),
    pytest.param("1 / 0", "exit status 1: ZeroDivisionError: division by zero", id="traceback"),
    pytest.param("os.kill(os.getpid(), 9)", "the handler was killed by signal 9 (Killed)", id="SIGKILL"),
    pytest.param("os.kill(os.getpid(), 15)", "the handler was killed by signal 15 (Terminated)", id="SIGTERM"),
    pytest.param("os.kill(os.getpid(), 11)", "the handler was killed by signal 11 (Segmentation fault)", id="SIGSEGV"),
    pytest.param("import shutil; shutil.rmtree(DATA)", "the handler removed its data folder", id="data removed"),
    pytest.param("DATA.rename(HOME / f'moved{ATTEMPT}')", "the handler removed its data folder", id="data renamed"),
    pytest.param(
        "(DATA / 'notes.txt').touch()",
        "the handler wrote notes.txt, which the sender has delivered, too",
        id="a file of the sender's",
    ),
    pytest.param(
        "(DATA / 'p.zip').touch()", "the handler wrote p.zip, which the sender has delivered, too", id="the zip"
    ),
]


@pytest.mark.parametrize(("source", "reason"), FAILURES)
def test_a_failure_is_tried_again_until_the_attempts_are_used_up(home: TestHome, source: str, reason: str) -> None:
    home.handler(PRELUDE + f"note('start')\n{source}", retry=FAST)
    home.package("p", beside={"notes.txt": b"mine"})
    _drain(home, 1)
    told = story(home)
    assert (told.job.state, told.job.error, told.job.failures) == ("failed", reason, 2)
    assert [(attempt.outcome, attempt.error) for attempt in told.attempts] == [("failed", reason)] * 2
    assert [(note.attempt, note.word) for note in journal(home.path)] == [(1, "start"), (2, "start")]
    failed = home.failed / "p"
    assert sorted(path.name for path in failed.iterdir()) == ["error.txt", "notes.txt", "p.zip"]
    assert (failed / "error.txt").read_text() == f"{reason}\n"
    assert (failed / "notes.txt").read_bytes() == b"mine"
    assert not (home.archive / "p").exists()


@pytest.mark.parametrize(
    ("end", "also"),
    [("", ""), ("sys.exit('no sensor 7')", "; exit status 1: no sensor 7"), ("sys.exit(75)", "; the handler asked")],
)
def test_a_handler_that_removes_the_senders_zip_is_named_for_it(home: TestHome, end: str, also: str) -> None:
    home.handler(PRELUDE + f"os.unlink(os.environ['JOBRUNNER_ZIP'])\n{end}", retry=FAST)
    home.package("p", beside={"notes.txt": b"mine"})
    _drain(home, 1)
    assert outcomes(home) == ["rejected"]
    removed = "the handler removed p.zip, the sender's zip: all that it may change is its data folder"
    assert str(story(home).job.error).startswith(removed + also)
    assert (home.failed / "p/notes.txt").read_bytes() == b"mine"


def test_where_the_handler_removed_the_zip_of_a_copy_the_senders_own_is_kept(home: TestHome) -> None:
    home.handler(PRELUDE + "os.unlink(os.environ['JOBRUNNER_ZIP'])", retry=FAST)
    package = home.package("p")
    package.chmod(0o777)  # others may change it, so it is copied
    original = (package / "p.zip").read_bytes()
    _drain(home, 1)
    assert outcomes(home) == ["rejected"]
    assert (home.failed / "p/p.zip").read_bytes() == original


def test_exit_65_fails_at_once(home: TestHome) -> None:
    home.handler("import sys; sys.exit(65)")
    home.package("p", beside={"error.txt": b"the sender's own"})
    _drain(home, 1)
    assert outcomes(home) == ["rejected"]
    assert (home.failed / "p/error.txt").read_bytes() == b"the sender's own"
    assert (home.failed / "p/error~1.txt").read_text() == "the handler rejected the data (exit status 65)\n"


def test_exit_75_uses_up_no_attempt(home: TestHome) -> None:
    home.handler(PRELUDE + "sys.exit(75 if ATTEMPT < 5 else 0)", retry='backoff = "0.01s"\nmax_attempts = 1')
    home.package("p")
    _drain(home, 0)
    job = story(home).job
    assert (job.state, job.error, job.failures) == ("done", None, 0)
    assert outcomes(home) == ["later"] * 4 + ["done"]


def test_a_failure_that_is_followed_by_a_success_leaves_no_trace_in_the_archive(home: TestHome) -> None:
    home.handler(PRELUDE + "(DATA / f'out{ATTEMPT}').touch(); sys.exit(ATTEMPT == 1)", retry=FAST)
    home.package("p", beside={"notes.txt": b"mine"})
    _drain(home, 0)
    assert outcomes(home) == ["failed", "done"]
    assert sorted(path.name for path in (home.archive / "p").iterdir()) == [
        RECEIPT,
        "data.txt",
        "notes.txt",
        "out2",
        "p.zip",
    ]


def test_at_the_timeout_the_whole_process_group_is_ended(home: TestHome) -> None:
    source = "note('start'); note('start', escape())\nif os.fork() == 0: note('start')\nsignal.pause()"
    home.handler(PRELUDE + source, timeout='"2s"', retry='max_attempts = 1\nbackoff = "0.01s"')
    home.package("p")
    process = home.start("run", "--drain")
    wait_until(lambda: len(journal(home.path)) == 3)
    pids = [note.pid for note in journal(home.path)]
    wait_until(lambda: not any(lives(pid) for pid in pids))
    assert process.wait(30) == 1
    assert story(home).job.error == "the handler was ended after its timeout of 2 s"


def test_a_program_that_is_not_found_is_said_at_the_start_and_nothing_is_claimed(home: TestHome) -> None:
    home.configure('[process]\ncommand = ["no-such-program"]\n')
    home.package("p")
    for verb in ("run", "work"):
        result = home.jobrunner(verb, "--drain")
        assert result.returncode == 2
        assert result.stderr.splitlines() == [
            "jobrunner: process.command: the program no-such-program is not found in PATH"
        ]
    assert (home.inbox / "p/p.zip").exists()
    assert home.counts()["running"] == 0


def test_a_program_that_does_not_start_fails_as_one_that_has_an_error(home: TestHome) -> None:
    (home.path / "tool").write_text("echo without a first line")
    (home.path / "tool").chmod(0o755)
    home.configure(f'[process]\ncommand = ["./tool"]\n[retry]\n{FAST}')
    home.package("p")
    _drain(home, 1)
    reason = (
        f"the handler cannot be started: {home.path}/tool is no program, and its first line names no interpreter, "
        "as #!/bin/sh does"
    )
    assert [(attempt.outcome, attempt.error) for attempt in story(home).attempts] == [("failed", reason)] * 2
    assert (home.failed / "p/error.txt").read_text() == f"{reason}\n"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("rm tool", "is not there"),
        ("chmod -x tool", "may not be executed: chmod +x"),
        (r"printf '#!/bin/sh\r\n' > new; chmod +x new; mv new tool", "end as on Windows (CRLF)"),
    ],
)
def test_a_program_that_is_spoilt_under_way_costs_attempts_until_it_is_mended(
    home: TestHome, spoil: str, why: str
) -> None:
    tool = home.path / "tool"
    tool.write_text(f"#!/bin/sh\n{spoil}\n")
    tool.chmod(0o755)
    home.configure(
        '[process]\ncommand = ["./tool"]\n[retry]\nmax_attempts = 100\nbackoff = "0.05s"\nmax_backoff = "0.1s"'
    )
    for name in ("p", "q"):
        home.package(name)
    process = home.start("run", "--drain")
    wait_until((home.logs / "q/2.log").exists)
    mended = home.path / "mended"
    mended.write_text("#!/bin/sh\n")
    mended.chmod(0o755)
    mended.rename(tool)
    assert process.wait(30) == 0
    *failed, done = story(home, "q").attempts
    assert (done.outcome, {attempt.outcome for attempt in failed}) == ("done", {"failed"})
    assert why in str(failed[0].error)  # a later one may have met it while it was being mended


def test_what_a_handler_is_given(home: TestHome) -> None:
    source = """
import json, os, sys, signal
facts = {"words": sys.argv[1:], "cwd": os.getcwd(), "read": sys.stdin.read(), "stdin": os.readlink("/proc/self/fd/0"),
         "leader": os.getpgid(0) == os.getpid(), "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
         "variables": {name: os.environ["JOBRUNNER_" + name] for name in ("PACKAGE", "DATA", "ZIP", "ATTEMPT", "HOME")},
         "data": sorted(os.listdir(os.environ["JOBRUNNER_DATA"])), "zip": os.path.exists(os.environ["JOBRUNNER_ZIP"])}
json.dump(facts, open(os.environ["JOBRUNNER_DATA"] + "/facts.json", "w"))
"""
    (home.path / "handler.py").write_text(source)
    words = [sys.executable, "handler.py", "{package}", "{attempt}/{home}", "{data}", "$HOME *"]
    home.configure(f"[process]\ncommand = {json.dumps(words)}")
    home.package("a {home} b", {"in/deep.txt": "", "data.txt": ""})
    _drain(home, 0)
    facts: dict[str, Any] = json.loads((home.archive / "a {home} b/facts.json").read_text())
    variables = facts.pop("variables")
    data = variables["DATA"]
    assert Path(data).is_relative_to(home.work)
    assert facts == {
        "words": ["a {home} b", f"1/{home.path}", data, "$HOME *"],
        "cwd": str(home.path),
        "read": "",
        "stdin": "/dev/null",
        "leader": True,
        "blocked": 0,
        "data": ["data.txt", "in"],
        "zip": True,
    }
    assert variables == {
        "PACKAGE": "a {home} b",
        "DATA": data,
        "ZIP": str(Path(data).parent / "package/a {home} b.zip"),
        "ATTEMPT": "1",
        "HOME": str(home.path),
    }


def test_what_each_attempt_prints_is_in_its_own_log(home: TestHome) -> None:
    source = "print('out', ATTEMPT, flush=True); os.system('echo program >&2'); sys.exit(ATTEMPT == 1)"
    home.handler(PRELUDE + source, retry=FAST)
    home.package("p")
    stderr = _drain(home, 0)
    assert [_log(home, attempt=1), _log(home, attempt=2)] == ["out 1\nprogram\n", "out 2\nprogram\n"]
    assert "out 1" not in stderr
    assert "out 2\nprogram\n" in home.jobrunner("logs", "p").stdout


def test_without_a_handler_a_package_is_extracted_and_archived(home: TestHome) -> None:
    home.package("p", {"data.txt": "42\n", "in/deep.txt": "7\n"}, {"notes.txt": b"mine"})
    _drain(home, 0)
    archived = home.archive / "p"
    assert {str(path.relative_to(archived)) for path in archived.rglob("*") if path.is_file()} == {
        RECEIPT,
        "data.txt",
        "in/deep.txt",
        "notes.txt",
        "p.zip",
    }
    assert outcomes(home) == ["done"]
    assert not (home.logs / "p").exists()


def test_what_a_handler_changes_in_its_data_is_archived_and_the_zip_untouched(home: TestHome) -> None:
    home.handler(PRELUDE + "(DATA / 'data.txt').unlink(); (DATA / 'new').mkdir(); (DATA / 'new/x').write_text('x')")
    package = home.package("p")
    zip_bytes = (package / "p.zip").read_bytes()
    _drain(home, 0)
    assert sorted(path.name for path in (home.archive / "p").iterdir()) == [RECEIPT, "new", "p.zip"]
    assert (home.archive / "p/new/x").read_text() == "x"
    assert (home.archive / "p/p.zip").read_bytes() == zip_bytes


def test_a_callable_gets_a_package_with_its_fields_in_one_import_per_worker(home: TestHome) -> None:
    source = """
def process(package):
    assert type(package) is jobrunner.Package and package.data.is_dir() and package.zip.is_file()
    assert (package.data / "data.txt").read_text() == "42\\n" and package.zip.name == package.name + ".zip"
    (package.data / "facts").write_text(f"{package.name}|{package.attempt}|{package.home}|{os.getcwd()}")
    print("seen", os.environ["JOBRUNNER_PACKAGE"], sys.stdin.read())
"""
    _callable(home, _callables_count(home) + source)
    for number in range(6):
        home.package(f"p{number}")
    _drain(home, 0)
    for number in range(6):
        name = f"p{number}"
        assert (home.archive / name / "facts").read_text() == f"{name}|1|{home.path}|{home.path}"
        assert _log(home, name) == f"seen {name} \n"
    assert len((home.path / "imports").read_text().splitlines()) == 1
    assert processes_of(home) == []


def test_each_worker_imports_the_callable_once(home: TestHome) -> None:
    source = f"""
def process(package):
    open({str(home.path)!r} + "/at-" + package.name, "w").close()
    while len([name for name in os.listdir({str(home.path)!r}) if name.startswith("at-")]) < 2:
        threading.Event().wait(0.01)
"""
    _callable(home, _callables_count(home) + source)
    for number in range(6):
        home.package(f"p{number}")
    assert home.jobrunner("run", "-n", "2", "--drain").returncode == 0
    imports = (home.path / "imports").read_text().splitlines()
    assert len(imports) == len(set(imports)) == 2


@pytest.mark.parametrize(
    ("body", "outcome", "reason", "in_log"),
    [
        ("raise ValueError('deep')", "failed", "ValueError: deep", "Traceback"),
        ("sys.exit(3)", "failed", "exit status 3", ""),
        ("os._exit(3)", "failed", "the handler ended its own process with exit status 3", ""),
        ("os._exit(0)", "failed", "the handler ended its own process with exit status 0", ""),
        ("os.kill(os.getpid(), 11)", "failed", "the handler was killed by signal 11 (Segmentation fault)", ""),
        ("threading.Event().wait()", "failed", "the handler was ended after its timeout of 2 s", ""),
        (
            "subprocess.Popen(['sleep', '600'], start_new_session=True); os._exit(4)",
            "failed",
            "the handler ended its own process with exit status 4",
            "",
        ),
        (
            "os.fork() == 0 and threading.Event().wait(); os._exit(5)",
            "failed",
            "the handler ended its own process with exit status 5",
            "",
        ),
        ("raise jobrunner.Reject('no sensor 3')", "rejected", "the handler rejected the data: no sensor 3", ""),
        (
            "raise jobrunner.Reject(os.fsdecode(b'bad: caf\\xe9\\x1b[2J'))",  # as of a member that is named so
            "rejected",
            r"the handler rejected the data: bad: caf\xe9\x1b[2J",
            "",
        ),
        ("raise ValueError('\\ud800')", "failed", r"ValueError: \ud800", "Traceback"),
    ],
)
def test_when_a_callable_does_not_succeed_the_next_package_works(
    home: TestHome, body: str, outcome: str, reason: str, in_log: str
) -> None:
    source = f"def process(package):\n    if package.name == 'bad':\n        {body}\n    print('fine')"
    _callable(home, source, 'timeout = "2s"')
    for name in ("bad", "later-one"):
        home.package(name)
    _drain(home, 1)
    assert story(home, "bad").job.error == reason
    assert outcomes(home, "bad") == [outcome] * (1 if outcome == "rejected" else 2)
    assert (home.failed / "bad/error.txt").read_text() == f"{reason}\n"
    assert in_log in _log(home, "bad")
    assert outcomes(home, "later-one") == ["done"]
    assert _log(home, "later-one") == "fine\n"
    assert processes_of(home) == []


def test_a_callable_that_asks_to_be_run_later_uses_up_no_attempt(home: TestHome) -> None:
    source = "def process(package):\n    if package.attempt < 4: raise jobrunner.RetryLater('busy')"
    _callable(home, source, retry='backoff = "0.01s"\nmax_attempts = 1')
    home.package("p")
    _drain(home, 0)
    assert outcomes(home) == ["later"] * 3 + ["done"]
    assert story(home).attempts[0].error == "the handler asked to be run later: busy"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("def proces(package): pass", "AttributeError: module 'analysis' has no attribute 'process'"),
        ("def process(package:", "SyntaxError: '(' was never closed (analysis.py, line 2)"),
        (
            "import atexit; atexit.register(threading.Event().wait, 0.5)\nimport no_such_thing",
            "ModuleNotFoundError: No module named 'no_such_thing'",
        ),
    ],
)
def test_a_callable_that_cannot_be_loaded_fails_as_one_that_has_an_error(home: TestHome, source: str, why: str) -> None:
    """So do several packages in a row, though the process that could not load it takes its time to end."""
    _callable(home, source)
    for name in ("p", "q"):
        home.package(name)
    _drain(home, 1)
    reason = f"the callable analysis:process cannot be loaded: {why}"
    for name in ("p", "q"):
        assert [(each.outcome, each.error) for each in story(home, name).attempts] == [("failed", reason)] * 2
    assert "Traceback" in _log(home, "p")
    (home.path / "analysis.py").write_text("def process(package): print('now')")
    assert home.jobrunner("retry", "--all").returncode == 0
    _drain(home, 0)
    assert [outcomes(home, name)[-1] for name in ("p", "q")] == ["done"] * 2


def test_a_module_that_is_nowhere_is_said_at_the_start(home: TestHome) -> None:
    home.configure('[process]\ncallable = "no_such_module:process"')
    result = home.jobrunner("run", "--drain")
    assert result.returncode == 2
    assert result.stderr == (
        f"jobrunner: process.callable: there is no module no_such_module in {home.path} or among those installed\n"
    )
