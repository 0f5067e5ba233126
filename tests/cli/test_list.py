"""`jobrunner list`: packages by filters, for people, for programs and for scripts."""

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.cli.test_main import on_a_terminal
from tests.messages import complaint
from tests.support import TestHome, clean_environment, wait_until

#: Ends as its package is named.
HANDLER = """\
import os
name = os.environ["JOBRUNNER_PACKAGE"]
raise SystemExit({"bad": 65, "later": 75}.get(name.split("-")[0], 0))
"""
LONG = "bad-2026_11_29_of_the_second_lab_042"
ODD = os.fsdecode(b"odd-\xb2\n")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHome]:
    """A home with packages in each state but running."""
    home = TestHome(tmp_path_factory.mktemp("list") / "home")
    home.handler(HANDLER, retry='backoff = "1h"')
    home.package("stopped")
    assert home.jobrunner("scan").returncode == 0
    assert home.jobrunner("cancel", "stopped").returncode == 0
    for name in ("scan-1", "scan-2", "数据", ODD, "bad-1", LONG, "later-1"):
        home.package(name)
    runner = home.start("run")
    wait_until(lambda: home.counts() == {"queued": 0, "waiting": 1, "running": 0, "done": 4, "failed": 3})
    runner.terminate()
    runner.communicate()
    home.package("new")
    assert home.jobrunner("scan").returncode == 0
    yield home
    home.end_all()


def listed(home: TestHome, *words: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = home.asked("list", "--json", *words)["jobs"]
    return jobs


def names(home: TestHome, *words: str) -> list[str]:
    result = home.jobrunner("list", "--names", *words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_the_json_has_each_job_with_its_state_and_when_it_reached_that(full: TestHome) -> None:
    jobs = {job["name"]: job for job in listed(full)}
    assert {name: (job["state"], job["verdict"], job["attempts"]) for name, job in jobs.items()} == {
        "new": ("queued", None, 0),
        "later-1": ("waiting", None, 1),
        "scan-1": ("done", None, 1),
        "scan-2": ("done", None, 1),
        "数据": ("done", None, 1),
        "odd-\\xb2\\n": ("done", None, 1),
        "bad-1": ("failed", "rejected", 1),
        LONG: ("failed", "rejected", 1),
        "stopped": ("failed", "cancelled", 1),
    }
    times = [datetime.fromisoformat(job["reached_at"]) for job in jobs.values()]
    assert times == sorted(times, reverse=True)
    assert "exit status 65" in jobs["bad-1"]["error"]
    wait = datetime.fromisoformat(jobs["later-1"]["not_before_at"]) - datetime.fromisoformat(
        jobs["later-1"]["reached_at"]
    )
    assert timedelta(minutes=20) < wait < timedelta(minutes=100)
    assert set(jobs["new"]) == {
        *(
            "name",
            "state",
            "verdict",
            "reached_at",
            "created_at",
            "not_before_at",
            "attempts",
            "progress",
            "node",
            "error",
        )
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--state", "queued"], ["new"]),
        (["--state", "waiting"], ["later-1"]),
        (["--state", "running"], []),
        (["--state", "failed"], ["bad-1", LONG, "stopped"]),
        (["--state", "cancelled", "--state", "queued"], ["new", "stopped"]),
        (["--name", "scan-*"], ["scan-1", "scan-2"]),
        (["--name", "*-1"], ["bad-1", "later-1", "scan-1"]),
        (["--name", "scan"], []),
        (["--name", ODD], [r"odd-\xb2\n"]),
        (["--error", "*exit status 65*"], ["bad-1", LONG]),
        (["--since", "2d", "--state", "done", "--limit", "2", "--sort", "name"], [r"odd-\xb2\n", "scan-1"]),
        (["--until", "2d"], []),
        (["--since", "2100-01-01"], []),
        (["--attempts", "1", "--name", "[nls]*"], ["later-1", "scan-1", "scan-2", "stopped"]),
        (["--attempts", "2"], []),
    ],
)
def test_filters_choose_packages(full: TestHome, words: list[str], found: list[str]) -> None:
    assert sorted(names(full, *words)) == sorted(found)


def test_an_order_is_chosen_and_turned_round(full: TestHome) -> None:
    by_name = names(full, "--sort", "name")
    assert by_name == sorted(by_name, key=str.encode)
    assert names(full, "--sort", "-name") == by_name[::-1]
    assert names(full, "--sort", "created", "--limit", "1") == ["new"]
    assert names(full, "--sort", "-created", "--limit", "1") == ["stopped"]
    assert names(full, "--sort", "-attempts", "--limit", "1") == ["new"]


def test_names_go_through_xargs_as_they_are(full: TestHome) -> None:
    result = full.jobrunner("list", "-0", "--name", "odd*")
    assert os.fsencode(result.stdout) == os.fsencode(ODD) + b"\0"
    program = " ".join(full.program)
    piped = f"{program} list -0 --state done | xargs -0 -n 1 {program} show --json --"
    shell = subprocess.run(
        ["sh", "-c", piped], cwd=full.path, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert shell.stdout.count('"state": "done"') == 4


def test_into_a_pipe_all_is_shown_in_full(full: TestHome) -> None:
    for columns in ("80", "200"):
        result = full.jobrunner("list", environment={"COLUMNS": columns, "LINES": "5"})
        assert (result.returncode, result.stderr) == (0, "")
        head, *lines = result.stdout.splitlines()
        assert head.split() == ["state", "since", "attempts", "package", "why"]
        assert len(lines) == 9
        where = head.index("why")
        (failed,) = (line for line in lines if LONG in line)
        assert re.fullmatch(rf"failed     \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  +1  {LONG}", failed[:where].rstrip())
        assert failed[where:] == "the handler rejected the data (exit status 65)"
        (waiting,) = (line for line in lines if "later-1" in line)
        assert waiting[where:].startswith("again in ")


def on_screen(home: TestHome, columns: int, rows: int, *words: str) -> list[str]:
    """Return the lines that a terminal of this size shows."""
    text = on_a_terminal(home, "list", *words, COLUMNS=str(columns), LINES=str(rows), NO_COLOR="1")
    return text.replace("\r", "").splitlines()


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_it_fits_and_no_name_is_cut(full: TestHome, columns: int) -> None:
    lines = on_screen(full, columns, 24)
    assert all(len(line) <= columns for line in lines)
    text = "\n".join(lines)
    for name in ("scan-1", "数据", r"odd-\xb2\n", "bad-1", LONG, "later-1", "stopped", "new"):
        assert f"  {name}" in text
    assert len(lines) == (11 if columns == 80 else 10)
    why = "the handler rejected the data (exit status 65)"
    assert why[:40] in text
    assert (f"\n{' ' * 25}" in text) is (columns == 80)


def test_on_a_terminal_what_has_no_room_is_counted(full: TestHome) -> None:
    lines = on_screen(full, 80, 13)
    assert len(lines) == 11
    assert lines[-1].startswith("… and 1 more: ")
    assert "stopped" not in "\n".join(lines)
    lines = on_screen(full, 80, 14, "--state", "done", "--limit", "3")
    assert [line.split()[0] for line in lines] == ["state", "done", "done", "done", "…"]
    assert lines[-1].startswith("… and 1 more: ")
    assert len(on_screen(full, 80, 14, "--state", "done", "--limit", "4")) == 5


def test_colour_is_on_a_terminal_only(full: TestHome) -> None:
    assert "\x1b[31mfailed" in on_a_terminal(full, "list")
    assert "\x1b" not in on_a_terminal(full, "list", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(full, "list", TERM="dumb")


def test_where_nothing_fits_it_says_so_to_people_only(full: TestHome) -> None:
    result = full.jobrunner("list", "--name", "nothing-*")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "No package fits.\n")
    assert listed(full, "--name", "nothing-*") == []
    for words in (["--names"], ["-0"]):
        result = full.jobrunner("list", "--name", "nothing-*", *words)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state", "gone"], "queued"),
        (["--since", "tomorrow"], "--since"),
        (["--until", "x"], "--until"),
        (["--since", "1d", "--until", "2d"], "nothing lies between"),
        (["--sort", "size"], "--sort is 'size'"),
        (["--attempts", "0"], "--attempts"),
        (["--limit", "-1"], "--limit"),
    ],
)
def test_what_is_no_filter_is_refused_in_one_line(full: TestHome, words: list[str], said: str) -> None:
    assert said in complaint(full.jobrunner("list", *words))


def test_a_home_without_packages_has_an_empty_list(home: TestHome) -> None:
    assert home.jobrunner("list").stderr == "No package fits.\n"
    assert home.asked("list", "--json") == {"jobs": []}
