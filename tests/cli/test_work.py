"""`jobrunner work`: what is queued is processed; nothing is scanned."""

import os
import re
import signal

import pytest

from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.support import TestHome, wait_until

GATED = "import os\nprint('begun', flush=True)\nopen('gate').read()\nprint('ended', flush=True)\n"


def test_draining_it_processes_what_is_queued_and_leaves_the_inbox_alone(home: TestHome) -> None:
    home.package("queued")
    home.jobrunner("scan")
    home.package("new")
    result = home.jobrunner("work", "-n", "2", "--drain")
    assert result.returncode == 0, result.stderr
    assert os.listdir(home.archive) == ["queued"]
    assert os.listdir(home.inbox) == ["new"]
    assert result.stdout == ""


def test_draining_nothing_ends_at_once(home: TestHome) -> None:
    assert home.jobrunner("work", "--drain").returncode == 0


def test_in_a_file_each_line_has_its_date_and_on_a_terminal_only_its_time(home: TestHome) -> None:
    home.package("in-a-file")
    *_, line, _ = home.jobrunner("run", "--drain").stderr.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  done       in-a-file  .*", line)
    home.package("on-a-terminal")
    shown = on_a_terminal(home, "run", "--drain", NO_COLOR="1")
    assert re.search(r"(?<![-0-9] )\d\d:\d\d:\d\d  done       on-a-terminal  ", shown)
    assert not re.search(r"\d{4}-\d\d-\d\d \d\d:", shown)


def test_what_is_tried_again_at_once_is_said_to_be_so(home: TestHome) -> None:
    home.handler("raise SystemExit(1)", retry='max_attempts = 2\nbackoff = "0s"')
    home.package("p")
    said = home.jobrunner("run", "--drain").stderr
    assert "; again now\n" in said
    assert "in 0.00 s" not in said


def test_draining_it_waits_for_what_waits(home: TestHome) -> None:
    source = "import os\nraise SystemExit(75 if os.environ['JOBRUNNER_ATTEMPT'] == '1' else 0)\n"
    home.handler(source, retry='backoff = "1s"\nmax_backoff = "1s"')
    home.package("p")
    home.jobrunner("scan")
    result = home.jobrunner("work", "--drain")
    assert result.returncode == 0
    assert home.counts()["done"] == 1
    assert "waiting" in result.stderr


def test_the_exit_status_counts_only_what_failed_in_this_run(home: TestHome) -> None:
    home.handler("raise SystemExit(65)")
    home.package("bad")
    home.jobrunner("scan")
    assert home.jobrunner("work", "--drain").returncode == 1
    assert home.jobrunner("work", "--drain").returncode == 0


@pytest.mark.parametrize(
    ("handler", "missing"),
    [('command = ["no-such-program"]', "no-such-program"), ('callable = "no_such_module:process"', "no_such_module")],
)
def test_a_handler_that_is_not_there_is_said_before_anything_is_claimed(
    home: TestHome, handler: str, missing: str
) -> None:
    home.configure(f"[process]\n{handler}\n")
    home.package("p")
    home.jobrunner("scan")
    assert missing in complaint(home.jobrunner("work", "--drain"))
    assert home.counts()["queued"] == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_it_lets_the_running_job_finish(home: TestHome, number: signal.Signals, code: int) -> None:
    home.handler(GATED)
    os.mkfifo(home.path / "gate")
    home.package("a")
    home.package("b")
    home.jobrunner("scan")
    process = home.start("work", "-n", "1")
    wait_until(lambda: (home.logs / "a" / "1.log").exists() or (home.logs / "b" / "1.log").exists())
    process.send_signal(number)
    assert process.stderr is not None
    wait_until(lambda: "may end within" in (process.stderr.readline() if process.stderr else ""))
    (home.path / "gate").write_text("go")
    process.communicate(timeout=10)
    assert process.returncode == code
    counts = home.counts()
    assert (counts["done"], counts["queued"], counts["failed"]) == (1, 1, 0)


def test_without_a_number_there_are_as_many_workers_as_the_settings_say(home: TestHome) -> None:
    assert "start      1 worker in" in home.jobrunner("work", "--drain").stderr
    home.configure("[work]\nworkers = 3\n")
    assert "start      3 workers in" in home.jobrunner("work", "--drain").stderr
    assert "start      2 workers in" in home.jobrunner("run", "-n", "2", "--drain").stderr


def test_many_workers_on_few_processors_are_warned_of_and_work(home: TestHome) -> None:
    processors = len(os.sched_getaffinity(0))
    result = home.jobrunner("work", "-n", str(8 * processors + 1), "--drain")
    assert result.returncode == 0
    assert "fewer may be faster" in result.stderr
    assert "fewer may be faster" not in home.jobrunner("work", "-n", "2", "--drain").stderr
