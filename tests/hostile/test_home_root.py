"""Root in somebody's home: it becomes that user, so that its rights are nobody's to use."""

import os
from pathlib import Path

import pytest

from tests.messages import complaint, met_a_bug, tree
from tests.support import TestHome
from tests.test_bugs import run as meeting
from tests.users import ROOT, User, UsersHome

OWNER, OTHER = User(23101), User(23102)


@pytest.fixture
def home(public_path: Path, python: list[str]) -> UsersHome:
    """A home of a user who lays traps for root in it: links to a folder that only root can write to."""
    roots = public_path / "roots"
    roots.mkdir(mode=0o755)
    (roots / "secret").write_text("root's")
    (roots / "secret").chmod(0o600)
    made = UsersHome(public_path / "home", ROOT, python)
    made.handler("print('hello')")
    made.package("p")
    OWNER.owns(made.path, 0o755)
    return made


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in [folder, *folder.rglob("*")]}


COMMANDS = [["status"], ["show", "p"], ["logs", "p"], ["scan"], ["check", "--repair"], ["retry", "--all"]]
COMMANDS += [["cancel", "p"], ["check", "--json"], ["status", "--json"], ["show", "--json", "p"], ["metrics"]]


def test_nothing_is_made_as_root_by_any_command(home: UsersHome) -> None:
    tab = ["completion", "zsh", "--answer", "--", "--home", str(home.path)]
    for command in [
        *COMMANDS,
        [*tab, "show", ""],
        [*tab, "accept", ""],
        ["init", str(home.path)],
        ["init", str(home.path / "new" / "one")],
    ]:
        result = home.jobrunner(*command)
        assert not met_a_bug(result.stderr), result.stderr
        assert result.returncode in {0, 1}, result.stderr
    assert owners(home.path) == {OWNER.uid}
    assert home.asked("status", "--json")["counts"]["failed"] == 1


@pytest.mark.parametrize("name", ["jobrunner.db-next", "jobrunner.db-writer", "work", "logs", "jobrunner.db"])
@pytest.mark.parametrize("command", [["scan"], ["status"]], ids=" ".join)
def test_no_link_is_followed_as_root(home: UsersHome, name: str, command: list[str]) -> None:
    """On the code before, root makes jobrunner.db-next where the link leads, for everybody to write to."""
    roots = home.path.parent / "roots"
    before = tree(roots)
    (home.path / name).symlink_to(roots / "made")
    home.jobrunner(*command)
    assert tree(roots) == before


def test_settings_that_only_root_can_read_are_not_read(home: UsersHome) -> None:
    (home.path / "jobrunner.toml").unlink()
    (home.path / "jobrunner.toml").symlink_to(home.path.parent / "roots" / "secret")
    said = complaint(home.jobrunner("status"))
    assert "Permission denied" in said
    assert "root's" not in said


def test_a_way_to_the_home_that_others_make_is_gone_as_they(home: UsersHome) -> None:
    roots = home.path.parent / "roots"
    link = home.path / "link"
    link.symlink_to(roots)
    before = tree(roots)
    assert "Permission denied" in complaint(home.jobrunner("init", str(link / "new")))
    assert tree(roots) == before


@pytest.mark.parametrize("command", [["run", "--drain"], ["work"], ["demo"]], ids=lambda words: words[0])
def test_what_works_has_to_be_started_by_its_user(home: UsersHome, command: list[str]) -> None:
    before = tree(home.path)
    folder = [str(home.path / "new")] if command == ["demo"] else []
    said = complaint(home.jobrunner(*command, *folder))
    assert f"this home is user {OWNER.uid}'s" in said
    assert f"sudo -u '#{OWNER.uid}' jobrunner " in said
    assert tree(home.path) == before


def test_root_in_its_own_home_goes_on_as_root(home: UsersHome) -> None:
    roots = TestHome(home.path.parent / "roots" / "home")
    roots.package("p")
    assert roots.jobrunner("run", "--drain").returncode == 0
    assert owners(roots.path) == {os.geteuid()} == {0}


def test_a_bug_that_root_meets_is_reported_as_the_homes_user(home: TestHome) -> None:
    result = meeting(home.path, "bug('jobrunner.services.report:Report.status')", "status")
    said = complaint(result, 70)
    (report,) = home.path.glob("jobrunner-bug-*")
    assert str(report) in said
    assert (report.stat().st_uid, report.stat().st_mode & 0o777) == (OWNER.uid, 0o600)
    assert owners(home.path) == {OWNER.uid}


def test_a_bug_that_root_meets_before_it_is_the_homes_user_is_not_reported_there(home: TestHome) -> None:
    before = tree(home.path)
    result = meeting(home.path, "bug('jobrunner.wiring.safety:enter')", "status")
    assert result.returncode == 70
    assert "Traceback" in result.stderr
    assert tree(home.path) == before
