"""`jobrunner check`: how differences and repairs are said."""

import json
import os
import re

import pytest

from jobrunner.cli import check
from jobrunner.domain.findings import REPAIRABLE, Kind
from tests.messages import complaint
from tests.support import TestHome


@pytest.fixture
def differing(home: TestHome) -> TestHome:
    """A home whose archive holds a package that nobody has recorded, and whose work folder something strange."""
    home.jobrunner("scan")
    home.package("old", folder=home.archive)
    (home.work / "notes.txt").touch()
    return home


def test_each_difference_is_said_with_its_place_and_what_to_do(differing: TestHome) -> None:
    result = differing.jobrunner("check")
    assert (result.returncode, result.stderr) == (1, "")
    differences, disk = result.stdout.rsplit("\n\n", 1)
    assert re.fullmatch(r"On the disk: database \S+ KiB, logs \S+ \w+, work \S+ \w+; \S+ \w+ free\.\n", disk)
    assert differences == (
        "2 differences between the database and the folders.\n"
        "\n"
        "In the archive, but not in the database: delivered again, it would be processed again\n"
        "  archive/old\n"
        "  → jobrunner check --repair records it as done\n"
        "\n"
        "Unknown files in work/\n"
        "  work/notes.txt\n"
        "  → move them away: jobrunner uses work/ alone"
    )


def test_a_repair_is_said_and_what_it_leaves_is_too(differing: TestHome) -> None:
    result = differing.jobrunner("check", "--repair")
    assert result.returncode == 1
    repaired, headline, *_ = result.stdout.splitlines()
    assert repaired == "archive/old  recorded as done"
    assert headline == "1 difference between the database and the folders."
    os.unlink(differing.work / "notes.txt")
    result = differing.jobrunner("check")
    assert (result.returncode, result.stdout.count("\n")) == (0, 2)
    assert result.stdout.startswith("All is well: the database and the folders agree on 1 job.\n")


def test_what_was_taken_out_of_the_archive_is_said_to_be_no_difference(differing: TestHome) -> None:
    differing.package("p")
    differing.jobrunner("run", "--drain")
    (differing.archive / "p").rename(differing.path / "elsewhere")
    *lines, _, _ = differing.jobrunner("check").stdout.splitlines()
    assert lines[-2:] == ["", "1 package done and taken out of the archive: no difference."]
    assert not any("1" in line for line in lines[:-1])


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ('command = ["nonesuch"]', "the program nonesuch is not found in PATH"),
        ('callable = "nonesuch:process"', "there is no module nonesuch in"),
        ("max_open_files = 1_000_000_000_000", "process.max_open_files"),
    ],
)
def test_whatever_would_stop_a_run_at_its_start_is_said(home: TestHome, handler: str, reason: str) -> None:
    home.configure(f"[process]\n{handler}\n")
    assert reason in complaint(home.jobrunner("run", "--drain"))
    result = home.jobrunner("check", "--repair")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines()[1] == "jobrunner run and work do not start"
    assert reason in result.stdout
    assert "All is well" not in result.stdout


def test_json_says_the_same(differing: TestHome) -> None:
    result = differing.jobrunner("check", "--repair", "--json")
    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert [(each["kind"], each["name"]) for each in document["repaired"]] == [("archived-without-job", "old")]
    assert document["differences"] == [
        {
            "kind": "unknown-in-work",
            "path": str(differing.work / "notes.txt"),
            "name": None,
            "what": "Unknown files in work/",
            "detail": "",
            "state": None,
            "repairable": False,
            "advice": "move them away: jobrunner uses work/ alone",
        }
    ]
    assert (document["jobs"], document["gone_from_archive"], document["rebuilt"]) == (1, 0, None)


def test_the_kinds_that_programs_compare_stay_what_they_are() -> None:
    assert {*Kind} == {
        "archived-not-done",
        "archived-without-job",
        "cannot-start",
        "copied-without-job",
        "database-damaged",
        "database-lost",
        "failed-without-job",
        "failed-without-package",
        "leftover-in-inbox",
        "leftover-in-work",
        "leftover-lock",
        "queued-without-package",
        "running-without-worker",
        "second-in-work",
        "unknown-in-work",
        "work-without-job",
        "work-without-name",
        "worker-dead",
    }


def test_json_has_the_state_of_a_job_that_a_difference_concerns(differing: TestHome) -> None:
    differing.package("p")
    differing.jobrunner("scan")
    differing.package("p", folder=differing.archive)
    document = json.loads(differing.jobrunner("check", "--json").stdout)
    states = {each["kind"]: each["state"] for each in document["differences"]}
    assert states == {"archived-without-job": None, "archived-not-done": "queued", "unknown-in-work": None}


def test_of_many_some_are_shown(home: TestHome) -> None:
    home.jobrunner("scan")
    for number in range(25):
        (home.work / f"note {number:02}").touch()
    *lines, _, _ = home.jobrunner("check").stdout.splitlines()
    assert lines[0].startswith("25 differences")
    assert lines.count("  … and 5 more: jobrunner check --json has all") == 1
    assert len(lines) == 25


def test_a_database_is_mended_or_rebuilt_but_not_both(home: TestHome) -> None:
    assert "--repair or --rebuild" in complaint(home.jobrunner("check", "--repair", "--rebuild"))


def test_there_are_words_for_every_kind_of_difference_and_repair() -> None:
    assert set(check._WORDS) == set(Kind)
    assert set(check._REPAIRED) == REPAIRABLE
