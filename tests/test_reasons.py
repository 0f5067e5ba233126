"""Why a handler failed, in its own words, wherever that is shown."""

import os

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


def _reason(home: TestHome) -> str:
    """Drain, verify that the reason of p's failure is the same wherever it is shown, and return it."""
    home.package("p")
    ended = home.jobrunner("run", "--drain")
    assert ended.returncode == 1, ended.stderr
    story = home.asked("show", "--json", "p")
    reason = str(story["error"])
    assert {attempt["error"] for attempt in story["attempts"]} == {reason}
    assert [failed["error"] for failed in home.asked("status", "--json")["failed"]] == [reason]
    for name in ("error.txt",):
        assert (home.failed / "p" / name).read_text() == f"{reason}\n"
    for words in (("status",), ("show", "p")):
        assert reason in home.jobrunner(*words).stdout
    assert f"p  {reason}\n" in ended.stderr
    return reason


def test_a_command_fails_in_its_own_words(home: TestHome) -> None:
    home.handler(CALIBRATES + "process(7)", retry=FAST)
    assert _reason(home) == "exit status 1: ValueError: cannot calibrate sensor 7"


def test_a_callable_fails_in_its_own_words(home: TestHome) -> None:
    _callable(home, CALIBRATES)
    assert _reason(home) == "ValueError: cannot calibrate sensor 7"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit('no sensor 7')", "exit status 1: no sensor 7"),
        ("print('no sensor 7'); sys.exit(3)", "exit status 3: no sensor 7"),
        (
            "os.write(2, b'no sensor 7'); os._exit(3)",
            "the handler ended its own process with exit status 3: no sensor 7",
        ),
        (
            "os.system('echo no sensor 7; exit 1') and os.abort()",
            "the handler was killed by signal 6 (Aborted): no sensor 7",
        ),
        ("raise jobrunner.Reject('no sensor 7')", "the handler rejected the data: no sensor 7"),
        ("print('reading'); raise ValueError", "ValueError"),
        (
            "print('at sensor 7'); threading.Event().wait()",
            "the handler was ended after its timeout of 2 s: at sensor 7",
        ),
    ],
)
def test_each_end_of_a_callable_has_the_last_words(home: TestHome, body: str, reason: str) -> None:
    _callable(home, f"def process(package):\n    print('reading')\n    {body}", 'timeout = "2s"')
    assert _reason(home) == reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("echo no sensor 7; exit 1", "exit status 1: no sensor 7"),
        ("echo no sensor 7 >&2; exit 65", "the handler rejected the data (exit status 65): no sensor 7"),
        ("echo at sensor 7; kill -9 $$", "the handler was killed by signal 9 (Killed): at sensor 7"),
        ("echo at sensor 7; sleep 100", "the handler was ended after its timeout of 2 s: at sensor 7"),
        ("(echo at sensor 7; sleep 100) & sleep 0.5; exit 1", "exit status 1: at sensor 7"),
        ("exit 1", "exit status 1"),
        ("seq 200000; echo; echo ---; exit 1", "exit status 1: 200000"),
        (r"printf '\033[31mcaf\351 \0 \033]0;t\007'; exit 1", r"exit status 1: caf\xe9 \x00 \x1b]0;t\x07"),
        (r"yes | head -c 10000000 | tr -d '\n'; exit 1", f"exit status 1: {'y' * 499}…"),
        ("rm -r $JOBRUNNER_HOME/logs/p; echo no sensor 7; exit 1", "exit status 1: no sensor 7"),
        ("exec >&- 2>&-; exit 1", "exit status 1"),
        ("missing-tool; exit 1", "exit status 1: handler.sh: 1: missing-tool: not found"),
    ],
)
def test_each_end_of_a_command_has_the_last_words(home: TestHome, source: str, reason: str) -> None:
    (home.path / "handler.sh").write_text(source)
    home.configure(f'[process]\ncommand = ["sh", "handler.sh"]\ntimeout = "2s"\nmax_log = "64 KiB"\n[retry]\n{FAST}\n')
    assert _reason(home) == reason


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
