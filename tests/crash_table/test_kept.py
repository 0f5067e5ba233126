"""Rows 57 and 58: the data of an attempt that failed, or crashed, is kept for a look."""

from dataclasses import replace

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import HANDLER, MEMBERS, Scene, tree_of
from tests.support import TestHome

KEEP = Kill("os.rename", matching=r"/data-1 \S+/\.kept/1-1$")


@pytest.fixture
def keeping(home: TestHome) -> Scene:
    home.handler(HANDLER, keep_failed='"1h"', retry='backoff = "0.01s"')
    made = Scene(home)
    made.plan(p_1=1)
    made.deliver()
    return made


def kept(scene: Scene) -> dict[str, set[str]]:
    return {path.name: set(tree_of(path)) for path in (scene.home.work / ".kept").iterdir()}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with its tree"])
def test_row_57_killed_when_its_data_is_kept_an_attempt_has_not_ended_yet(keeping: Scene, alone: bool) -> None:
    scene = keeping
    if alone:
        scene.crash(replace(KEEP, alone=True), words=("run", "-n", "2", "--drain"))
    else:
        scene.crash(KEEP, words=("run", "-n", "1", "--drain"))
        assert scene.job()["state"] == "running"
        assert scene.workspaces() == {"1-1": ["package"]}
        scene.assert_untouched(scene.home.work / "1-1" / "package")
        scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 1", "p 2"]
    assert scene.outcomes() == ["crashed" if alone else "interrupted", "done"]
    assert kept(scene) == {"1-1": {*MEMBERS, "by.txt"}}


def test_row_58_killed_when_it_keeps_what_crashed_a_recovery_is_taken_up(keeping: Scene) -> None:
    scene = keeping
    scene.plan(p_1="crash", p_2="crash")
    scene.crash(KEEP, words=("run", "-n", "1", "--drain"))
    assert scene.job()["state"] == "running"
    assert scene.workspaces() == {"1-1": ["package"]}
    scene.restart()
    scene.assert_archived(by="p 3")
    assert scene.ran() == ["p 1", "p 2", "p 3"]
    assert scene.outcomes() == ["interrupted", "crashed", "done"]
    assert kept(scene) == {f"1-{number}": {*MEMBERS, "by.txt"} for number in (1, 2)}
