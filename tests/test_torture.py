"""A short part of the torture, and that the checker of the campaigns sees what it is there for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.campaign import contract
from tests.campaign.torture import Torture, lived_through
from tests.scripts import journal
from tests.support import TestHome


def test_killed_at_random_nothing_is_lost_done_twice_or_left_running(tmp_path: Path) -> None:
    figures = Torture(tmp_path, seed=4).run(4)
    assert figures.violations == []
    assert figures.packages["done"] > 0
    assert figures.blows.total() > 1


def test_a_job_is_late_only_by_the_time_that_one_supervisor_lived_through() -> None:
    looks = [(1.0, {8, 9}), (2.0, {8}), (3.0, set[int]()), (4.0, {9}), (6.0, {9})]
    assert lived_through(looks, 0, 7) == 2.0
    assert lived_through(looks, 0.5, 3.5) == 1.0
    assert lived_through(looks, 2.5, 5) == 0.0


@pytest.fixture
def checked(home: TestHome) -> tuple[TestHome, list[contract.Delivery], Path]:
    """A home in which each package ended as it should."""
    evidence = home.path.parent / "evidence"
    contract.prepare(home, evidence)
    deliveries = [contract.deliver(home, name, plan) for name, plan in (("p", "is quick"), ("q", "rejects"))]
    assert home.jobrunner("run", "--drain").returncode == 1
    assert contract.at_rest(home, deliveries, evidence) == []
    return home, deliveries, evidence


def execute(home: TestHome, sql: str) -> None:
    connection = apsw.Connection(str(home.path / "jobrunner.db"))
    connection.execute(sql)
    connection.close()


FAULTS: dict[str, tuple[Callable[[TestHome, Path], object], str]] = {
    "a file is not as it was sent": (lambda home, _: (home.archive / "p/id").write_bytes(b""), "differs in id"),
    "a member is missing": (lambda home, _: (home.archive / "p/folder/1.bin").unlink(), "differs in folder/1.bin"),
    "the package is in two places": (
        lambda home, _: shutil.copytree(home.archive / "p", home.inbox / "p"),
        "not just in archive",
    ),
    "the package is gone": (lambda home, _: shutil.rmtree(home.archive / "p"), "it lies in []"),
    "the row says another thing": (
        lambda home, _: execute(home, "UPDATE jobs SET state = 'queued', finished_at = NULL WHERE name = x'70'"),
        "it has not ended",
    ),
    "the error file says nothing": (lambda home, _: (home.failed / "q/error.txt").write_text(""), "its error file"),
    "something is left in work": (lambda home, _: (home.work / "1-1").mkdir(), "work/1-1 is left"),
    "a handler ran twice": (
        lambda _, evidence: _append(evidence, "start p 2 1 inf"),
        "handled already, and run again in attempt 2",
    ),
    "two handlers ran at once": (lambda _, evidence: _append(evidence, "overlap p 1 1 1.0"), "attempt 1: overlap"),
}


def _append(evidence: Path, line: str) -> None:
    with (evidence / "journal").open("a") as file:
        file.write(f"{line}\n")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_sees_each_fault(checked: tuple[TestHome, list[contract.Delivery], Path], fault: str) -> None:
    home, deliveries, evidence = checked
    breaks, words = FAULTS[fault]
    end = max(note.at for note in journal(evidence))
    breaks(home, evidence)
    found = contract.at_rest(home, deliveries, evidence, {"p": end})
    assert any(words in violation for violation in found), found
    assert bool(contract.whole(home, deliveries)) == (fault in {"the package is gone", "a file is not as it was sent"})
