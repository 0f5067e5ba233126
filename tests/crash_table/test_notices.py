"""Rows 59 and 60: a notice is recorded with what it tells of, and told again where nobody knows that it was."""

import json
from typing import Any

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import DRAIN, Scene

TELLS = "\n[notify]\ncommand = ['sh', '-c', 'cat >> told; echo >> told']\n"


@pytest.fixture
def telling(scene: Scene) -> Scene:
    """A home in which p is going to be rejected, and somebody to be told."""
    with (scene.home.path / "jobrunner.toml").open("a") as file:
        file.write(TELLS)
    scene.plan(p_1=65)
    scene.deliver()
    return scene


def told(scene: Scene) -> list[dict[str, Any]]:
    file = scene.home.path / "told"
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []


def tables(scene: Scene) -> tuple[int, int]:
    """How many failures no notice tells of, and how many notices are on their way."""
    return len(scene.rows("SELECT * FROM unnoticed_failures")), len(scene.rows("SELECT * FROM notices"))


def be_due(scene: Scene) -> None:
    """Let the time be over for which whoever claimed a notice has it alone."""
    scene.change("UPDATE notices SET due_at = 0")


@pytest.mark.parametrize(("when", "left", "code"), [("before", 0, 1), ("after", 1, 0)])
def test_row_59_a_failure_is_to_be_told_from_its_own_commit_on(telling: Scene, when: Any, left: int, code: int) -> None:
    telling.crash(Kill("commit of fail", when), words=("run", "-n", "1", "--drain"))
    assert tables(telling) == (left, 0)
    assert (telling.job()["state"] == "failed") is bool(left)
    telling.restart(code=code)
    telling.assert_failed(error="exit status 65")
    [notice] = told(telling)
    assert (notice["kind"], notice["details"]["reasons"][0]["names"]) == ("failed", ["p"])
    assert tables(telling) == (0, 0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_row_59_a_pause_is_to_be_told_from_its_own_commit_on(telling: Scene, when: Any) -> None:
    telling.crash(Kill("commit of Pauses.begin", when), words=("pause",))
    assert tables(telling) == (0, int(when == "after"))
    telling.restart("pause")
    telling.restart(*DRAIN, code=0)
    assert [notice["kind"] for notice in told(telling)] == ["paused"]


@pytest.mark.parametrize(
    ("kill", "left"),
    [
        (Kill("commit of Notices.take_failures", "before"), (1, 0)),
        (Kill("commit of Notices.take_failures"), (0, 1)),
        (Kill("commit of Notices.claim"), (0, 1)),
    ],
    ids=["gathered, not committed", "gathered", "claimed"],
)
def test_row_59_what_is_to_be_told_is_told_by_the_next_once(telling: Scene, kill: Kill, left: tuple[int, int]) -> None:
    telling.crash(kill, words=("run", "-n", "1", "--drain"))
    assert (tables(telling), told(telling)) == (left, [])
    be_due(telling)
    telling.restart()
    assert [notice["kind"] for notice in told(telling)] == ["failed"]
    assert tables(telling) == (0, 0)


@pytest.mark.parametrize("alone", [False, True])
def test_row_60_what_was_sent_and_not_recorded_is_sent_again_with_its_id(telling: Scene, alone: bool) -> None:
    telling.crash(Kill("commit of Notices.delivered", "before", alone=alone), words=("run", "-n", "1", "--drain"))
    assert (tables(telling), len(told(telling))) == ((0, 1), 1)
    telling.restart()
    assert len(told(telling)) == 1, "it is not due yet: whoever claimed it might live"
    be_due(telling)
    telling.restart()
    first, again = told(telling)
    assert first == again
    assert tables(telling) == (0, 0)
    telling.assert_failed(error="exit status 65")
