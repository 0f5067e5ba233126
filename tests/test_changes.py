"""What people change is recorded with what it changes: when, who, by which command."""

import getpass

import apsw
import pytest

from tests.support import TestHome, wait_until

FAILS = "import sys\nsys.exit('no sensor')\n"


def changes(home: TestHome, name: str) -> list[tuple[str, str]]:
    return [(each["action"], each["who"]) for each in home.show(name)["changes"]]


def test_each_command_that_steers_a_package_is_told_by_show(home: TestHome) -> None:
    me = getpass.getuser()
    home.handler(FAILS, retry="max_attempts = 1")
    home.package("one")
    home.jobrunner("run", "--drain")
    assert changes(home, "one") == []
    for words in (["retry", "one"], ["front", "one"], ["cancel", "one"], ["retry", "--error", "*cancelled*"]):
        home.jobrunner(*words)
    home.jobrunner("retry", "--state", "cancelled")
    home.configure("")
    home.jobrunner("run", "--drain")
    home.jobrunner("rerun", "one")
    assert changes(home, "one") == [("retry", me), ("cancel", me), ("front", me), ("retry", me)]
    assert changes(home, "one~2") == [("rerun", me)]
    home.package("one")
    home.jobrunner("run", "--drain")
    home.jobrunner("accept", "one")
    assert changes(home, "one~3") == [("accept", me)]
    assert f"changed    rerun by {me}, 20" in home.jobrunner("show", "one~2").stdout


def test_a_running_one_that_is_cancelled_is_told_so(home: TestHome) -> None:
    home.handler("import time\ntime.sleep(600)\n")
    home.package("one")
    home.start("run", "-n", "1")
    wait_until(lambda: (home.path / "jobrunner.db").exists() and home.status()["running"])
    assert home.jobrunner("cancel", "one").returncode == 0
    assert changes(home, "one") == [("cancel", getpass.getuser())]


@pytest.mark.parametrize("words", [["retry", "one"], ["front", "one"], ["rerun", "one"], ["cancel", "one"]])
def test_what_is_refused_is_no_change(home: TestHome, words: list[str]) -> None:
    home.handler(FAILS if words[0] != "retry" else "", retry="max_attempts = 1")
    home.package("one")
    home.jobrunner("run", "--drain")
    assert home.jobrunner(*words).returncode == 1
    assert changes(home, "one") == []
    assert apsw.Connection(str(home.path / "jobrunner.db")).execute("SELECT count(*) FROM changes").get == 0


def test_prune_forgets_who_changed_what_was_done_long_ago(home: TestHome) -> None:
    home.package("one")
    home.jobrunner("scan")
    home.jobrunner("front", "one")
    home.jobrunner("run", "--drain")
    assert len(changes(home, "one")) == 1
    home.jobrunner("prune", "--older-than", "0s")
    assert changes(home, "one") == []
