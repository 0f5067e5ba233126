"""`jobrunner prune`: the history of what was done long ago is removed; names, packages and totals stay."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import apsw
import pytest

from tests.messages import complaint, tree
from tests.support import TestHome, kill, processes_of, wait_until

#: What it does at each attempt stands in the package's name; beyond the last word it succeeds.
HANDLER = """
import os, signal
words = os.environ["JOBRUNNER_PACKAGE"].split("-")
word = dict(enumerate(words, start=1)).get(int(os.environ["JOBRUNNER_ATTEMPT"]))
print(word, flush=True)
if word == "kills":
    with open(f"/proc/{os.getppid()}/stat") as stat:
        os.kill(int(stat.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
while word in {"kills", "waits"}:
    signal.pause()
raise SystemExit({"fails": 1, "later": 75, "rejects": 65}.get(word, 0))
"""
DONE = {"fine": 1, "fails-later": 3, "kills": 2, "waits": 2}
FAILED = {"rejects": 1, "waits-waits": 3}


def rows(home: TestHome, sql: str) -> list[tuple[Any, ...]]:
    with closing(apsw.Connection(str(home.path / "jobrunner.db"))) as connection:
        return list(connection.execute(sql))


def totals(home: TestHome) -> dict[str, tuple[int, int]]:
    """How many attempts ended how, and how many jobs by them."""
    found = rows(home, "SELECT outcome, sum(attempts), sum(jobs) FROM outcome_totals GROUP BY outcome")
    return {outcome: (attempts, jobs) for outcome, attempts, jobs in found}


def durations(home: TestHome) -> dict[str, int]:
    return dict(rows(home, "SELECT step, sum(count) FROM duration_totals GROUP BY step"))


def logs(home: TestHome) -> list[str]:
    return sorted(str(path.relative_to(home.logs)) for path in home.logs.glob("*/*"))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHome]:
    """A home in which attempts have ended in nearly each way there is."""
    home = TestHome(tmp_path_factory.mktemp("prune") / "home")
    home.handler(HANDLER, retry='backoff = "0.01s"')
    for name in ("fine", "fails-later", "kills", "rejects"):
        home.package(name)
    run = home.start("run", "-n", "2")
    wait_until(lambda: (home.counts()["done"], home.counts()["failed"]) == (3, 1))
    home.package("waits")
    home.package("waits-waits")
    wait_until(lambda: {"waits/1.log", "waits-waits/1.log"} <= set(logs(home)))
    kill(run.pid)
    wait_until(lambda: not processes_of(home))
    run = home.start("run", "-n", "2")
    wait_until(lambda: home.counts()["done"] == 4 and "waits-waits/2.log" in logs(home))
    assert home.jobrunner("cancel", "waits-waits").returncode == 0
    run.terminate()
    run.wait()
    yield home
    home.end_all()


def test_each_attempt_is_counted_by_how_it_ended(ended: TestHome) -> None:
    wanted = {
        "done": (4, 4),
        "failed": (1, 0),
        "later": (1, 0),
        "crashed": (1, 0),
        "rejected": (1, 1),
        "interrupted": (2, 0),
        "cancelled": (2, 1),
    }
    assert totals(ended) == wanted
    # of a handler that is killed with its worker nobody knows how long it ran
    assert durations(ended) == {"extract": 7, "handle": 7, "archive": 4, "whole": 4}


def test_a_dry_run_says_how_much_and_changes_nothing(ended: TestHome) -> None:
    before, history = tree(ended.logs), rows(ended, "SELECT * FROM attempts")
    said = ended.jobrunner("prune", "--older-than", "0s", "--dry-run")
    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"8 attempts and 8 logs \(\S+ \w+\) of 4 packages would be removed\.\n", said.stdout)
    assert (tree(ended.logs), rows(ended, "SELECT * FROM attempts")) == (before, history)


def test_what_is_not_old_enough_stays(ended: TestHome) -> None:
    said = ended.jobrunner("prune", "--older-than", "1h")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "Nothing to prune: no package that has been done for 1 h has attempts or logs.\n"


@pytest.fixture(scope="module")
def pruned(ended: TestHome) -> TestHome:
    """The same home; all that was done is old."""
    kept = totals(ended), durations(ended), tree(ended.archive), tree(ended.failed)
    said = ended.jobrunner("prune", "--older-than", "0s")
    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"8 attempts and 8 logs \(\S+ \w+\) of 4 packages are removed\.\n", said.stdout)
    assert (totals(ended), durations(ended), tree(ended.archive), tree(ended.failed)) == kept
    return ended


def test_only_what_is_done_loses_its_history(pruned: TestHome) -> None:
    for name, attempts in DONE.items():
        shown = pruned.show(name)
        assert (shown["state"], shown["attempts"], shown["attempts_pruned_at"] is None) == ("done", [], False)
        assert not (pruned.logs / name).exists()
        assert rows(pruned, f"SELECT attempt FROM jobs WHERE name = CAST('{name}' AS BLOB)") == [(attempts,)]
    for name, attempts in FAILED.items():
        shown = pruned.show(name)
        assert (shown["state"], len(shown["attempts"]), shown["attempts_pruned_at"]) == ("failed", attempts, None)
        assert (pruned.logs / name / "1.log").exists()


def test_the_other_commands_say_what_is_gone(pruned: TestHome) -> None:
    show = pruned.jobrunner("show", "fails-later")
    assert "\nlogs       pruned at 20" in show.stdout
    assert "\nattempts   3 pruned at 20" in show.stdout
    assert "the logs of fine were pruned at 20" in complaint_of_logs(pruned, "fine")
    assert "Its attempts were pruned at 20" in pruned.jobrunner("explain", "fine").stdout
    assert pruned.asked("explain", "fine", "--json")["attempts"] == 1
    listed = pruned.asked("list", "--json", "--attempts", "2", "--state", "done")["jobs"]
    assert {job["name"]: job["attempts"] for job in listed} == {"fails-later": 3, "kills": 2, "waits": 2}
    assert json.loads(pruned.jobrunner("check", "--json").stdout)["differences"] == []


def complaint_of_logs(home: TestHome, name: str) -> str:
    said = home.jobrunner("logs", name)
    assert (said.returncode, said.stdout) == (0, "")
    return said.stderr


def test_a_pruned_name_is_still_known(pruned: TestHome) -> None:
    pruned.package("fine")
    assert pruned.jobrunner("scan").returncode == 0
    assert [each["name"] for each in pruned.status()["duplicates"]] == ["fine"]


def test_once_more_there_is_nothing_to_do(pruned: TestHome) -> None:
    assert pruned.jobrunner("prune", "--older-than", "0s").stdout.startswith("Nothing to prune: ")


def test_an_age_needs_its_unit(ended: TestHome) -> None:
    said = complaint(ended.jobrunner("prune", "--older-than", "30"))
    assert said == 'jobrunner: --older-than is \'30\', but must be a duration with its unit, such as "30d" or "12h"'


def test_what_cannot_be_removed_is_said_and_the_others_are(home: TestHome) -> None:
    home.handler("print('one line')")
    for name in ("a", "b"):
        home.package(name)
    assert home.jobrunner("run", "--drain").returncode == 0
    (home.logs / "a" / "1.log").unlink()
    (home.logs / "a" / "1.log").mkdir()
    said = home.jobrunner("prune", "--older-than", "0s")
    assert said.returncode == 1
    assert said.stdout.startswith("1 attempt and 1 log (")
    assert said.stderr == "jobrunner: not all can be removed: logs/a: Is a directory: 1.log\n"
    assert (len(home.show("a")["attempts"]), os.listdir(home.logs)) == (1, ["a"])


def test_what_the_settings_say_is_old_goes_by_itself(home: TestHome) -> None:
    home.handler("print('one line')", retry='[retention]\nlogs = "0s"')
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    home.start("work")
    wait_until(lambda: not (home.logs / "p").exists())
    wait_until(lambda: home.show("p")["logs_pruned_at"])
    assert len(home.show("p")["attempts"]) == 1
