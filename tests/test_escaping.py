"""Whatever comes from outside is printed escaped: no command lets it steer a terminal or forge a line of ours."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import tty
import typing
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from jobrunner.cli.main import COMMANDS
from jobrunner.cli.terminal import emit_of_command
from jobrunner.domain.events import Event
from jobrunner.domain.package import printable
from tests import warm
from tests.messages import met_a_bug
from tests.support import JOBRUNNER, PATIENCE, TestHome, clean_environment
from tests.test_check import scan

#: A title for the terminal, a cleared screen, a line of its own, C1's CSI, DEL, text from right to left, an invisible
#: tag, and what some take for a line's end.
EVIL = "\x1b]0;title\x07\x1b[2J\r\nFORGED\x9b5m\x7f\u202e\u2066\u200f\u061c\U000e0041\u2028"
#: How it begins in what is printed: for people, in JSON.
ESCAPED = (r"\x1b]0;title\x07", r"\u001b]0;title\u0007")

HANDLER = f"""\
import jobrunner

EVIL = {EVIL!a}

def process(package):
    print(EVIL, "\\t\\x1b[1mbold\\x1b[0m 10%\\r20%\\r\\n", EVIL, end="", flush=True)
    if package.name.startswith("bad"):
        raise jobrunner.Reject(EVIL)
    if package.name.startswith("later") and package.attempt == 1:
        raise jobrunner.RetryLater(EVIL)
    if package.name.startswith("fails"):
        raise ValueError(EVIL)
"""
#: What a terminal is shown of that.
LOG_SHOWN = "{evil} \tbold 10%\n20%\n {evil}"


def named(word: str) -> str:
    return word + EVIL


def deliver(home: TestHome, *words: str) -> None:
    for word in words:
        home.package(named(word))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home in which packages have ended in each way, and others wait in the inbox."""
    home = TestHome(tmp_path_factory.mktemp("escaping") / named("home"))
    (home.path / "analysis.py").write_text(HANDLER)
    home.configure(
        '[process]\ncallable = "analysis:process"\n[extract]\nkeep_free = "0 B"\n'
        '[retry]\nmax_attempts = 2\nbackoff = "0s"\n'
    )
    deliver(home, "good", "bad", "next")
    home.package(named("member"), {f"../{EVIL}": "42\n"})
    home.package(named("twice"), {named("file"): "42\n"}, {named("file"): b"43\n"})
    home.jobrunner("run", "--drain")
    deliver(home, "good", "later", "fails")
    (home.inbox / f"{named('coming')}-downloading").mkdir()
    (home.inbox / named("empty")).mkdir()
    return home


@pytest.fixture
def hostile(template: TestHome, tmp_path: Path) -> TestHome:
    home = TestHome(tmp_path / named("copy"))
    shutil.copytree(template.path, home.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".home"))
    return home


def disturb(home: TestHome) -> None:
    """Bring about what `status` and `check` have a word for, as far as no living process is needed for it."""
    scan(home)
    connection = apsw.Connection(str(home.path / "jobrunner.db"))
    evil = {"later": os.fsencode(named("later")), "fails": os.fsencode(named("fails")), "error": EVIL}
    connection.execute("UPDATE jobs SET not_before_at = 4e9, error = :error WHERE name = :later", evil)
    connection.execute("UPDATE jobs SET state = 'running', attempt = 1, worker_id = 1 WHERE name = :fails", evil)
    connection.execute(
        "INSERT INTO attempts (job_id, number, worker_id, started_at) SELECT id, 1, 1, 0 FROM jobs WHERE name = :fails",
        evil,
    )
    connection.close()
    for folder in (home.archive, home.failed):
        home.package(named("unknown"), folder=folder)
    home.package(named("bad"), folder=home.archive)
    shutil.rmtree(home.failed / named("member"))
    shutil.rmtree(home.inbox / named("later"))
    for number, name in ((70, "unknown"), (71, "good")):
        workspace = home.work / f"{number}-1"
        workspace.mkdir()
        home.package(named(name), folder=workspace).rename(workspace / "package")
    (home.work / "72-1" / "data").mkdir(parents=True)
    (home.work / "73-1" / "package").mkdir(parents=True)
    (home.work / named("strange")).mkdir()
    (home.work / named(".left-over-")).mkdir()
    (home.work / ".workers" / named("lock")).touch()
    home.package("taken").rename(home.inbox / ".jobrunner-taken-72")
    home.package("taken").rename(home.inbox / ".jobrunner-taken-1")


def without_work(home: TestHome) -> None:
    shutil.rmtree(home.work)
    home.work.touch()


def lose(home: TestHome) -> None:
    (home.path / "jobrunner.db").unlink()


def damage(home: TestHome) -> None:
    (home.path / "jobrunner.db").write_bytes(b"SQLite format 3\0" + bytes(5000))


def misconfigure(home: TestHome) -> None:
    home.configure(f"[folders]\n{toml(named('inbox'))} = 1\ninbox = [{toml(EVIL)}]\n[{toml(EVIL)}]\n")


def name_a_missing_program(home: TestHome) -> None:
    home.configure(f"[process]\ncommand = [{toml(EVIL)}]\n")


def tell_by_a_missing_program(home: TestHome) -> None:
    home.configure(f"[notify]\ncommand = [{toml(EVIL)}]\n")


def pause(home: TestHome) -> None:
    home.jobrunner("pause", "--reason", EVIL)


def name_a_missing_inbox(home: TestHome) -> None:
    home.configure(f"[folders]\ninbox = {toml(named('missing'))}\n")


def toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


def leave_as_it_is(_home: TestHome) -> None:
    pass


on_both = pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])

Prepare = Callable[[TestHome], None]
Case = tuple[Prepare, list[str]]

#: Of each command: what is run, and in what state of the home. A new command needs a line.
CASES: dict[str, list[Case]] = {
    "init": [(leave_as_it_is, []), (leave_as_it_is, [named("made")]), (leave_as_it_is, [f"{EVIL}/jobrunner.db"])],
    "scan": [(leave_as_it_is, []), (name_a_missing_inbox, []), (without_work, [])],
    "work": [(name_a_missing_program, ["--drain"]), (lose, ["--drain"]), (leave_as_it_is, ["-n", EVIL])],
    "run": [(leave_as_it_is, ["--drain"]), (without_work, ["--drain"]), (damage, ["--drain"])],
    "status": [(disturb, []), (disturb, ["--json"]), (without_work, []), (misconfigure, []), (lose, [])],
    "list": [(disturb, words) for words in ([], ["--json"], ["--names"], ["--state", "done", "--name", named("go*")])]
    + [(leave_as_it_is, ["--name", EVIL]), (leave_as_it_is, ["--since", EVIL]), (leave_as_it_is, ["--sort", EVIL])],
    "explain": [
        *((disturb, [named(word)]) for word in ("good", "bad", "later", "fails", "coming", "empty", "unknown")),
        (leave_as_it_is, [named("unheard-of")]),
        (disturb, ["--json", named("good")]),
    ],
    "show": [
        *((leave_as_it_is, [named(word)]) for word in ("good", "bad", "member", "unheard-of")),
        (leave_as_it_is, ["--json", named("bad")]),
    ],
    "logs": [(leave_as_it_is, [named(word)]) for word in ("good", "member", "unheard-of")],
    "retry": [(leave_as_it_is, [named(word)]) for word in ("bad", "good", "unheard-of")],
    "rerun": [(leave_as_it_is, [named(word)]) for word in ("good", "bad", "unheard-of")],
    "accept": [(leave_as_it_is, [named(word)]) for word in ("good", "empty", "unheard-of")],
    "cancel": [(disturb, [named(word)]) for word in ("later", "good", "unheard-of")],
    "pause": [(leave_as_it_is, ["--reason", EVIL]), (leave_as_it_is, ["--until", EVIL])],
    "resume": [(pause, []), (leave_as_it_is, [])],
    "front": [(disturb, [named(word)]) for word in ("later", "good", "unheard-of")],
    "wait": [(leave_as_it_is, [named(word)]) for word in ("good", "bad", "unheard-of")],
    "prune": [(leave_as_it_is, ["--older-than", "0s", "--dry-run"]), (leave_as_it_is, ["--older-than", EVIL])],
    "try": [(leave_as_it_is, [named("unheard-of")]), (leave_as_it_is, [named("good"), "--env"])],
    "check": [
        *((disturb, words) for words in ([], ["--json"], ["--repair"])),
        *((damage, words) for words in ([], ["--rebuild"])),
        (lose, ["--json"]),
    ],
    "config": [(leave_as_it_is, []), (leave_as_it_is, ["--json"]), (misconfigure, [])],
    "reload": [(leave_as_it_is, []), (misconfigure, []), (without_work, [])],
    "notify": [(tell_by_a_missing_program, ["--test"]), (misconfigure, ["--test"]), (leave_as_it_is, [])],
    "completion": [(leave_as_it_is, ["bash"]), (leave_as_it_is, [EVIL]), (leave_as_it_is, ["bash", EVIL])],
    "health": [(disturb, []), (misconfigure, []), (without_work, []), (damage, [])],
    "metrics": [(disturb, []), (misconfigure, []), (leave_as_it_is, ["--file", f"{EVIL}/metrics"])],
    "service": [(leave_as_it_is, []), (leave_as_it_is, ["--template"]), (misconfigure, [])],
    "node": [(leave_as_it_is, []), (leave_as_it_is, ["--check"]), (misconfigure, ["--check"])],
    "web": [(misconfigure, []), (leave_as_it_is, ["--listen", EVIL]), (leave_as_it_is, ["--uds", f"{EVIL}/socket"])],
    "web-user": [(leave_as_it_is, [EVIL]), (leave_as_it_is, ["--token", "anna"])],
    "demo": [(leave_as_it_is, ["archive"]), (leave_as_it_is, ["jobrunner.toml"])],  # and see below
}


def run(words: list[str], cwd: Path, *, terminal: bool) -> tuple[str, str]:
    """Run a command and return what it printed on stdout and stderr, or on a wide terminal with colours."""
    environment = clean_environment()
    if not terminal:
        result = warm.run(warm.JOBRUNNER, words, environment=environment, folder=cwd)
        return result.stdout, result.stderr
    del environment["NO_COLOR"], environment["COLUMNS"]
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # nothing is added to what is printed
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, 10_000, 0, 0))
    environment["TERM"] = "xterm-256color"
    command = warm.start(warm.JOBRUNNER, words, environment=environment, folder=cwd, streams=[theirs] * 3)
    os.close(theirs)
    printed = b""
    while piece := _read(ours):
        printed += piece
    os.close(ours)
    command.wait(PATIENCE)
    return re.sub(r"\x1b\[[0-9;]*m|\x1b\[[0-9]+F\x1b\[J", "", printed.decode()), ""  # colours, and the foot's lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how a terminal says that nobody writes to it any more
        return b""


def assert_harmless(text: str, *, lines_of_handler: bool = False) -> None:
    keep = "\n\t" if lines_of_handler else "\n"
    assert {char for char in text if not char.isprintable()} <= set(keep), ascii(text)
    assert lines_of_handler or not re.search("^FORGED", text, re.MULTILINE), ascii(text)
    assert not met_a_bug(text), text


@on_both
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_that_a_command_prints_steers_a_terminal_or_forges_a_line(
    hostile: TestHome, tmp_path: Path, name: str, terminal: bool
) -> None:
    seen = ""
    for number, (prepare, words) in enumerate(CASES[name]):
        home = TestHome(tmp_path / named(f"case {number}"))
        shutil.copytree(hostile.path, home.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".home"))
        prepare(home)
        stdout, stderr = run([name, *words], home.path, terminal=terminal)
        if name == "logs" and not terminal:
            stdout = ""  # passed on as it is: see below
        assert_harmless(stdout + stderr, lines_of_handler=name == "logs" and terminal)
        seen += stdout + stderr
    assert any(escaped in seen for escaped in ESCAPED)


def test_the_demo_says_harmlessly_where_it_is(tmp_path: Path) -> None:
    stdout, _ = run(["demo", EVIL], tmp_path, terminal=True)
    assert_harmless(stdout)
    assert stdout.count(ESCAPED[0]) == 5


@on_both
@pytest.mark.parametrize(
    "words",
    [[EVIL], [f"--{EVIL}"], [f"--home{EVIL}"], ["--home", EVIL, "status"], ["run", f"--{EVIL}"], ["scan", EVIL]],
    ids=["command", "option", "option like one", "home", "command's option", "word"],
)
def test_wrong_usage_is_complained_of_harmlessly(words: list[str], terminal: bool, tmp_path: Path) -> None:
    stdout, stderr = run(words, tmp_path, terminal=terminal)
    assert_harmless(stdout + stderr)
    assert ESCAPED[0] in stdout + stderr


@pytest.mark.parametrize(
    "variable",
    ["JOBRUNNER_HOME", f"JOBRUNNER_FOLDERS_{EVIL}", "JOBRUNNER_INTAKE_SETTLE"],
    ids=["home", "unknown", "value"],
)
def test_the_environment_is_complained_of_harmlessly(home: TestHome, variable: str) -> None:
    result = subprocess.run(
        [*JOBRUNNER, "status"],
        cwd=home.path,
        env=clean_environment() | {variable: EVIL},
        capture_output=True,
        check=False,
    )
    assert_harmless(result.stderr.decode())
    as_toml = r"\u001b]0;title\u0007"  # what stands for a value in the settings
    assert (as_toml if variable == "JOBRUNNER_INTAKE_SETTLE" else ESCAPED[0]) in result.stderr.decode()


def test_every_event_is_told_in_one_harmless_line(capfd: pytest.CaptureFixture[str]) -> None:
    emit = emit_of_command()
    events = typing.get_args(Event)
    for kind in events:
        fields = typing.get_type_hints(kind)
        emit(kind(*(EVIL if field is str else 1 for field in fields.values())))
    said = capfd.readouterr().err
    assert_harmless(said)
    assert said.count("\n") == len(events)


def test_a_name_is_the_same_again_when_its_json_is_read(hostile: TestHome) -> None:
    stdout, _ = run(["show", "--json", named("good")], hostile.path, terminal=False)
    assert json.loads(stdout)["name"] == named("good")
    assert stdout.count("\n") == stdout.count("\n  ") + 2  # all that is not in a string


def test_json_is_valid_whatever_the_encoding_of_the_terminal(home: TestHome) -> None:
    for name in ("é", "数据", "🚀"):
        home.package(name)
    for encoding in ("ascii", "latin-1", "gbk", "utf-8"):
        said = home.jobrunner("status", "--json", environment={"PYTHONIOENCODING": encoding}).stdout
        assert {entry["name"] for entry in json.loads(said)["new"]} == {"é", "数据", "🚀"}, encoding


def test_a_log_goes_into_a_pipe_byte_for_byte_and_harmless_to_a_terminal(hostile: TestHome) -> None:
    stdout, stderr = run(["logs", named("good")], hostile.path, terminal=False)
    assert (stdout.encode(), stderr) == ((hostile.logs / named("good") / "1.log").read_bytes(), "")
    stdout, _ = run(["logs", named("good")], hostile.path, terminal=True)
    evil = printable(EVIL.replace("\r\n", "\n").replace("\r", "\n"), keep="\n")
    assert stdout == LOG_SHOWN.format(evil=evil)
