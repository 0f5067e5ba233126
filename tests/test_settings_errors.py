"""Wrong settings, end to end: one plain line that says what to do, and nothing is created."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.unwise import unwise
from jobrunner.wiring.home import load_settings
from tests.messages import complaint, tree
from tests.support import TestHome


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem than the home's."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="jobrunner-test-") as folder:
        assert os.stat(folder).st_dev != os.stat(tmp_path).st_dev, "the tests need two filesystems: /tmp and /dev/shm"
        yield Path(folder)


def refused(home: TestHome) -> str:
    """Return why a home is not opened, as a command would; the folders and the database would be made by that."""
    before = tree(home.path)
    with pytest.raises(ConfigurationError) as caught:
        home.status()
    assert tree(home.path) == before
    said = str(caught.value)
    assert said.splitlines() == [said], "one line"
    assert "Errno" not in said, "not plain"
    return said


def test_a_command_prints_why_settings_are_refused_as_its_one_line(home: TestHome) -> None:
    (home.path / "link").symlink_to("inbox")
    for toml in ('[folders]\ninbx = "in"', "[folders", '[folders]\nlogs = "link"', '[folders]\ninbox = "missing"'):
        home.configure(f"{toml}\n")
        said = refused(home)
        before = tree(home.path)
        assert complaint(home.jobrunner("status")) == f"jobrunner: {said}"
        assert tree(home.path) == before


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[folders]\ninbx = "in"', ["folders.inbx", "did you mean inbox?"]),
        ('[proces]\ncommand = ["a"]', ["[proces]", "did you mean process?"]),
        ("[retry]\nzzz = 1", ["retry.zzz", "max_attempts, backoff, max_backoff"]),
        ('inbox = "in"', ["inbox", "section"]),
        ("folders = 3", ["folders", "[folders]"]),
        ("[folders]\ninbox = 3", ["folders.inbox is 3", "text"]),
        ('[folders]\nwork = ""', ['folders.work is "", but must be a text that is not empty']),
        ('[folders]\ninbox = "~no-such-user/in"', ["folders.inbox", "~no-such-user"]),
        ("[intake]\nsettle = true", ["intake.settle is true", '"10s", "1h30m" or "10 minutes"']),
        ('[intake]\nsettle = "5 parsecs"', ['"5 parsecs"', '"10s"']),
        ("[process]\ntimeout = 0", ["process.timeout is 0", '"10 minutes", or "none"']),
        (
            '[process]\nmax_memory = "1 KiB"',
            ['process.max_memory is "1 KiB"', '"4 MiB"', "no program starts with less"],
        ),
        ("[process]\nmax_open_files = 2", ["process.max_open_files is 2", "from 8 on"]),
        ("[process]\ncommand = true", ["process.command is true, but must be a list of words"]),
        (
            '[process]\ncommand = "a.py | tee log"',
            ["one program with its arguments", '"|" is for a shell', '["sh", "-c"'],
        ),
        ('[process]\ncallable = "analysis.py:process"', ['which has no .py: "analysis:process"']),
        ('[intake]\nincomplete_suffix = ""', ['intake.incomplete_suffix is ""', "name without a slash"]),
        ('[intake]\nincomplete_suffix = "a/b"', ["intake.incomplete_suffix", "-downloading"]),
        ('[extract]\nmax_size = "10 GB"', ['"10 GB"', '"10 GiB"']),
        ("[extract]\nmax_entries = 0", ["extract.max_entries is 0", "whole number"]),
        ("[extract]\nmax_entries = true", ["extract.max_entries", "whole number"]),
        ('[extract]\nencoding = "klingon"', ['"klingon"', "gbk"]),
        ("[process]\ncommand = []", ["process.command", "list of words"]),
        ('[process]\ncommand = ["a", 3]', ["process.command", "list of words"]),
        ('[process]\ncallable = "analysis"', ["process.callable", "analysis:process"]),
        ('[process]\ncommand = ["true"]\ncallable = "a:b"', ["process.command", "process.callable", "remove one"]),
        ('[process]\nmax_log = "1 KiB"', ['process.max_log is "1 KiB"', '"64 KiB"']),
        ("[process]\nno_new_privileges = 1", ["process.no_new_privileges is 1", "true or false"]),
        ('[process]\nuser = ""', ["process.user", "text"]),
        ("[process]\nenvironment = []", ["process.environment", "table"]),
        ("[process]\nenvironment = { A = 1 }", ["process.environment must be", "A is neither"]),
        ("[process]\nenvironment = { A = true }", ["process.environment must be", "A is neither"]),
        ('[process]\nenvironment = { A = "\\u0000" }', ["process.environment must be", "A is neither"]),
        ('[process]\nenvironment = { "A=B" = "1" }', ["process.environment must be", "'A=B'"]),
        ('[process]\nenvironment = { JOBRUNNER_DATA = "/" }', ["process.environment", "JOBRUNNER_DATA", "own"]),
        ("[retry]\nmax_attempts = 0", ["retry.max_attempts is 0", "whole number"]),
        ("[retry]\nmax_attempts = 1.5", ["retry.max_attempts is 1.5", "whole number"]),
        ('[database]\nurl = "postgresql://host/db"', ["database.url", "sqlite:///"]),
        ('[database]\nurl = "sqlite:///nowhere/jobs.db"', ["nowhere", "database.url"]),
        ("[folders", ["jobrunner.toml", "line 1"]),
        ('[folders]\ninbox = "a"\ninbox = "b"', ["jobrunner.toml", "line 3"]),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_it_must_be(home: TestHome, toml: str, words: list[str]) -> None:
    home.configure(f"{toml}\n")
    said = refused(home)
    assert all(word in said for word in ["jobrunner.toml", *words]), said


def test_a_text_of_the_environment_is_not_repeated(home: TestHome) -> None:
    home.configure('[process]\nenvironment = { TOKEN = "hush", A = 1 }\n')
    assert "hush" not in refused(home)


def test_every_wrong_key_is_named_at_once(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure('[folders]\ninbx = "in"\n[retry]\nmax_attempts = 0\n')
    monkeypatch.setenv("JOBRUNNER_WORK_SHUTDOWN_GRACE", "soon")
    said = refused(home)
    assert all(word in said for word in ("folders.inbx", "retry.max_attempts", "JOBRUNNER_WORK_SHUTDOWN_GRACE"))


def test_settings_that_are_not_text_are_said_plainly(home: TestHome) -> None:
    (home.path / "jobrunner.toml").write_bytes("# 中文".encode("gbk"))
    said = refused(home)
    assert "jobrunner.toml" in said
    assert "UTF-8" in said


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("JOBRUNNER_FOLDERS_INBX", "in", ["JOBRUNNER_FOLDERS_INBX", "did you mean JOBRUNNER_FOLDERS_INBOX?"]),
        ("JOBRUNNER_RETRY_MAX_ATTEMPTS", "many", ['JOBRUNNER_RETRY_MAX_ATTEMPTS is "many"', "whole number"]),
        ("JOBRUNNER_PROCESS_COMMAND", 'python "x', ["JOBRUNNER_PROCESS_COMMAND", "quot"]),
        ("JOBRUNNER_PROCESS_ENVIRONMENT", "A=1", ['JOBRUNNER_PROCESS_ENVIRONMENT is "A=1"', "JSON object"]),
        ("JOBRUNNER_PROCESS_ENVIRONMENT", "[1]", ['JOBRUNNER_PROCESS_ENVIRONMENT is "[1]"', "JSON object"]),
        ("JOBRUNNER_PROCESS_COMMAND", "", ['JOBRUNNER_PROCESS_COMMAND is ""', "list of words"]),
        ("JOBRUNNER_PROCESS_COMMAND", '["sh", "a.sh"', ["JOBRUNNER_PROCESS_COMMAND", "list of words"]),
    ],
)
def test_a_wrong_variable_is_named(
    home: TestHome, variable: str, value: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    said = refused(home)
    assert all(word in said for word in words), said
    assert "must be No" not in said


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (
            '[process]\ncommand = ["true", "{dat}"]',
            "process.command has {dat}, which the program gets as it is: only {data}, ",
        ),
        (
            '[process]\ncommand = ["true", "|", "tee"]',
            'process.command has the word "|", which the program gets as it is',
        ),
        ('[process]\ncommand = ["true", "2>log"]', 'process.command has the word "2>log"'),
        ('[retry]\nbackoff = "2h"', "retry.backoff is longer than retry.max_backoff"),
    ],
)
@pytest.mark.parametrize("command", [["run", "--drain"], ["check"]], ids=" ".join)
def test_what_is_unwise_is_warned_of_by_who_works_and_checks(
    home: TestHome, command: list[str], toml: str, words: str
) -> None:
    home.configure(f"{toml}\n")
    result = home.jobrunner(*command)
    assert result.returncode == 0
    assert words in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-c", "a | b > c; d && e"],
        ["awk", "{print $1}", "{data}"],
        ["sh", "-c", "echo ${home}"],
        ["a", "{a,b}"],
        ["a", "{}"],
    ],
)
def test_what_a_program_understands_itself_is_not_warned_of(home: TestHome, words: list[str]) -> None:
    home.configure(f"[process]\ncommand = {json.dumps(words)}\n")
    assert list(unwise(load_settings(home.path), processors=2)) == []


def test_a_file_that_begins_with_a_byte_order_mark_is_read(home: TestHome) -> None:
    (home.path / "jobrunner.toml").write_bytes(b'\xef\xbb\xbf[folders]\r\ninbox = "in"\r\n')
    (home.path / "in").mkdir()
    home.package("new-one", folder=home.path / "in")
    result = home.jobrunner("status")
    assert (result.returncode, result.stderr) == (0, "")
    assert "new-one" in result.stdout


@pytest.mark.parametrize("written", ['"10 minutes"', '"1h30m"', "90", "1.5", '"none"'])
def test_a_timeout_is_taken_as_people_write_it(home: TestHome, written: str) -> None:
    home.handler("print('ran')", timeout=written)
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.logs / "p" / "1.log").read_text() == "ran\n"


def test_a_command_in_the_environment_may_be_a_json_list(home: TestHome) -> None:
    home.package("p")
    command = json.dumps(["/bin/sh", "-c", "echo a list"])
    assert home.jobrunner("run", "--drain", environment={"JOBRUNNER_PROCESS_COMMAND": command}).returncode == 0
    assert (home.logs / "p" / "1.log").read_text() == "a list\n"


def test_a_size_is_echoed_in_the_unit_that_was_written(home: TestHome) -> None:
    home.configure('[extract]\nkeep_free = "90000 GiB"\n')
    assert "has less than 90000 GiB free (extract.keep_free)" in home.jobrunner("status").stdout


def test_a_copy_of_a_home_can_be_used_once_its_mark_is_removed(home: TestHome, tmp_path: Path) -> None:
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    copy = TestHome(Path(shutil.copytree(home.path, tmp_path / "copy")))
    mark = copy.work / ".home"
    why = f"this home is a copy of the one whose database is {home.path}/jobrunner.db: to use it beside that one, see "
    why += f"that its jobrunner.toml names no folder of that one, then remove {mark}"
    for words in (["run", "--drain"], ["scan"], ["check"]):
        assert why in complaint(copy.jobrunner(*words))
    for words in (["status", "--json"], ["list", "--json"], ["show", "p", "--json"], ["explain", "p", "--json"]):
        shown = copy.jobrunner(*words)
        assert (shown.returncode, json.loads(shown.stdout) is None) == (0, False)
        assert why in shown.stderr
    database = (copy.path / "jobrunner.db").rename(tmp_path / "jobrunner.db")
    assert why in complaint(copy.jobrunner("check", "--rebuild"))
    database.rename(copy.path / "jobrunner.db")
    mark.unlink()
    assert copy.jobrunner("run", "--drain").returncode == 0
    assert copy.counts()["done"] == home.counts()["done"] == 1


def test_a_missing_inbox_is_never_made(home: TestHome) -> None:
    home.configure("")
    home.inbox.rmdir()
    said = refused(home)
    assert str(home.inbox) in said
    assert "folders.inbox" in said


@pytest.mark.parametrize("folder", ["inbox", "work", "archive", "failed", "logs"])
def test_a_folder_outside_of_the_home_is_never_made(home: TestHome, folder: str, tmp_path: Path) -> None:
    outside = tmp_path / "disk" / folder
    home.configure(f'[folders]\n{folder} = "{outside}"\n')
    said = refused(home)
    assert str(outside) in said
    assert f"folders.{folder}" in said
    assert not outside.parent.exists()


@pytest.mark.parametrize("folder", ["archive", "failed", "work"])
def test_work_must_share_a_filesystem_with_archive_and_failed(home: TestHome, folder: str, elsewhere: Path) -> None:
    home.configure(f'[folders]\n{folder} = "{elsewhere}"\n')
    said = refused(home)
    assert "different filesystems" in said
    assert str(elsewhere) in said
    assert "folders.work" in said
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("folder", ["inbox", "work", "logs"])
def test_a_file_in_the_place_of_a_folder_is_said_plainly(home: TestHome, folder: str) -> None:
    (home.path / "file").write_text("mine")
    home.configure(f'[folders]\n{folder} = "file"\n')
    said = refused(home)
    assert str(home.path / "file") in said
    assert f"folders.{folder}" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('[folders]\nfailed = "inbox"', "folders.inbox and folders.failed are the same folder"),
        ('[folders]\nfailed = "./work/../inbox/"', "folders.inbox and folders.failed are the same folder"),
        (
            '[folders]\narchive = "inbox/done"',
            "folders.archive ({home}/inbox/done) lies in folders.inbox ({home}/inbox)",
        ),
        ('[folders]\ninbox = "work/in/put"', "folders.inbox ({home}/work/in/put) lies in folders.work ({home}/work)"),
        ('[folders]\nlogs = "archive/logs"', "folders.logs ({home}/archive/logs) lies in folders.archive"),
        ('[folders]\nlogs = "link"', "folders.inbox and folders.logs are the same folder"),
        ('[folders]\nwork = "link/work"', "folders.work ({home}/link/work) lies in folders.inbox ({home}/inbox)"),
        ('[folders]\ninbox = "."', "folders.inbox is {home}, which is or holds the home with its jobrunner.toml"),
        ('[folders]\nlogs = ".."', "folders.logs is {home}/.., which is or holds the home with its jobrunner.toml"),
        (
            '[folders]\ninbox = "/proc"',
            "folders.inbox is /proc, but all in /proc is the kernel's: set it to a folder on a disk",
        ),
        ('[folders]\ninbox = "/dev"', "folders.inbox is /dev, a folder of the system: give each a folder of its own"),
        ('[folders]\nlogs = "/sys/kernel"', "folders.logs is /sys/kernel, but all in /sys is the kernel's"),
        ('[folders]\nfailed = "/"', "folders.failed is /, which is or holds the home with its jobrunner.toml"),
        ('[database]\nurl = "sqlite:///inbox/jobs.db"', "database.url ({home}/inbox/jobs.db) lies in folders.inbox"),
        ('[database]\nurl = "sqlite:///work/jobs.db"', "database.url ({home}/work/jobs.db) lies in folders.work"),
        ('[database]\nurl = "sqlite:///link/jobs.db"', "database.url ({home}/link/jobs.db) lies in folders.inbox"),
    ],
    ids=lambda value: value.split("\n")[1] if "\n" in value else "",
)
def test_folders_that_overlap_are_refused_with_both_their_names(home: TestHome, settings: str, words: str) -> None:
    (home.path / "link").symlink_to("inbox")
    home.configure(settings)
    assert words.format(home=home.path) in refused(home)


def test_folders_within_the_home_are_made_where_the_settings_say(home: TestHome) -> None:
    home.configure('[folders]\narchive = "out/of/order"\n')
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    assert (home.path / "out/of/order/p/p.zip").is_file()


def test_the_order_is_flag_then_variable_then_toml_then_default(home: TestHome, tmp_path: Path) -> None:
    for name in ("inbox", "of-toml", "of-variable"):
        (home.path / name).mkdir(exist_ok=True)
        home.package(f"in-{name}", folder=home.path / name)

    def new(**environment: str) -> list[str]:
        result = home.jobrunner("status", environment=environment)
        assert result.returncode == 0, result.stderr
        return [name for name in ("in-inbox", "in-of-toml", "in-of-variable") if name in result.stdout]

    assert new() == ["in-inbox"]
    home.configure('[folders]\ninbox = "of-toml"\n')
    assert new() == ["in-of-toml"]
    assert new(JOBRUNNER_FOLDERS_INBOX="of-variable") == ["in-of-variable"]
    other = TestHome(tmp_path / "other")
    other.package("in-inbox")
    assert new(JOBRUNNER_HOME=str(other.path)) == ["in-of-toml"]  # --home is given, too


def test_a_variable_reaches_the_workers(home: TestHome) -> None:
    home.package("p")
    command = f"{os.environ.get('SHELL', '/bin/sh')} -c 'echo of the variable'"
    assert home.jobrunner("run", "--drain", environment={"JOBRUNNER_PROCESS_COMMAND": command}).returncode == 0
    assert (home.logs / "p" / "1.log").read_text() == "of the variable\n"
