"""Rows 44 to 50: a package that is done is processed again, or its second delivery is accepted."""

import os

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import Scene, Tree, tree_of
from tests.crash_table.steps import MOVES
from tests.support import RECEIPT


@pytest.fixture
def done(scene: Scene) -> Scene:
    """A home in which p is done; in work/ nothing is left of it."""
    scene.deliver()
    scene.restart()
    scene.restart("run", "-n", "1", "--drain")  # for the sweep
    return scene


def assert_revised(done: Scene, before: Tree, by: str) -> None:
    """The revision is complete in the archive, and the first result is as it was."""
    assert done.job("p~2")["state"] == "done"
    assert tree_of(done.home.archive / "p") == before
    assert tree_of(done.home.archive / "p~2") == done.processed(by)
    assert sorted(os.listdir(done.home.archive)) == ["p", "p~2"]
    assert os.listdir(done.home.inbox) == []
    done.assert_at_rest()


@pytest.mark.parametrize("when", ["before", "after"])
def test_row_44_a_rerun_is_queued_or_not(done: Scene, when: str) -> None:
    before = tree_of(done.home.archive / "p")
    done.crash(Kill("commit of Revisions.revise", "before" if when == "before" else "after"), words=("rerun", "p"))
    assert len(done.rows("SELECT * FROM jobs")) == 1 + (when == "after")
    if when == "before":
        done.restart("rerun", "p")
    done.restart()
    assert_revised(done, before, by="p 1")
    assert done.ran() == ["p 1", "p 1"]


STEPS = {
    "row-45-identity": (Kill("os.symlink", matching="/identity$"), ["identity"], "p 2"),
    "row-46-part-of-the-copy": (Kill("os.mkdir", matching="^b "), ["copying", "identity"], "p 2"),
    "row-47-rename-to-package": (Kill("os.rename", matching="/copying .*/package$"), ["identity", "package"], "p 2"),
    "row-48-receipt": (Kill("jobrunner.files.receipts.write"), ["data-1", "identity", "package"], "p 2"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_rerun_goes_on_from_where_it_was(done: Scene, step: str, alone: bool) -> None:
    kill, holds, by = STEPS[step]
    before = tree_of(done.home.archive / "p")
    done.restart("rerun", "p")
    words = ("run", "-n", "2" if alone else "1", "--drain")
    code = done.crash(Kill(kill.edge, matching=kill.matching, alone=alone), words=words)
    if alone:
        assert code == 0
    else:
        assert done.workspaces() == {"2-1": holds}
        done.restart()
    assert_revised(done, before, by=by)


def test_row_48_a_receipt_of_a_handler_that_runs_again_is_written_again(scene: Scene) -> None:
    scene.deliver()
    scene.crash(Kill("jobrunner.files.receipts.write"), words=("run", "-n", "1", "--drain"))
    assert (scene.home.work / "1-1/data-1" / RECEIPT).exists()
    scene.restart()
    scene.assert_archived(by="p 2")
    assert [path.name for path in (scene.home.archive / "p").glob(".jobrunner*")] == [RECEIPT]


@pytest.mark.parametrize("edge", ["jobrunner.files.receipts.put", "jobrunner.files.failing._write"])
def test_row_49_a_failed_revision_has_our_files_once(done: Scene, edge: str) -> None:
    done.restart("rerun", "p")
    done.plan(p_1=65, p_2=65)
    done.crash(Kill(edge, matching="2-1/package"), words=("run", "-n", "1", "--drain"))
    assert done.job("p~2")["verdict"] == "rejected"
    done.restart(code=1)
    assert sorted(os.listdir(done.home.failed / "p~2")) == sorted(
        {path.split("/")[0] for path in done.delivered["p"]} | {"error.txt", RECEIPT}
    )
    done.plan()
    done.restart("retry", "p~2")
    taken = Kill(f"{MOVES}.rename_new", matching="/failed/p~2 .*/package$")
    done.crash(taken, words=("work", "-n", "1", "--drain"))
    done.restart()
    assert_revised(done, tree_of(done.home.archive / "p"), by="p 4")


@pytest.mark.parametrize("when", ["before", "after"])
def test_row_44_a_second_delivery_is_accepted_or_held(done: Scene, when: str) -> None:
    before = tree_of(done.home.archive / "p")
    done.deliver()
    done.crash(Kill("commit of Revisions.revise", "before" if when == "before" else "after"), words=("accept", "p"))
    assert tree_of(done.home.inbox / "p") == done.delivered["p"]
    done.restart("scan")
    if when == "before":
        assert len(done.rows("SELECT * FROM jobs")) == 1
        done.restart("accept", "p")
    done.restart()
    assert_revised(done, before, by="p 1")


def test_row_50_a_package_called_like_a_revision_gets_another_name(done: Scene) -> None:
    done.restart("rerun", "p")
    done.restart()
    done.deliver("p~2")
    done.crash(Kill("commit of Revisions.enqueue", "before"), words=("scan",))
    done.crash(Kill("commit of Revisions.enqueue"), words=("scan",))
    assert done.job("p~2~2")["package"] == b"p~2"
    done.restart()
    assert done.job("p~2~2")["state"] == "done"
    assert tree_of(done.home.archive / "p~2~2") == done.processed(by="p~2 1")
