"""Why a handler failed, in its own words, wherever that is shown."""

import os
from typing import NamedTuple

import pytest

from tests.support import TestHome

FAST = 'backoff = "0.01s"\nmax_attempts = 2'
CALIBRATES = """
def process(package):
    print("reading", package)
    raise ValueError("cannot calibrate sensor 7")
"""


def _callable(home: TestHome, source: str, process: str = "") -> None:
    (home.path / "analysis.py").write_text(f"import jobrunner, os, sys, threading\n{source}\n")
    home.configure(f'[process]\ncallable = "analysis:process"\n{process}\n[retry]\n{FAST}\n')


class Ended(NamedTuple):
    """A home whose packages have all failed, and what was said of them."""

    home: TestHome
    run: str
    status: str

    def reason(self, name: str) -> str:
        """Verify that the reason of a package's failure is the same wherever it is shown, and return it."""
        story = self.home.show(name)
        reason = str(story["error"])
        assert {attempt["error"] for attempt in story["attempts"]} == {reason}
        assert [failed["error"] for failed in self.home.status()["failed"] if failed["name"] == name] == [reason]
        assert (self.home.failed / name / "error.txt").read_text() == f"{reason}\n"
        assert f"x {reason}  (" in self.status  # to its end: some begin as others do
        assert reason in self.home.jobrunner("show", name).stdout
        assert f"{name}  {reason}\n" in self.run
        return reason


def _drained(home: TestHome, *names: str) -> Ended:
    """Deliver packages and run until all of them have failed."""
    for name in names:
        home.package(name)
    ended = home.jobrunner("run", "-n", "3", "--drain")
    assert ended.returncode == 1, ended.stderr
    return Ended(home, ended.stderr, home.jobrunner("status").stdout)


def _reason(home: TestHome) -> str:
    """Drain, and return the reason of p's failure."""
    return _drained(home, "p").reason("p")


def test_a_command_fails_in_its_own_words(home: TestHome) -> None:
    home.handler(CALIBRATES + "process(7)", retry=FAST)
    assert _reason(home) == "exit status 1: ValueError: cannot calibrate sensor 7"


def test_a_callable_fails_in_its_own_words(home: TestHome) -> None:
    _callable(home, CALIBRATES)
    assert _reason(home) == "ValueError: cannot calibrate sensor 7"


CALLABLES = {
    "exits": ("sys.exit('no sensor 7')", "exit status 1: no sensor 7"),
    "exits with 3": ("print('no sensor 7'); sys.exit(3)", "exit status 3: no sensor 7"),
    "ends its process": (
        "os.write(2, b'no sensor 7'); os._exit(3)",
        "the handler ended its own process with exit status 3: no sensor 7",
    ),
    "aborts": (
        "os.system('echo no sensor 7; exit 1') and os.abort()",
        "the handler was killed by signal 6 (Aborted): no sensor 7",
    ),
    "rejects": ("raise jobrunner.Reject('no sensor 7')", "the handler rejected the data: no sensor 7"),
    "raises without words": ("print('reading'); raise ValueError", "ValueError"),
    "never ends": (
        "print('at sensor 7'); threading.Event().wait()",
        "the handler was ended after its timeout of 2 s: at sensor 7",
    ),
}


@pytest.fixture(scope="module")
def callables(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A home in which a package has failed for each way in which a callable ends."""
    home = TestHome(tmp_path_factory.mktemp("callables") / "home")
    bodies = "".join(f"    if package.name == {name!r}:\n        {body}\n" for name, (body, _) in CALLABLES.items())
    _callable(home, f"def process(package):\n    print('reading')\n{bodies}", 'timeout = "2s"')
    return _drained(home, *CALLABLES)


@pytest.mark.parametrize("name", CALLABLES)
def test_each_end_of_a_callable_has_the_last_words(callables: Ended, name: str) -> None:
    _, reason = CALLABLES[name]
    assert callables.reason(name) == reason


COMMANDS = {
    "prints": ("echo no sensor 7; exit 1", "exit status 1: no sensor 7"),
    "rejects": ("echo no sensor 7 >&2; exit 65", "the handler rejected the data (exit status 65): no sensor 7"),
    "is killed": ("echo at sensor 7; kill -9 $$", "the handler was killed by signal 9 (Killed): at sensor 7"),
    "never ends": ("echo at sensor 7; sleep 100", "the handler was ended after its timeout of 2 s: at sensor 7"),
    "leaves a child": ("(echo at sensor 7; sleep 100) & sleep 0.5; exit 1", "exit status 1: at sensor 7"),
    "prints nothing": ("exit 1", "exit status 1"),
    "prints much": ("seq 200000; echo; echo ---; exit 1", "exit status 1: 200000"),
    "prints no text": (
        r"printf '\033[31mcaf\351 \0 \033]0;t\007'; exit 1",
        r"exit status 1: caf\xe9 \x00 \x1b]0;t\x07",
    ),
    "prints a long line": (r"yes | head -c 10000000 | tr -d '\n'; exit 1", f"exit status 1: {'y' * 499}…"),
    "removes its log": (
        'rm -r "$JOBRUNNER_HOME/logs/removes its log"; echo no sensor 7; exit 1',
        "exit status 1: no sensor 7",
    ),
    "closes its output": ("exec >&- 2>&-; exit 1", "exit status 1"),
    "lacks a tool": ("missing-tool; exit 1", "exit status 1: handlers/lacks a tool.sh: 1: missing-tool: not found"),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A home in which a package has failed for each way in which a command ends."""
    home = TestHome(tmp_path_factory.mktemp("commands") / "home")
    (home.path / "handlers").mkdir()
    for name, (source, _) in COMMANDS.items():
        (home.path / "handlers" / f"{name}.sh").write_text(source)
    command = '["sh", "handlers/{package}.sh"]'
    home.configure(f'[process]\ncommand = {command}\ntimeout = "2s"\nmax_log = "64 KiB"\n[retry]\n{FAST}\n')
    return _drained(home, *COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_end_of_a_command_has_the_last_words(commands: Ended, name: str) -> None:
    _, reason = COMMANDS[name]
    assert commands.reason(name) == reason


def test_a_handler_that_asks_to_be_run_later_says_why(home: TestHome) -> None:
    home.handler(
        "import os, sys\nprint('no licence')\nsys.exit(75 if os.environ['JOBRUNNER_ATTEMPT'] == '1' else 0)", retry=FAST
    )
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    first, last = home.show("p")["attempts"]
    assert first["error"] == "the handler asked to be run later (exit status 75): no licence"
    assert last["error"] is None


def test_what_a_former_run_printed_into_the_log_is_no_reason(home: TestHome) -> None:
    log = home.logs / "p" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text("no sensor 7\n")
    home.handler("raise SystemExit(1)", retry="max_attempts = 1")
    assert _reason(home) == "exit status 1"
    assert log.read_text() == "no sensor 7\n"


def test_a_log_that_cannot_be_read_changes_no_outcome(home: TestHome) -> None:
    (home.logs / "p").mkdir(parents=True)
    os.mkfifo(home.logs / "p" / "1.log")
    reading = os.open(home.logs / "p" / "1.log", os.O_RDWR)
    home.handler("print('no sensor 7')\nraise SystemExit(1)", retry="max_attempts = 1")
    try:
        assert _reason(home) == "exit status 1"
    finally:
        os.close(reading)


def test_words_that_ask_whether_it_is_written_still_are_a_failure_as_any_other(home: TestHome) -> None:
    home.handler("print('x: is it still being written?')\nraise SystemExit(1)", retry=FAST)
    assert _reason(home) == "exit status 1: x: is it still being written?"
