"""`jobrunner demo`: a home with sample packages that works, with one failure to look at."""

import json
import os
from pathlib import Path

from tests.messages import complaint, met_a_bug, tree
from tests.support import TestHome


def test_the_demo_runs_and_shows_one_failure_and_its_home_can_be_asked(home: TestHome, tmp_path: Path) -> None:
    made = TestHome(tmp_path / "demo")
    os.rmdir(made.inbox)
    result = home.jobrunner("demo", str(made.path))
    assert result.returncode == 0, result.stderr
    assert not met_a_bug(result.stderr)
    assert str(made.path) in result.stdout
    counts = made.counts()
    assert counts["done"] == len(os.listdir(made.archive)) > 10
    assert (counts["failed"], counts["queued"], counts["running"]) == (1, 0, 0)
    assert json.loads((made.archive / "station-01" / "summary.json").read_text())["readings"] > 0
    assert (made.failed / "station-37" / "error.txt").read_text().strip()
    assert [delivery["name"] for delivery in made.status()["incomplete"]] == ["station-38-downloading"]
    named = [word for word in result.stdout.split() if word.startswith(str(made.path))]
    assert named
    assert all(os.path.exists(path) for path in named), named
    commands = [line for line in result.stdout.splitlines() if "--home" in line]
    assert commands == [f"  jobrunner --home {made.path} show station-01"]


def test_without_a_folder_it_makes_a_temporary_one_and_says_where(home: TestHome, tmp_path: Path) -> None:
    result = home.jobrunner("demo", environment={"TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    (made,) = tmp_path.glob("jobrunner-demo-*")
    assert str(made / "archive" / "station-01") in result.stdout


def test_a_folder_that_is_not_empty_is_left_alone(home: TestHome, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert "not empty" in complaint(home.jobrunner("demo", str(tmp_path / "mine")))
    assert tree(tmp_path / "mine") == {"notes.txt": b"mine"}


def test_a_file_in_the_place_of_the_folder_is_one_plain_line(home: TestHome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "file" in complaint(home.jobrunner("demo", str(tmp_path / "file")))
