"""`jobrunner` alone: what to do next in this folder."""

import re
import subprocess
from contextlib import closing
from pathlib import Path

from jobrunner.wiring.steering import pausing
from tests import warm
from tests.messages import complaint, tree
from tests.support import TestHome, clean_environment, wait_until


def alone(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return warm.run(warm.JOBRUNNER, [], environment=clean_environment() | environment, folder=folder)


def advice(folder: Path, **environment: str) -> tuple[str, list[str]]:
    """Return the first line, and the commands that are named; the folder stays as it was."""
    before = tree(folder)
    result = alone(folder, **environment)
    assert (result.returncode, result.stderr) == (0, "")
    headline, *lines, last = result.stdout.splitlines()
    assert last == "jobrunner --help lists all commands; jobrunner COMMAND --help has examples."
    assert [path for path in tree(folder) if path not in before] == []
    return headline, re.findall(r"^    (jobrunner .*)$", "\n".join(lines), re.MULTILINE)


def test_a_folder_that_is_no_home_can_become_one(tmp_path: Path) -> None:
    headline, commands = advice(tmp_path)
    assert headline == f"{tmp_path} is no jobrunner home: it has no jobrunner.toml, database or inbox."
    assert commands == ["jobrunner init", "jobrunner demo"]


def test_a_new_home_wants_somebody_who_works(home: TestHome) -> None:
    headline, commands = advice(home.path)
    assert headline == f"Nothing is running in {home.path}: no packages yet."
    assert commands == ["jobrunner run -n 3", "jobrunner config"]


def test_what_failed_and_what_waits_is_said(home: TestHome, tmp_path: Path) -> None:
    home.handler("raise SystemExit(65)")
    home.package("bad")
    home.jobrunner("run", "--drain")
    home.package("next")
    home.jobrunner("scan")
    headline, commands = advice(tmp_path, JOBRUNNER_HOME=str(home.path))
    assert headline == f"Nothing is running in {home.path}: 1 queued, 1 failed."
    assert commands == [
        "jobrunner run -n 3",
        "jobrunner status",
        "jobrunner list --state failed",
        "jobrunner retry --all",
    ]


def test_where_somebody_works_it_can_be_watched(home: TestHome) -> None:
    home.package("p")
    home.start("run", "-n", "2")
    wait_until(lambda: home.counts()["done"] == 1 and home.status()["runners"][0]["alive"] == 2)
    headline, commands = advice(home.path)
    assert headline == f"2 workers work in {home.path}: 1 done."
    assert commands == ["jobrunner status --watch"]


def test_a_pause_and_an_inbox_that_nobody_looks_into_are_said(home: TestHome) -> None:
    opened = home.open()
    with closing(opened.store):
        pausing(opened).pause(None, None)
    home.start("work")
    wait_until(lambda: [runner["alive"] for runner in home.status()["runners"]] == [1])
    headline, commands = advice(home.path)
    assert headline == f"1 worker works in {home.path}: no packages yet."
    assert commands == ["jobrunner resume", "jobrunner scan --watch", "jobrunner config"]


def test_a_home_that_is_broken_is_one_plain_line(home: TestHome) -> None:
    home.configure("nonsense [")
    assert "not valid TOML" in complaint(alone(home.path))
    home.configure("")
    (home.path / "jobrunner.db").write_text("no database" * 1000)
    assert "damaged" in complaint(alone(home.path), code=1)
