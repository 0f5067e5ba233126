"""`jobrunner logs`: what the handler printed, byte for byte."""

import os
import shutil
import signal
import subprocess

import pytest

from jobrunner.domain.package import shown
from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.support import BROKEN_ZIP, PATIENCE, TestHome, wait_until

GATED = """\
import os, sys
print("begun", os.environ["JOBRUNNER_ATTEMPT"], flush=True)
open("gate").read()
print("ended", file=sys.stderr)
raise SystemExit(os.environ["JOBRUNNER_ATTEMPT"] == "1")
"""


@pytest.fixture
def following(home: TestHome) -> subprocess.Popen[str]:
    """`logs -f` of a job that has begun, and waits at its gate."""
    home.handler(GATED)
    os.mkfifo(home.path / "gate")
    home.package("p")
    home.start("run", "-n", "1")
    wait_until((home.logs / "p" / "1.log").exists)
    process = home.start("logs", "-f", "p", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun 1\n"
    return process


def test_each_attempt_is_printed_in_order_and_told_apart_on_stderr(home: TestHome) -> None:
    home.handler(
        "import os, sys\nprint('out', os.environ['JOBRUNNER_ATTEMPT'], flush=True)\n"
        "os.write(2, b'\\xff\\0\\n')\nraise SystemExit(1)",
        retry='max_attempts = 2\nbackoff = "1s"\nmax_backoff = "1s"',
    )
    home.package("p")
    home.jobrunner("run", "--drain")
    result = home.jobrunner("logs", "p")
    assert result.returncode == 0
    assert result.stdout == "out 1\n\udcff\0\nout 2\n\udcff\0\n"
    assert result.stderr == "--- attempt 2 ---\n"


def test_on_a_terminal_each_attempt_is_told_apart_where_it_begins(home: TestHome) -> None:
    home.handler(
        "import os, sys\nos.write(1, b'caf\\xe9 50%\\r')\nraise SystemExit(os.environ['JOBRUNNER_ATTEMPT'] == '1')",
        retry='backoff = "0s"',
    )
    home.package("p")
    home.jobrunner("run", "--drain")
    assert on_a_terminal(home, "logs", "p").replace("\r", "") == "caf\\xe9 50%\n--- attempt 2 ---\ncaf\\xe9 50%\n"


def test_the_log_of_a_name_that_looks_escaped_is_not_that_of_another(home: TestHome) -> None:
    home.handler("import os\nprint(ascii(os.environ['JOBRUNNER_PACKAGE']))")
    for name in ("a\nb", r"a\nb"):
        home.package(name)
    home.jobrunner("run", "--drain")
    for name in ("a\nb", r"a\nb"):
        assert home.jobrunner("logs", shown(name)).stdout == f"{name!a}\n"


def test_following_goes_on_over_attempts_until_the_end(home: TestHome, following: subprocess.Popen[str]) -> None:
    assert following.stdout is not None
    (home.path / "gate").write_text("go")
    assert following.stdout.readline() == "ended\n"
    assert following.stdout.readline() == "begun 2\n"
    assert following.poll() is None
    (home.path / "gate").write_text("go")
    rest, said = following.communicate(timeout=PATIENCE)
    assert (rest, said, following.returncode) == ("ended\n", "--- attempt 2 ---\n", 0)


def test_following_is_stopped_by_ctrl_c_without_a_word(following: subprocess.Popen[str]) -> None:
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=PATIENCE)
    assert (following.returncode, said.strip()) == (130, "")


def test_following_what_is_done_already_ends_at_once(home: TestHome) -> None:
    home.handler("print('hello')")
    home.package("p")
    home.jobrunner("run", "--drain")
    result = home.jobrunner("logs", "-f", "p")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "")


def test_where_no_handler_has_run_it_says_so(home: TestHome) -> None:
    home.package("p")
    home.jobrunner("scan")
    result = home.jobrunner("logs", "p")
    assert (result.returncode, result.stdout) == (0, "")
    assert "no handler has run" in result.stderr


def test_a_handler_that_printed_nothing_is_not_said_not_to_have_run(home: TestHome) -> None:
    home.handler("")
    home.package("p")
    home.jobrunner("run", "--drain")
    result = home.jobrunner("logs", "p")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "jobrunner: the handler has printed nothing\n"


def test_where_there_is_no_log_it_says_why(home: TestHome) -> None:
    home.package("unhandled")
    home.jobrunner("run", "--drain")
    home.handler("print('hello')")
    home.package("handled")
    home.package("broken", beside={"broken.zip": BROKEN_ZIP})
    home.jobrunner("run", "--drain")
    shutil.rmtree(home.logs / "handled")
    said = {name: home.jobrunner("logs", name).stderr for name in ("unhandled", "handled", "broken")}
    assert said["unhandled"] == "jobrunner: nothing was printed: no handler was set when this package was processed\n"
    assert said["handled"] == "jobrunner: the log of this package is not there any more\n"
    reason = (home.failed / "broken" / "error.txt").read_text()
    assert said["broken"] == f"jobrunner: nothing was printed: no handler has run on this package ({reason.strip()})\n"


def test_an_unknown_name_is_one_plain_line(home: TestHome) -> None:
    assert "unheard-of" in complaint(home.jobrunner("logs", "unheard-of"), code=1)


TWICE = "import os\nfor n in range(1000): print(os.environ['JOBRUNNER_ATTEMPT'], n)\nraise SystemExit(1)"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("--tail", "2"), "2 998\n2 999\n"),
        (("--tail", "1", "--attempt", "1"), "1 999\n"),
        (("--attempt", "2"), "".join(f"2 {n}\n" for n in range(1000))),
        (("--tail", "100000", "--attempt", "1"), "".join(f"1 {n}\n" for n in range(1000))),
        (("-f", "--tail", "1"), "2 999\n"),
        (("-f", "--tail", "1", "--attempt", "1"), "1 999\n"),
    ],
)
def test_the_last_lines_and_one_attempt_can_be_asked_for(home: TestHome, words: tuple[str, ...], printed: str) -> None:
    home.handler(TWICE, retry='max_attempts = 2\nbackoff = "0s"')
    home.package("p")
    home.jobrunner("run", "--drain")
    result = home.jobrunner("logs", *words, "p")
    assert (result.returncode, result.stdout) == (0, printed)
    assert result.stderr == ("" if "--attempt" in words else "--- attempt 2 ---\n")


def test_an_attempt_that_there_was_not_is_said_so(home: TestHome) -> None:
    home.handler(TWICE, retry='max_attempts = 2\nbackoff = "0s"')
    home.package("p")
    home.jobrunner("run", "--drain")
    result = home.jobrunner("logs", "--attempt", "7", "p")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "jobrunner: attempt 7 has no log: p has had 2 attempts\n"


def test_following_one_attempt_from_its_last_line_ends_with_it(home: TestHome) -> None:
    home.handler(GATED.replace("begun", "one\\nbegun"))
    os.mkfifo(home.path / "gate")
    home.package("p")
    home.start("run", "-n", "1")
    wait_until(lambda: (home.logs / "p" / "1.log").exists() and (home.logs / "p" / "1.log").read_bytes())
    process = home.start("logs", "-f", "--tail", "1", "--attempt", "1", "p", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun 1\n"
    (home.path / "gate").write_text("go")
    rest, said = process.communicate(timeout=PATIENCE)
    assert (rest, said, process.returncode) == ("ended\n", "", 0)
