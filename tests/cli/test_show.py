"""`jobrunner show`: the story of one job."""

import json
import os
import zipfile

import pytest

from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.scripts import PRELUDE
from tests.support import BROKEN_ZIP, TestHome, wait_until

FAILS_FIRST = """\
import os
print("attempt", os.environ["JOBRUNNER_ATTEMPT"])
raise SystemExit(os.environ["JOBRUNNER_ATTEMPT"] == "1")
"""


def test_a_job_done_at_its_second_attempt(home: TestHome) -> None:
    home.handler(FAILS_FIRST)
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    story = home.show("p")
    assert (story["name"], story["state"], story["error"]) == ("p", "done", None)
    assert story["package_path"] == str(home.archive / "p")
    assert story["created_at"] < story["finished_at"]
    first, second = story["attempts"]
    assert (first["number"], first["outcome"], second["number"], second["outcome"]) == (1, "failed", 2, "done")
    assert "exit status 1" in first["error"]
    assert second["error"] is None
    assert first["started_at"] < first["ended_at"] < second["started_at"] < second["ended_at"]
    assert all(second[f"{step}_seconds"] >= 0 for step in ("extract", "handle", "archive"))
    assert first["archive_seconds"] is None
    for attempt in (first, second):
        with open(attempt["log_path"], encoding="utf-8") as log:
            assert log.read() == f"attempt {attempt['number']}\n"
    result = home.jobrunner("show", "p")
    assert (result.returncode, result.stderr) == (0, "")
    assert str(home.archive / "p") in result.stdout
    assert "exit status 1" in result.stdout
    assert "jobrunner logs" in result.stdout or str(home.logs / "p") in result.stdout, "where are the logs?"


def test_a_job_that_no_worker_has_touched_yet(home: TestHome) -> None:
    home.package("p")
    home.jobrunner("scan")
    story = home.show("p")
    assert (story["state"], story["attempts"]) == ("queued", [])
    assert story["package_path"] == str(home.inbox / "p")
    text = home.jobrunner("show", "p").stdout
    assert "queued" in text
    assert str(home.inbox / "p") in text


def facts(home: TestHome, name: str) -> dict[str, str]:
    """Return what `show` says of a job, by its labels."""
    told, _, _ = home.jobrunner("show", name).stdout.partition("\n\n")
    return {line[:10].strip(): line[10:].strip() for line in told.splitlines()}


def test_where_a_job_stands_is_said_in_the_words_of_status(home: TestHome) -> None:
    home.handler("raise SystemExit(75)", retry='backoff = "1h"')
    home.package("p")
    runner = home.start("run")
    wait_until(lambda: home.counts()["waiting"])
    told = facts(home, "p")
    assert told["state"] == "waiting"
    assert "next try" in told
    assert "exit status 75" in told["last error"]
    runner.terminate()
    runner.wait()
    home.jobrunner("cancel", "p")
    told = facts(home, "p")
    assert (told["state"], told["error"]) == ("cancelled", "cancelled")
    home.jobrunner("retry", "p")
    assert facts(home, "p")["state"] == "queued"


def test_the_error_of_the_attempt_before_is_not_that_of_a_running_one(home: TestHome) -> None:
    home.handler(
        "import os, sys\nif os.environ['JOBRUNNER_ATTEMPT'] == '1': sys.exit(75)\nopen('gate').read()",
        retry='backoff = "0s"',
    )
    os.mkfifo(home.path / "gate")
    home.package("p")
    home.jobrunner("scan")
    home.start("work")
    wait_until(lambda: home.show("p")["attempts"][1:])
    told = facts(home, "p")
    assert told["state"] == "running"
    assert "error" not in told
    (home.path / "gate").write_text("go")


def test_a_failed_job_says_why_and_where(home: TestHome) -> None:
    home.package("p", beside={"p.zip": BROKEN_ZIP})
    home.jobrunner("run", "--drain")
    story = home.show("p")
    assert (story["state"], story["package_path"]) == ("failed", str(home.failed / "p"))
    reason = story["error"]
    assert (home.failed / "p" / "error.txt").read_text() == reason + "\n"
    text = home.jobrunner("show", "p").stdout
    assert reason in text
    assert str(home.failed / "p") in text


def test_a_package_that_was_taken_out_of_the_archive_is_said_to_be_nowhere(home: TestHome) -> None:
    home.package("p")
    home.jobrunner("run", "--drain")
    (home.archive / "p").rename(home.path / "elsewhere")
    assert home.show("p")["package_path"] is None
    assert "removed" in home.jobrunner("show", "p").stdout


def test_an_unknown_name_is_one_plain_line(home: TestHome) -> None:
    assert "unheard-of" in complaint(home.jobrunner("show", "unheard-of"), code=1)
    assert "unheard-of" in complaint(home.jobrunner("show", "unheard-of", "--json"), code=1)


def test_a_name_that_looks_like_an_escape_and_is_none_is_one_plain_line(home: TestHome) -> None:
    for name in (r"\Uffffffff", r"\ud800", r"\x00", "\\"):
        complaint(home.jobrunner("show", name), code=1)


def test_the_json_is_one_document_and_nothing_else(home: TestHome) -> None:
    home.package("p")
    home.jobrunner("scan")
    result = home.jobrunner("show", "p", "--json")
    assert result.stderr == ""
    assert json.loads(result.stdout)["name"] == "p"


def test_what_lies_in_the_inbox_unscanned_is_said_to_be_so(home: TestHome) -> None:
    home.package("p")
    said = complaint(home.jobrunner("show", "p"), code=1)
    assert "p" in said
    assert os.listdir(home.inbox) == ["p"]


def test_each_attempt_says_how_long_the_job_had_waited_and_which_process_made_it(home: TestHome) -> None:
    home.handler(PRELUDE + "note('start'); sys.exit(ATTEMPT < 3)", retry='backoff = "0.3s"\nmax_attempts = 2')
    home.package("p")
    supervisor = home.start("run", "--drain")
    assert supervisor.wait(60) == 1
    home.jobrunner("retry", "p")
    assert home.jobrunner("run", "--drain").returncode == 0
    story = home.show("p")
    first, second, third = story["attempts"]
    assert 0 <= first["waited_seconds"] < 60
    assert 0.3 <= second["waited_seconds"] < 60
    assert third["waited_seconds"] is None, "when it was queued again is not known"
    assert first["worker_pid"] == second["worker_pid"] != third["worker_pid"]
    text = home.jobrunner("show", "p").stdout
    assert all(f"{attempt['worker_pid']}  " in text for attempt in (first, third))
    assert "waited" in text


def test_a_reason_that_is_long_leaves_the_table_as_it_is(home: TestHome) -> None:
    home.handler(PRELUDE + "sys.exit(f'{ATTEMPT} ' + 'x y ' * 200)", retry='backoff = "0s"\nmax_attempts = 2')
    home.package("p")
    home.jobrunner("run", "--drain")
    lines = on_a_terminal(home, "show", "p", COLUMNS="80", NO_COLOR="1").splitlines()
    assert max(len(line) for line in lines if str(home.path) not in line) <= 80
    assert sum("x y" in line for line in lines) == 8 + 3, "all of the newest, the beginning of the other"
    attempts = lines[lines.index("Attempts") + 1 :]
    assert attempts[0].startswith("#  waited")
    assert [line[:3] for line in attempts if line[0].isdigit()] == ["1  ", "2  "]
    lines = on_a_terminal(home, "status", COLUMNS="80", NO_COLOR="1").splitlines()
    assert sum("x y" in line for line in lines) <= 3
    assert max(map(len, lines)) <= 80
    for words in ("show", "p"), ("status",):
        assert "x y " * 124 + "x…" in home.jobrunner(*words).stdout, "into a pipe, all of it"


def test_with_log_the_last_lines_of_the_newest_attempt_are_below(home: TestHome) -> None:
    source = r"print(*(f'{ATTEMPT} line {n}' for n in range(100)), 'a\x1b[31mb\x1b[0m\tc\a', sep='\n'); sys.exit(1)"
    home.handler(PRELUDE + source, retry='backoff = "0s"\nmax_attempts = 2')
    home.package("p")
    home.jobrunner("run", "--drain")
    expected = [*(f"2 line {n}" for n in range(91, 100)), "ab\tc\a"]
    assert home.asked("show", "--json", "--log", "p")["last_lines"] == expected
    printed = home.jobrunner("show", "--log", "p").stdout.splitlines()
    assert printed[-10:] == [*expected[:-1], r"ab      c\x07"]
    assert "1 line" not in "\n".join(printed)
    assert "last_lines" not in home.asked("show", "--json", "p")


def test_with_log_what_printed_nothing_or_never_ran_is_said_so(home: TestHome) -> None:
    home.handler("")
    home.package("p")
    home.jobrunner("scan")
    assert home.jobrunner("show", "--log", "p").stdout.endswith("\nNothing was printed.\n")
    home.jobrunner("run", "--drain")
    assert home.jobrunner("show", "--log", "p").stdout.endswith("\nNothing was printed.\n")


@pytest.mark.parametrize(("setting", "is_said"), [("auto", True), ("gb18030", False)])
def test_an_encoding_that_was_guessed_is_said_with_what_sets_it(home: TestHome, setting: str, is_said: bool) -> None:
    home.configure(f'[extract]\nencoding = "{setting}"\n')
    package = home.package("p", {"??????.txt": "x"})
    raw = (package / "p.zip").read_bytes().replace(b"??????", "测试数".encode("gb18030"))
    (package / "p.zip").write_bytes(raw)
    assert zipfile.is_zipfile(package / "p.zip")
    home.jobrunner("run", "--drain")
    assert (home.archive / "p" / "测试数.txt").exists()
    said = (
        "taken to be gb18030, which is a guess: extract.encoding in jobrunner.toml"
        in home.jobrunner("show", "p").stdout
    )
    assert said == is_said
