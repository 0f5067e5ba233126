"""The fence of an attempt whose handler runs on a node."""

import os
from pathlib import Path

import pytest

from jobrunner.files import fence, sweeping
from jobrunner.files.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The work folder of attempt 2, whose log is in another folder."""
    (tmp_path / "2.log").touch()
    (tmp_path / "7-2").mkdir()
    return str(tmp_path / "7-2")


def offer(folder: str) -> None:
    fence.offer(folder, 2, str(Path(folder).parent / "2.log"))


def test_what_is_not_offered_does_not_start(folder: str) -> None:
    with pytest.raises(FileNotFoundError):
        fence.begin(folder, 2, "n1")
    assert os.listdir(folder) == []
    assert not fence.is_offered(folder, 2)


def test_an_offer_is_the_log_under_another_name(folder: str) -> None:
    offer(folder)
    offer(folder)
    assert fence.is_offered(folder, 2)
    assert os.path.samefile(f"{folder}/log-2", Path(folder).parent / "2.log")


def test_the_first_start_is_the_only_one(folder: str) -> None:
    offer(folder)
    fence.begin(folder, 2, "n1")
    with pytest.raises(fence.StartedAlready):
        fence.begin(folder, 2, "n2")
    assert fence.node_of(folder, 2) == "n1"
    assert fence.forbid(folder, 2) == "n1"
    assert not fence.has_ended(folder, 2)
    fence.end(folder, 2)
    fence.end(folder, 2)
    assert fence.has_ended(folder, 2)


def test_whoever_takes_a_job_over_forbids_its_start_for_ever(folder: str) -> None:
    offer(folder)
    assert fence.forbid(folder, 2) is None
    with pytest.raises(fence.StartedAlready):
        fence.begin(folder, 2, "n1")
    assert fence.node_of(folder, 2) is None
    taken_over = Workspace.at(str(Path(folder).parent), 7, 3)
    os.rename(folder, taken_over.path)
    for name in ("package", "data-2", "progress-2"):
        os.mkdir(f"{taken_over.path}/{name}")
    sweeping.clear(taken_over)
    assert sorted(os.listdir(taken_over.path)) == ["log-2", "package", "started-2"], "a late node still sees it"
    with pytest.raises(fence.StartedAlready):
        fence.begin(taken_over.path, 2, "n1")


def test_another_attempt_has_a_fence_of_its_own(folder: str) -> None:
    offer(folder)
    fence.begin(folder, 2, "n1")
    assert fence.node_of(folder, 3) is None
    assert not fence.is_offered(folder, 3)
    assert fence.is_part("started-3")
    assert not fence.is_part("started-3x")
