"""Rows 34 to 39: a package that others may change, and one that is over the limits."""

import stat
import uuid
from dataclasses import replace

import pytest

from tests.crash_driver import Kill
from tests.crash_table.scene import HANDLER, Scene
from tests.crash_table.steps import (
    HANDLED,
    HANDLED_STEP,
    LATER,
    MERGING,
    MOVES,
    ONCE,
    ORIGINAL,
    RENAME,
    Step,
    assert_lies_at,
)

FOREIGN = {
    "row-34-rename-to-delivered": Step(Kill("os.rename", matching="/delivered$"), "delivered", ["delivered"], 0, LATER),
    "row-35-part-of-the-copy": Step(
        Kill("jobrunner.linux.at.new_file", call=2), "delivered", ["copying", "delivered"], 0, LATER
    ),
    "row-36-rename-of-the-copy": Step(
        Kill("os.rename", matching="/package$"), "delivered", ["delivered", "package"], 0, LATER
    ),
    "row-37-rename-to-original": Step(
        Kill("os.rename", matching="/original-"), "work", [ORIGINAL, "package"], 0, LATER
    ),
    "row-09-of-a-copy": replace(HANDLED_STEP, workspace=[HANDLED, ORIGINAL, "package"]),
    "row-11-of-a-copy": Step(replace(MERGING, call=2), "merging", ["flushed", ORIGINAL, "package"], 1, ONCE),
    "row-12-of-a-copy": Step(
        Kill(f"{MOVES}.rename_new", matching="/archive/p$"), "archive", ["emptied", ORIGINAL], 1, ONCE
    ),
    "row-14-of-a-copy": Step(Kill("commit of complete", "before"), "archive", ["emptied", ORIGINAL], 1, ONCE),
}


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in FOREIGN.items()])
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_package_that_others_may_change_is_copied_whatever_is_killed(scene: Scene, step: Step, alone: bool) -> None:
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    code = scene.crash(replace(step.kill, alone=alone), words=("run", "-n", "2" if alone else "1", "--drain"))
    if alone:
        assert code == 0
    else:
        assert scene.workspaces() == {"1-1": step.workspace}
        assert len(scene.ran()) == step.ran_before
        assert_lies_at(scene, step.at)
        scene.restart()
    scene.assert_archived(by=step.ran[-1])
    assert scene.ran() == list(step.ran)
    assert stat.S_IMODE((scene.home.archive / "p" / "p.zip").stat().st_mode) == 0o644


def test_row_38_a_copy_of_another_boot_is_not_trusted(scene: Scene) -> None:
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    scene.crash(FOREIGN["row-37-rename-to-original"].kill, words=("run", "-n", "1", "--drain"))
    work = scene.home.work / "1-1"
    (work / "package" / "p.zip").write_bytes(b"")  # what a power cut leaves of a file that was not flushed
    (work / ORIGINAL).rename(work / f"original-{uuid.uuid4()}")
    scene.restart()
    scene.assert_archived(by="p 2")
    assert scene.ran() == ["p 2"]


def test_row_38_a_copy_that_has_got_to_failed_is_not_made_again(scene: Scene) -> None:
    scene.plan(p_1=65)
    scene.deliver()
    (scene.home.inbox / "p" / "p.zip").chmod(0o666)
    scene.crash(Kill(f"{MOVES}.rename_new", matching="/failed/p$"), words=("run", "-n", "1", "--drain"))
    work = scene.home.work / "1-1"
    (work / ORIGINAL).rename(work / f"original-{uuid.uuid4()}")
    assert scene.home.jobrunner("run", "-n", "1", "--drain").returncode == 1
    scene.restart()
    scene.assert_failed(error="rejected")


@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_row_39_a_package_that_is_too_large_stays_in_the_inbox(scene: Scene, alone: bool) -> None:
    with (scene.home.path / "jobrunner.toml").open("a", encoding="utf-8") as toml:
        toml.write("[extract]\nmax_entries = 3\n")
    scene.deliver()
    cut = Kill(RENAME, matching=r"^\d+ package \d+ p$", alone=alone)
    code = scene.crash(cut, words=("run", "-n", "2" if alone else "1", "--drain"))
    if not alone:
        assert scene.workspaces() == {"1-1": []}
        code = scene.home.jobrunner("run", "-n", "1", "--drain").returncode
    assert code == 1
    scene.assert_untouched(scene.home.inbox / "p")
    scene.assert_at_rest()
    for _ in range(2):
        scene.restart()  # it is not a new delivery
        assert (scene.job()["state"], scene.job()["failed_name"]) == ("failed", None)
    assert scene.home.show("p")["package_path"] == str(scene.home.inbox / "p")
    [held] = scene.home.status()["incomplete"]
    assert "refused" in held["reason"]
    scene.home.handler(HANDLER, retry='backoff = "0.01s"')
    scene.restart("retry", "p")
    scene.restart()
    scene.assert_archived(by="p 3")
