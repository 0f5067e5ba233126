"""Rows 24 to 27 and 32: a package whose inbox is on another filesystem."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobrunner.domain.findings import Kind
from jobrunner.files.delivery import Source
from tests.crash_driver import Kill
from tests.crash_table.scene import BESIDE, MEMBERS, Scene, tree_of
from tests.crash_table.steps import RENAME


@pytest.fixture
def afar(scene: Scene) -> Iterator[Scene]:
    """A home whose inbox is on another filesystem."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(scene.home.path).st_dev:
        pytest.skip("there is no second filesystem here: /dev/shm is missing or on that of the temporary folder")
    scene.home.inbox.rmdir()
    scene.home.inbox = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="jobrunner-inbox-"))
    with (scene.home.path / "jobrunner.toml").open("a", encoding="utf-8") as toml:
        toml.write(f'[folders]\ninbox = "{scene.home.inbox}"\n')
    yield scene
    scene.home.end_all()
    shutil.rmtree(scene.home.inbox)


TAKEN = ".jobrunner-taken-1-"

ACROSS = {
    "row-24-part-of-the-copy": (Kill("jobrunner.linux.at.new_file", call=2), "p", "copying"),
    "row-24-copy-not-renamed": (Kill("os.rename", "before", matching="/copied$"), "p", "copying"),
    "row-25-rename-to-copied": (Kill("os.rename", matching="/copied$"), "p", "copied"),
    "row-26-rename-out-of-sight": (Kill(RENAME, matching=rf"^\d+ p \d+ {TAKEN}"), TAKEN, "copied"),
    "row-27-rename-to-package": (Kill("os.rename", matching="/package$"), TAKEN, "package"),
}


@pytest.mark.parametrize(("cut", "lies", "part"), [pytest.param(*values, id=name) for name, values in ACROSS.items()])
@pytest.mark.parametrize("alone", [False, True], ids=["tree", "worker"])
def test_a_package_from_another_filesystem_is_copied_once_whatever_is_killed(
    afar: Scene, cut: Kill, lies: str, part: str, alone: bool
) -> None:
    inbox = afar.home.inbox
    afar.deliver()
    code = afar.crash(replace(cut, alone=alone), words=("run", "-n", "2" if alone else "1", "--drain"))
    if alone:
        assert code == 0
    else:
        assert (afar.job()["state"], afar.job()["attempt"]) == ("running", 1)
        [place] = inbox.iterdir()
        assert place.name == "p" if lies == "p" else place.name.startswith(lies)
        assert tree_of(place) == afar.delivered["p"]
        assert afar.workspaces() == {"1-1": sorted([part, "source"])}
        assert (place in afar.copies("p"), len(afar.copies("p"))) == (True, 1 if part == "copying" else 2)
        afar.restart()
    afar.assert_archived(by="p 2")
    assert afar.ran() == ["p 2"]


def test_row_24_how_far_a_large_copy_came_is_shown_and_goes_with_it(afar: Scene) -> None:
    large = afar.home.package("p", MEMBERS, BESIDE | {"large": os.urandom(9 << 20)})
    afar.delivered["p"] = tree_of(large)
    length = sum(map(len, afar.delivered["p"].values()))
    afar.crash(Kill("jobrunner.files.workspace.Workspace.report_copied"), words=("run", "-n", "1", "--drain"))
    assert afar.workspaces() == {"1-1": ["copying", "progress-1", "source"]}
    with afar.home.open() as home:
        [left] = home.report.running()
    assert left.progress
    assert 0 < left.progress.done < length
    assert left.progress[1:] == (length, "copying", True)
    afar.restart()
    afar.assert_archived(by="p 2")


@pytest.mark.parametrize("row", ["row-26-rename-out-of-sight", "row-27-rename-to-package"])
def test_what_comes_under_the_name_after_the_crash_is_held_as_a_duplicate(afar: Scene, row: str) -> None:
    first = afar.deliver()
    afar.crash(ACROSS[row][0], words=("run", "-n", "1", "--drain"))
    second = afar.deliver()
    assert first != second
    afar.restart()
    afar.delivered["p"] = first
    assert tree_of(afar.home.archive / "p") == afar.processed(by="p 2")
    assert tree_of(afar.home.inbox / "p") == second
    assert os.listdir(afar.home.inbox) == ["p"]
    assert [each["name"] for each in afar.home.status()["duplicates"]] == ["p"]
    assert afar.ran() == ["p 2"]


@pytest.mark.parametrize("planned", [0, 65], ids=["done", "failed"])
def test_row_32_a_folder_that_could_not_be_removed_from_the_inbox_is_removed_later(afar: Scene, planned: int) -> None:
    afar.plan(p_1=planned)
    afar.deliver()
    afar.restart(code=int(bool(planned)))
    ended = tree_of(afar.home.archive), tree_of(afar.home.failed)
    shutil.copytree(afar.home.archive / "p" if not planned else afar.home.failed / "p", afar.home.inbox / "left")
    descriptor = os.open(afar.home.inbox / "left", os.O_RDONLY)
    source = Source.of(descriptor, 1)
    os.close(descriptor)
    (afar.home.inbox / "left").rename(afar.home.inbox / source.hidden_name)
    (afar.home.work / "1-1").mkdir()
    (afar.home.work / "1-1" / "source").write_text(str(source))
    assert Kind.LEFTOVER_IN_INBOX in afar.differences()
    afar.restart("work", "--drain")
    assert list(afar.home.inbox.iterdir()) == []
    assert (tree_of(afar.home.archive), tree_of(afar.home.failed)) == ended
    afar.assert_at_rest()


def test_a_folder_that_only_has_such_a_name_is_nobodys_to_remove(afar: Scene) -> None:
    afar.deliver()
    afar.restart()
    planted = afar.home.inbox / f"{TAKEN}0123456789abcdef"
    planted.mkdir()
    (planted / "precious").touch()
    afar.restart("work", "--drain")
    afar.home.jobrunner("check", "--repair")
    assert os.listdir(planted) == ["precious"]


def test_what_was_put_out_of_sight_is_kept_where_it_is_all_that_is_left(afar: Scene) -> None:
    """No power cut brings this about: somebody has emptied the work folder."""
    afar.deliver()
    afar.crash(ACROSS["row-26-rename-out-of-sight"][0], words=("run", "-n", "1", "--drain"))
    shutil.rmtree(afar.home.work / "1-1")
    afar.restart(code=1)
    afar.restart("work", "--drain")
    [hidden] = afar.home.inbox.iterdir()
    afar.assert_untouched(hidden)
    assert afar.differences("--repair") == [Kind.COPIED_WITHOUT_JOB]
    hidden.rename(afar.home.inbox / "p")
    afar.restart()
    afar.assert_archived(by="p 3")
