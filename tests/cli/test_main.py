"""The command line as a whole: help, refusals, which home is meant, colour, pipes."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobrunner.cli.main import COMMANDS
from tests import warm
from tests.messages import complaint, met_a_bug, tree
from tests.support import JOBRUNNER, PATIENCE, TestHome, clean_environment

#: What a command needs so that only the home can be wrong.
WORDS = {
    "work": ["--drain"],
    "run": ["--drain"],
    "explain": ["x"],
    "show": ["x"],
    "logs": ["x"],
    "try": ["x"],
    "retry": ["--all"],
    "rerun": ["p"],
    "accept": ["p"],
    "front": ["p"],
    "wait": ["p"],
    "cancel": ["x"],
    "prune": ["--older-than", "30d"],
}
ELSEWHERE = [name for name in COMMANDS if name not in {"init", "demo", "completion", "web-user"}]


def jobrunner(
    *words: str, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without --home; start it where it is given an environment, which may concern the interpreter."""
    if environment is None:
        return warm.run(warm.JOBRUNNER, words, environment=clean_environment(), folder=cwd)
    return subprocess.run(
        [*JOBRUNNER, *words],
        cwd=cwd,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def on_a_terminal(home: TestHome, *words: str, **environment: str) -> str:
    """Run a command on a terminal and return all that it printed there."""
    ours, theirs = pty.openpty()
    settings = {name: value for name, value in clean_environment().items() if name != "NO_COLOR"}
    command = warm.start(
        warm.JOBRUNNER,
        ["--home", str(home.path), *words],
        environment=settings | {"TERM": "xterm-256color"} | environment,
        folder=Path.cwd(),
        streams=[theirs] * 3,
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        if not piece:
            break
        printed += piece
    os.close(ours)
    assert command.wait(PATIENCE) == 0
    return printed.decode()


def one_failed(home: TestHome) -> None:
    home.handler("raise SystemExit(65)")
    home.package("bad")
    assert home.jobrunner("run", "--drain").returncode == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples_one_a_line(name: str, tmp_path: Path) -> None:
    result = jobrunner(name, "--help")
    assert result.returncode == 0
    assert result.stderr == ""
    examples = [line.strip() for line in result.stdout.partition("Examples:")[2].splitlines() if line.strip()]
    assert examples
    assert all(example.startswith(f"jobrunner {name}") and "|" not in example for example in examples), examples
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_command_with_a_sentence() -> None:
    result = jobrunner("-h", environment={"COLUMNS": "80"})
    assert result.returncode == 0
    assert result.stderr == ""
    _, _, commands = result.stdout.partition("Commands:\n")
    assert max(map(len, result.stdout.splitlines())) < 80
    sentences = dict(line.split(maxsplit=1) for line in commands.splitlines())
    assert list(sentences) == list(COMMANDS)
    assert [sentence for sentence in sentences.values() if not sentence.endswith(".") or "..." in sentence] == []


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("show", "jobrunner show [OPTIONS] NAME"),
        ("cancel", "jobrunner cancel [OPTIONS] [NAME...]"),
        ("retry", "jobrunner retry [OPTIONS] [NAME...]"),
        ("init", "jobrunner init [OPTIONS] [DIR]"),
    ],
)
def test_the_usage_is_plain(name: str, usage: str) -> None:
    help_page = jobrunner(name, "--help").stdout
    assert help_page.startswith(f"Usage: {usage}\n")
    assert "<" not in help_page
    assert help_page.count("[required]") <= 1


def imported_by(*words: str) -> set[str]:
    """Return the modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "jobrunner", *words]
    told = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True)
    return {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}


@pytest.mark.unmeasured
@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_the_help_imports_only_what_has_the_words_of_commands(words: list[str]) -> None:
    imported = imported_by(*words, "--help")
    assert "jobrunner.cli.usage" in imported
    assert not imported & {"rich", "markdown_it", "apsw", "peewee", "sqlite3", "logging", "ctypes"}
    parts = {tuple(module.split(".")[1:]) for module in imported if module.startswith("jobrunner.")}
    assert {part[0] for part in parts} <= {"cli", "demo", "domain", "process", "wiring", "words"}
    assert {part for part in parts if part[0] == "wiring"} == {("wiring",), ("wiring", "bugs")}
    ours = {part[1:] for part in parts if part[0] == "process"}
    assert ours == {(), ("package",), ("progress_file",)}  # what a callable gets


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stauts", "did you mean status?"),
        ("lgos", "did you mean logs?"),
        ("start", "did you mean run?"),
        ("top", "did you mean status?"),
        ("log", "did you mean logs?"),
        ("tail", "did you mean logs -f?"),
        ("kill", "did you mean cancel?"),
        ("repair", "did you mean check --repair?"),
        ("help", "did you mean --help?"),
        ("hold", "did you mean pause?"),
        ("unpause", "did you mean resume?"),
        ("first", "did you mean front?"),
        ("join", "did you mean wait?"),
        ("stop", "jobrunner cancel NAME stops one package, and jobrunner pause all that is not running yet"),
        ("restart", "start it again; jobrunner retry NAME"),
    ],
)
def test_of_a_word_that_is_no_command_it_is_said_which_is_meant(word: str, meant: str) -> None:
    assert f"there is no command '{word}'" in (said := complaint(jobrunner(word)))
    assert meant in said


@pytest.mark.parametrize("word", ["compress", "nonsense", "sit"])
def test_no_command_is_guessed_that_is_only_a_little_like_a_word(word: str) -> None:
    assert complaint(jobrunner(word)) == f"jobrunner: there is no command '{word}': jobrunner --help lists them"


@pytest.mark.parametrize("words", [["--home", "it", "status"], ["status", "--home", "it"], ["status", "--home=it"]])
def test_the_home_may_stand_before_a_command_and_behind_it(words: list[str], tmp_path: Path) -> None:
    TestHome(tmp_path / "it").package("in-it")
    result = jobrunner(*words)
    assert (result.returncode, result.stderr) == (0, "")
    assert "in-it" in result.stdout


def test_of_two_homes_the_last_one_counts(tmp_path: Path) -> None:
    TestHome(tmp_path / "second").package("in-it")
    assert "in-it" in jobrunner("--home", "first", "status", "--home", "second").stdout


def test_behind_two_dashes_the_home_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    assert "no package named --home" in complaint(jobrunner("show", "--", "--home"), code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--home", "status"], "--home wants a folder, and 'status' was taken for it: jobrunner --home DIR status"),
        (["--home", "it"], "what is to be done in it? Name a command, such as jobrunner --home it status;"),
        (["status", "--home"], "--home wants a folder: jobrunner --home DIR COMMAND"),
    ],
)
def test_a_home_without_a_command_and_a_command_without_a_home_are_said_to_be_so(words: list[str], said: str) -> None:
    assert said in complaint(jobrunner(*words))


def test_wrong_usage_names_the_help_page() -> None:
    assert complaint(jobrunner("show")).endswith(": see jobrunner show --help")
    assert complaint(jobrunner("--nonsense", "status")).endswith(": see jobrunner --help")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stauts"], "status?"),
        (["nonsense"], "'nonsense'"),
        (["--nonsense", "status"], "--nonsense"),
        (["status", "--nonsense"], "--nonsense"),
        (["work", "-n", "0"], "'-n'"),
        (["run", "-n", "1001"], "'-n'"),
        (["run", "-n", "-3"], "'-n'"),
        (["run", "-n", "many"], "'-n'"),
        (["work", "-n"], "'-n'"),
        (["show"], "NAME"),
        (["logs"], "NAME"),
        (["retry"], "--all"),
        (["retry", "a", "--all"], "--all"),
        (["status", "too-much"], "too-much"),
        (["--home"], "--home"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_on_stderr(words: list[str], said: str, tmp_path: Path) -> None:
    assert said in complaint(jobrunner(*words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_no_home_is_said_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    said = complaint(jobrunner(name, *WORDS.get(name, [])))
    assert str(tmp_path) in said
    assert "jobrunner init" in said
    assert tree(tmp_path) == before


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", ["status", "scan"])
def test_a_command_imports_nothing_that_only_others_use(name: str, home: TestHome) -> None:
    imported = imported_by("--home", str(home.path), name)
    services = {module.rpartition(".")[2] for module in imported if module.startswith("jobrunner.services.")}
    assert services == {"intake", "names", "report", "retrying"}
    assert not imported & {f"jobrunner.cli.{other}" for other in COMMANDS if other != name}
    assert not imported & {"rich", "multiprocessing", "isal", "importlib.resources"}


def test_a_command_lets_go_of_the_database(home: TestHome) -> None:
    home.package("p")
    for words in (["scan"], ["status"], ["show", "p"], ["run", "--drain"], ["check"]):
        assert home.jobrunner(*words).returncode == 0
        assert not (home.path / "jobrunner.db-wal").exists(), words


def test_what_cannot_be_printed_is_said(home: TestHome) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = subprocess.run(
            [*JOBRUNNER, "--home", str(home.path), "status"],
            stdout=full, stderr=subprocess.PIPE, env=clean_environment(), text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, "jobrunner: No space left on device\n")


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/deeper", "notes.txt"])
def test_a_home_that_is_not_there_is_not_made(missing: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert missing in complaint(jobrunner("--home", missing, "status"))
    assert tree(tmp_path) == {"notes.txt": b"mine"}


def test_a_home_of_a_user_that_is_not_there_is_one_plain_line() -> None:
    assert "~no-such-user" in complaint(jobrunner("--home", "~no-such-user/home", "status"))


def test_an_inbox_or_a_database_alone_makes_a_home(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    assert jobrunner("status").returncode == 0
    assert (tmp_path / "jobrunner.db").is_file()


def test_the_home_is_the_option_else_the_variable_else_the_current_folder(tmp_path: Path) -> None:
    for place in ("option", "variable", "current"):
        TestHome(tmp_path / place).package(f"of-{place}")

    def new(*words: str, **environment: str) -> list[str]:
        result = jobrunner(*words, "status", "--json", cwd=tmp_path / "current", environment=environment)
        return [delivery["name"] for delivery in json.loads(result.stdout)["new"]]

    variable = str(tmp_path / "variable")
    assert new("--home", "../option", JOBRUNNER_HOME=variable) == ["of-option"]
    assert new(JOBRUNNER_HOME=variable) == ["of-variable"]
    assert new() == ["of-current"]


def test_the_version_is_one_line() -> None:
    result = jobrunner("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["jobrunner 0.1.0"]


def test_into_a_pipe_no_escape_codes_are_written(home: TestHome) -> None:
    one_failed(home)
    home.package("bad-again")
    for words in (["status"], ["show", "bad"], ["run", "--drain"], ["retry", "bad"], ["--help"], ["nonsense"]):
        result = home.jobrunner(*words, environment={"NO_COLOR": "", "TERM": "xterm-256color"})
        assert "\x1b" not in result.stdout + result.stderr
        assert result.stdout + result.stderr


def test_on_a_terminal_there_is_colour_unless_no_color_is_set(home: TestHome) -> None:
    one_failed(home)
    assert "\x1b[" in on_a_terminal(home, "status")
    plain = on_a_terminal(home, "status", NO_COLOR="1")
    assert "bad" in plain
    assert "\x1b" not in plain
    home.handler("")
    home.jobrunner("retry", "--all")
    assert not re.search(r"\x1b\[[0-9;]*m", on_a_terminal(home, "run", "--drain", NO_COLOR="1"))


def test_a_reader_who_has_enough_gets_no_complaint(home: TestHome) -> None:
    home.handler("print('x' * 1_000_000)\nraise SystemExit(65)")
    home.package("bad")
    home.jobrunner("run", "--drain")
    for words in (["status"], ["status", "--json"], ["show", "bad"], ["logs", "bad"], ["--help"]):
        ours, theirs = os.pipe()
        os.close(ours)
        result = home.jobrunner(*words, stdout=theirs)
        os.close(theirs)
        assert (result.returncode, result.stderr) == (1, ""), words


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["--version"]])
def test_output_that_cannot_be_written_is_one_plain_line(home: TestHome, words: list[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = home.jobrunner(*words, stdout=full)
    assert result.returncode == 1, result.stderr
    assert "No space left" in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_a_locale_that_lacks_letters_is_refused(tmp_path: Path) -> None:
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert "set LC_ALL=C.UTF-8" in complaint(jobrunner("init", cwd=tmp_path, environment=narrow))
    assert not list(tmp_path.iterdir())


def test_a_name_that_the_terminal_cannot_write_is_escaped(home: TestHome) -> None:
    home.package("🚀")
    home.jobrunner("scan")
    home.package("late 🚀")
    for words in (["status"], ["status", "--json"], ["show", "🚀"]):
        result = home.jobrunner(*words, environment={"PYTHONIOENCODING": "gbk"})
        assert not met_a_bug(result.stderr), result.stderr
        assert result.returncode == 0
        assert r"\U0001f680" in result.stdout or r"\ud83d\ude80" in result.stdout


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["init"]])
def test_without_a_standard_output_there_is_no_traceback(home: TestHome, words: list[str]) -> None:
    line = 'exec "$@" >&-'
    result = subprocess.run(
        ["sh", "-c", line, "sh", *JOBRUNNER, "--home", str(home.path), *words],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert not met_a_bug(result.stderr)
    assert len(result.stderr.splitlines()) <= 1
