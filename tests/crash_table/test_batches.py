"""Rows 9 to 13, 30 and 33 of packages that go to the archive together."""

import os
from dataclasses import replace

import pytest

from jobrunner.domain.findings import Kind
from tests.crash_driver import Kill
from tests.crash_table.scene import MEMBERS, Scene, tree_of
from tests.crash_table.steps import MERGING, MOVES
from tests.support import PATIENCE

BATCHES = {
    "row-09-one-of-two": Kill("os.rename", matching="/handled-", call=2),
    "row-09-all-before-the-syncfs": Kill(f"{MOVES}.Watch.flush", "before"),
    "row-10-one-of-three": Kill("os.rename", matching="/flushed$"),
    "row-11-part-of-the-second": replace(MERGING, call=2),
    "row-12-two-of-three": Kill(f"{MOVES}.rename_new", matching="/archive/.$", call=2),
    "row-13-all": Kill(f"{MOVES}.flush_directory", matching="/archive$"),
    "row-13-part-of-complete": Kill("commit of complete", "before", call=2),
}


@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
@pytest.mark.parametrize("kill", [pytest.param(kill, id=name) for name, kill in BATCHES.items()])
def test_packages_of_a_batch_for_the_archive_go_on_where_each_came_to(scene: Scene, kill: Kill, alone: bool) -> None:
    scene.home.configure("")
    for name in ("p", "q", "r"):
        scene.deliver(name)
    scene.home.jobrunner("scan")
    assert (scene.crash(replace(kill, alone=alone), words=("work", "-n", "1", "--drain")) == 0) is alone
    if not alone:
        batch = [job for job in scene.rows("SELECT * FROM jobs") if job["state"] == "running"]
        assert len(batch) == (2 if kill.call == 2 and "handled" in kill.matching else 3)
        extracted = {
            path.stat().st_ino for path in [*scene.home.work.rglob("z.bin"), *scene.home.archive.rglob("z.bin")]
        }
        assert len(extracted) == len(batch)
        scene.restart()
        archived = {path.stat().st_ino for path in scene.home.archive.rglob("z.bin")}
        assert extracted <= archived  # not extracted again
    for name in ("p", "q", "r"):
        assert scene.job(name)["crashes"] == 0
        assert tree_of(scene.home.archive / name) == scene.delivered[name] | MEMBERS
        assert scene.outcomes(name) in (["done"], ["crashed" if alone else "interrupted", "done"])
    scene.assert_at_rest()


@pytest.mark.parametrize("row", [row for row in BATCHES if row != "row-09-one-of-two"])
def test_row_33_packages_of_a_batch_go_on_where_a_power_cut_undid_their_claim(scene: Scene, row: str) -> None:
    scene.home.configure("")
    for name in ("p", "q", "r"):
        scene.deliver(name)
    scene.home.jobrunner("scan")
    scene.crash(BATCHES[row], words=("work", "-n", "1", "--drain"))
    scene.change("DELETE FROM attempts WHERE job_id > 1")  # the first claim was durable
    scene.change("UPDATE jobs SET state = 'queued', attempt = 0, worker_id = NULL WHERE id > 1")
    scene.home.package("q", {"another": "delivery"})
    assert Kind.ARCHIVED_NOT_DONE not in scene.differences()
    scene.restart()
    assert {name: scene.outcomes(name) for name in ("p", "q", "r")} == {
        "p": ["interrupted", "done"],
        "q": ["done"],
        "r": ["done"],
    }
    for name in ("p", "q", "r"):
        assert tree_of(scene.home.archive / name) == scene.delivered[name] | MEMBERS
    assert os.listdir(scene.home.inbox) == ["q"]
    scene.assert_at_rest()


def test_row_30_packages_ready_when_their_worker_is_ended_go_on_uncounted(scene: Scene) -> None:
    scene.home.configure("")
    for name in ("p", "q"):
        scene.deliver(name)
    scene.restart("scan")
    supervisor = scene.start_stopping(Kill("os.open", matching="work/2-1/data-1/b/c", stops=True))
    assert scene.home.jobrunner("cancel", "q").returncode == 0
    supervisor.wait(PATIENCE)
    assert (scene.job("q")["state"], scene.job("q")["verdict"]) == ("failed", "cancelled")
    assert tree_of(scene.home.archive / "p") == scene.delivered["p"] | MEMBERS
    assert scene.outcomes("p") == ["interrupted", "done"]
    assert "was ended to cancel another package" in str(scene.home.show("p")["attempts"][0]["error"])
    scene.assert_at_rest()
