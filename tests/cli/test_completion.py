"""The Tab key: which words come, in which quoting, and in real shells."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from jobrunner.cli.main import COMMANDS
from jobrunner.cli.shells import SCRIPTS, for_bash, split
from tests import warm
from tests.messages import complaint, tree
from tests.support import TestHome, clean_environment, wait_until
from tests.terminal import Terminal

ODD = [
    "$(touch pwned)",
    "`touch pwned`;y",
    "a:b=c@d",
    "it's",
    "my pack age",
    "naïve-日本",
    'say"so"',
    "~tilde",
    "{a,b}",
]
#: For each shell, the words that start it without anybody's settings.
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "fish": ["fish", "-N", "-i"]}
SOURCED = {
    "bash": "source <(jobrunner completion bash)",
    "zsh": "autoload -Uz compinit; compinit -u -D; source <(jobrunner completion zsh)",
    "fish": "jobrunner completion fish | source",
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> TestHome:
    """A home in which bad has failed, good is done and lies in the inbox again, and others are queued."""
    home = TestHome(tmp_path_factory.mktemp("completion") / "home")
    home.handler("import os\nraise SystemExit(65 * (os.environ['JOBRUNNER_PACKAGE'] == 'bad'))")
    for name in ("good", "bad", "line\nbreak", "-dash"):
        home.package(name)
    assert home.jobrunner("run", "--drain").returncode == 1
    home.package("good")
    home.package("unscanned")
    with closing(home.open().store) as store, store.write():
        store.queue.enqueue([*ODD, "scan-1", "scan-2"], time.time())
    return home


def asked(known: TestHome, *words: str, shell: str = "zsh", **environment: str) -> tuple[str, list[str]]:
    """Return what else may come, and the words that fit, of somebody who stands in the home."""
    result = warm.run(
        warm.JOBRUNNER,
        ["completion", shell, "--answer", "--", *words],
        environment=clean_environment() | environment,
        folder=known.path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    kind, *found = result.stdout.splitlines()
    return kind, found


def words_of(known: TestHome, *words: str) -> list[str]:
    kind, found = asked(known, *words)
    assert kind == "nothing"
    return found


def test_commands_options_and_values_come(known: TestHome) -> None:
    assert words_of(known, "") == list(COMMANDS)
    assert words_of(known, "re") == ["retry", "rerun", "resume", "reload"]
    assert words_of(known, "--") == ["--home", "--version", "--help"]
    assert words_of(known, "logs", "--") == ["--follow", "--tail", "--attempt", "--revision", "--home", "--help"]
    assert words_of(known, "list", "--state", "") == ["queued", "waiting", "running", "done", "failed", "cancelled"]
    assert words_of(known, "list", "--state", "done", "--state", "f") == ["failed"]
    assert words_of(known, "list", "--state=ca") == ["--state=cancelled"]
    assert words_of(known, "run", "--log-format", "") == ["text", "json"]
    assert words_of(known, "list", "--sort", "-c") == ["-created"]
    assert words_of(known, "completion", "") == ["bash", "zsh", "fish"]
    assert words_of(known, "config", "process.max_l") == ["process.max_log"]
    assert words_of(known, "config", "retry.backoff", "ret")[:2] == ["retry", "retention"]
    assert words_of(known, "pause", "") == words_of(known, "run", "-n", "") == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["retry", ""], ["bad"]),
        (["rerun", ""], ["good", r"line\nbreak"]),
        (["rerun", "--since", "7d", "go"], ["good"]),
        (["cancel", "scan"], ["scan-1", "scan-2"]),
        (["front", "scan-1", "scan"], ["scan-2"]),
        (["wait", "it"], ["it's"]),
        (["accept", ""], ["good"]),
        (["show", "b"], ["bad"]),
        (["show", "bad", ""], []),
        (["show", "--log", "ba"], ["bad"]),
        (["logs", "--tail", "3", "ba"], ["bad"]),
        (["show", r"line\nb"], [r"line\nbreak"]),
        (["show", "line\nb"], [r"line\nbreak"]),
        (["rerun", "--", ""], ["-dash", "good", r"line\nbreak"]),
        (["show", "nothing"], []),
    ],
    ids=str,
)
def test_each_command_gets_the_packages_that_it_takes(known: TestHome, words: list[str], found: list[str]) -> None:
    assert words_of(known, *words) == found


def test_paths_come_where_paths_are_meant(known: TestHome) -> None:
    assert asked(known, "--home", "")[0] == "folders"
    assert asked(known, "show", "x", "--home", "")[0] == "folders"
    assert asked(known, "init", "")[0] == "folders"
    assert asked(known, "metrics", "--file", "")[0] == "files"
    assert asked(known, "metrics", "--file=")[0] == "files"
    assert asked(known, "try", "b") == ("files", ["bad"])
    assert asked(known, "explain", "inbox/g") == ("files", [])


def test_the_home_is_that_of_the_line_else_of_the_variable(known: TestHome, tmp_path: Path) -> None:
    other = TestHome(tmp_path / "other")
    other.package("elsewhere")
    other.jobrunner("scan")
    assert asked(known, "show", "e", JOBRUNNER_HOME=str(other.path))[1] == ["elsewhere"]
    assert asked(other, "--home", str(known.path), "show", "b", JOBRUNNER_HOME="nowhere")[1] == ["bad"]
    assert asked(other, "show", f"--home={known.path}", "b")[1] == ["bad"]
    assert asked(other, "show", "--home", "~/home", "b", HOME=str(known.path.parent))[1] == ["bad"]
    assert asked(other, "show", "--home", "$X", "b", X=str(known.path))[1] == ["bad"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("jobrunner.toml", "nonsense ["), ("jobrunner.db", "no database"), ("inbox/x", ""), ("notes.txt", "")],
)
def test_where_nothing_can_be_said_nothing_is_said_or_made(tmp_path: Path, name: str, content: str) -> None:
    home = TestHome(tmp_path / "home")
    home.inbox.rmdir()
    (home.path / name).parent.mkdir(exist_ok=True)
    (home.path / name).write_text(content)
    before = tree(home.path)
    for command in ("show", "retry", "accept"):
        result = home.jobrunner("completion", "zsh", "--answer", "--", "--home", str(home.path), command, "")
        assert (result.returncode, result.stdout, result.stderr) in {(0, "", ""), (0, "nothing\n", "")}
    assert tree(home.path) == before


def test_a_lock_is_not_waited_for_and_no_file_is_made(known: TestHome) -> None:
    before = tree(known.path)
    with closing(apsw.Connection(str(known.path / "jobrunner.db"))) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert words_of(known, "show", "b") == ["bad"]
    assert tree(known.path) == before


def test_whoever_types_is_not_kept_for_long(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jobrunner.toml")
    result = warm.run(
        warm.JOBRUNNER,
        ["completion", "zsh", "--answer", "--", "show", ""],
        environment=clean_environment(),
        folder=tmp_path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGALRM, "", "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_of_a_shell_is_printed(script: str) -> None:
    result = warm.run(warm.JOBRUNNER, ["completion", script], environment=clean_environment())
    assert (result.returncode, result.stdout, result.stderr) == (0, SCRIPTS[script], "")


def test_another_shell_is_refused() -> None:
    for words in (["tcsh"], ["bash", "zsh"]):
        result = warm.run(warm.JOBRUNNER, ["completion", *words], environment=clean_environment())
        assert "bash, zsh, fish" in complaint(result)


@pytest.mark.parametrize(
    ("line", "words", "quote"),
    [
        ("jobrunner show sc", ["jobrunner", "show", "sc"], ""),
        ("jobrunner  show ", ["jobrunner", "show", ""], ""),
        (r"j my\ pa", ["j", "my pa"], ""),
        ('j "my pa', ["j", "my pa"], '"'),
        ("j 'my \\", ["j", "my \\"], "'"),
        ("j 'a'\"b\"c", ["j", "abc"], ""),
        ("j ''", ["j", ""], ""),
        ("j a\\", ["j", "a"], ""),
        ("", [""], ""),
    ],
)
def test_a_line_of_bash_is_split_into_words(line: str, words: list[str], quote: str) -> None:
    assert split(line) == (words, quote)


@pytest.mark.parametrize(
    ("current", "replaced", "quote", "given"),
    [
        ("", "", "", [r"a\ b", r"a:b=c", r"it\'s", r"\$x"]),
        ("a:b", "b", "", ["b=c"]),
        ("", "", "'", ["a b", "a:b=c", "$x"]),
        ("", "", '"', ["a b", "a:b=c", "it's"]),
    ],
)
def test_bash_gets_words_in_its_quoting(current: str, replaced: str, quote: str, given: list[str]) -> None:
    assert list(for_bash(["a b", "a:b=c", "it's", "$x"], current, replaced, quote)) == given


@pytest.fixture
def shell(request: pytest.FixtureRequest, known: TestHome, tmp_path: Path) -> Iterator[Terminal]:
    """A shell that stands in the home and has our completion."""
    name = request.param
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed: apt install {name}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = [f"PATH={path}", f"HOME={tmp_path}", "LC_ALL=C.UTF-8", f"--chdir={known.path}"]
    with Terminal(["env", *settings[3:], *settings[:3], *SHELLS[name]]) as terminal:
        terminal.type(f"{SOURCED[name]}\n")
        yield terminal


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_a_real_shell_completes_a_name_to_one_word_that_means_it(shell: Terminal, known: TestHome) -> None:
    """At the end of each line, the words are printed instead of run."""
    before = tree(known.path)
    for typed, meant in {
        "cancel my": ["cancel", "my pack age"],
        "cancel 'my": ["cancel", "my pack age"],
        r"show \$": ["show", "$(touch pwned)"],
        r"show \`t": ["show", "`touch pwned`;y"],
        "show a:b": ["show", "a:b=c@d"],
        "show lin": ["show", r"line\nbreak"],
        "list --state=fa": ["list", "--state=failed"],
        "show na": ["show", "naïve-日本"],
    }.items():
        shell.type(f"jobrunner {typed}\t\x01printf '<%s>' \n")
        printed = "".join(f"<{word}>" for word in ["jobrunner", *meant])
        wait_until(lambda: (shell.shown(), printed in shell.printed)[1])  # noqa: B023
    assert tree(known.path) == before
