"""Rows 53 and 54: a prune that is cut short."""

import os

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import Scene

PRUNE = ("prune", "--older-than", "0s")


@pytest.mark.parametrize(
    ("cut", "logs"),
    [
        pytest.param(Kill("os.unlink", matching=r"^[12]\.log$"), 1, id="row-53-part-of-the-logs"),
        pytest.param(Kill("os.unlink", matching=r"^[12]\.log$", call=2), 0, id="row-53-all-of-the-logs"),
        pytest.param(Kill("jobrunner.files.logs.remove_folder"), None, id="row-54-their-folder"),
    ],
)
def test_a_prune_that_is_cut_short_is_repeated(scene: Scene, cut: Kill, logs: int | None) -> None:
    scene.plan(p_1=75, q_1=65)
    scene.deliver("p")
    scene.deliver("q")
    scene.restart(code=1)
    assert scene.outcomes("p") == ["later", "done"]
    totals = scene.rows("SELECT * FROM outcome_totals ORDER BY outcome")
    scene.crash(cut, words=PRUNE)
    assert scene.outcomes("p") == ["later", "done"]
    folder = scene.home.logs / "p"
    assert (len(os.listdir(folder)) if folder.exists() else None) == logs
    scene.restart(*PRUNE)
    assert scene.outcomes("p") == []
    assert not folder.exists()
    scene.assert_archived(by="p 2")
    assert (scene.outcomes("q"), os.listdir(scene.home.logs / "q")) == (["rejected"], ["1.log"])
    assert scene.rows("SELECT * FROM outcome_totals ORDER BY outcome") == totals
