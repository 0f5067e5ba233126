"""`jobrunner check`: how differences and repairs are said."""

import json
import os

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
    assert result.stdout == (
        "2 differences between the database and the folders.\n"
        "\n"
        "In the archive, but not in the database: delivered again, it would be processed again\n"
        "  archive/old\n"
        "  → jobrunner check --repair records it as done\n"
        "\n"
        "In work/, but not of jobrunner's making\n"
        "  work/notes.txt\n"
        "  → move it away: work/ is jobrunner's own\n"
    )


def test_a_repair_is_said_and_what_it_leaves_is_too(differing: TestHome) -> None:
    result = differing.jobrunner("check", "--repair")
    assert result.returncode == 1
    repaired, headline, *_ = result.stdout.splitlines()
    assert repaired == "archive/old  recorded as done"
    assert headline == "1 difference between the database and the folders."
    os.unlink(differing.work / "notes.txt")
    result = differing.jobrunner("check")
    assert (result.returncode, result.stdout) == (0, "All is well: the database and the folders agree on 1 job.\n")


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ('command = ["nonesuch"]', "the program nonesuch is not found, or not executable"),
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
    assert [(each["kind"], each["name"]) for each in document["repaired"]] == [("unknown in archive", "old")]
    assert document["differences"] == [
        {
            "kind": "strange in work",
            "path": str(differing.work / "notes.txt"),
            "name": None,
            "what": "In work/, but not of jobrunner's making",
            "detail": "",
            "repairable": False,
            "advice": "move it away: work/ is jobrunner's own",
        }
    ]
    assert (document["jobs"], document["gone_from_archive"], document["rebuilt"]) == (1, 0, None)


def test_of_many_some_are_shown(home: TestHome) -> None:
    home.jobrunner("scan")
    for number in range(25):
        (home.work / f"note {number:02}").touch()
    lines = home.jobrunner("check").stdout.splitlines()
    assert lines[0].startswith("25 differences")
    assert lines.count("  … and 5 more: jobrunner check --json has all") == 1
    assert len(lines) == 25


def test_a_database_is_mended_or_rebuilt_but_not_both(home: TestHome) -> None:
    assert "--repair or --rebuild" in complaint(home.jobrunner("check", "--repair", "--rebuild"))


def test_there_are_words_for_every_kind_of_difference_and_repair() -> None:
    assert set(check._WORDS) == set(Kind)
    assert set(check._REPAIRED) == REPAIRABLE
