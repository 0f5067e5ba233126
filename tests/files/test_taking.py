import os
from pathlib import Path

import pytest

from jobrunner.domain.errors import ClaimLost, PackageError
from jobrunner.domain.job import Outcome
from jobrunner.files.delivery import Source
from jobrunner.files.workspace import Stage
from tests.files.test_folders import Home, elsewhere, home, job, ours
from tests.files.test_moves import grow, listing

__all__ = ["elsewhere", "home"]  # fixtures


def test_a_package_is_taken_from_the_inbox(home: Home) -> None:
    home.deliver("inbox/p", "notes/n")
    workspace, _ = home.take(job(), ours)
    assert workspace == home.workspace()
    assert listing(Path(workspace.package)) == {"p.zip": "x", "notes": None, "notes/n": "x"}
    assert list((home.path / "inbox").iterdir()) == []
    assert workspace.stage() is Stage.TAKEN


def test_a_package_is_taken_from_an_earlier_attempt_whose_paths_lead_nowhere_then(home: Home) -> None:
    home.deliver("work/7-1/package")
    grow(home.path / "work/7-1/data", "half")
    workspace, _ = home.take(job(attempt=3), ours)
    assert sorted(os.listdir(home.folders.work)) == ["7-3"]
    assert listing(Path(workspace.path)) == {"package": None, "package/p.zip": "x", "data": None, "data/half": "x"}


def test_nothing_is_taken_for_a_job_that_is_somebody_elses_by_now(home: Home) -> None:
    def lost() -> None:
        assert home.workspace().path == os.path.join(home.folders.work, os.listdir(home.folders.work)[0])
        raise ClaimLost("p")

    home.deliver()
    with pytest.raises(ClaimLost):
        home.take(job(), lost)
    assert listing(home.path / "inbox/p") == {"p.zip": "x"}
    assert os.listdir(home.folders.work) == []


def test_an_attempt_that_is_taken_up_again_finds_its_own_folder(home: Home) -> None:
    home.deliver()
    assert [home.take(job(), ours) for _ in range(2)] == [
        (home.workspace(), Stage.NEW),
        (home.workspace(), Stage.TAKEN),
    ]
    assert listing(Path(home.workspace().package)) == {"p.zip": "x"}


def test_a_package_is_taken_from_the_failed_folder_without_our_file(home: Home) -> None:
    home.deliver("failed/p~1", "error.txt", "error~1.txt")
    home.deliver("inbox/p", "a new delivery")
    workspace, _ = home.take(job(attempt=2, failed_name="p~1", error_name="error~1.txt"), ours)
    assert listing(Path(workspace.package)) == {"p.zip": "x", "error.txt": "x"}
    assert (home.path / "inbox/p/a new delivery").exists()
    assert list((home.path / "failed").iterdir()) == []


def test_a_condemned_package_that_is_in_the_failed_folder_is_left_there(home: Home) -> None:
    home.deliver("failed/p", "error.txt")
    workspace, _ = home.take(job(attempt=2, verdict=Outcome.FAILED, failed_name="p", error_name="error.txt"), ours)
    assert os.listdir(workspace.path) == []
    assert listing(home.path / "failed/p") == {"p.zip": "x", "error.txt": "x"}


def test_a_condemned_package_that_has_not_been_moved_is_taken_along(home: Home) -> None:
    home.deliver("work/7-1/package", "error.txt")
    workspace, _ = home.take(job(attempt=2, verdict=Outcome.FAILED, failed_name="p", error_name="error.txt"), ours)
    assert listing(Path(workspace.package)) == {"p.zip": "x"}


def test_a_package_that_has_been_archived_is_not_looked_for(home: Home) -> None:
    home.deliver("archive/p")
    home.deliver("inbox/p", "a new delivery")
    grow(home.path / "work", "7-1/emptied/")
    assert home.take(job(attempt=2), ours)[1] is Stage.MOVED
    assert (home.path / "inbox/p/a new delivery").exists()


def test_a_package_that_is_nowhere_is_the_senders_affair(home: Home) -> None:
    with pytest.raises(PackageError, match="not in the inbox any more: deliver it again"):
        home.take(job(), ours)


def test_an_inbox_that_is_gone_is_the_machines_affair(home: Home) -> None:
    (home.path / "inbox").rmdir()
    with pytest.raises(FileNotFoundError):
        home.take(job(), ours)


def test_another_jobs_folder_is_not_taken(home: Home) -> None:
    home.deliver("work/17-1/package")
    home.deliver("work/70-1/flushed")
    grow(home.path / "work", "71-1/emptied/", "72-1/copied/", "73-1/")  # the last two may still lie in the inbox
    with pytest.raises(PackageError):
        home.take(job(attempt=2), ours)
    assert home.folders.taken_jobs() == {17, 70, 71}


class Across:
    """A home whose inbox is on another filesystem."""

    def __init__(self, home: Path, inbox: Path) -> None:
        self.inbox = inbox
        self.home = Home(home, inbox=inbox)
        self.work = home / "work"

    def take(self, attempt: int) -> dict[str, str | None]:
        return listing(Path(self.home.take(job(attempt), ours)[0].path))


PACKAGE: dict[str, str | None] = {"package": None, "package/p.zip": "x", "package/notes": None, "package/notes/n": "x"}
OURS = ("p.zip", "notes/n")


@pytest.fixture
def across(tmp_path: Path, elsewhere: Path) -> Across:
    return Across(grow(tmp_path / "home"), elsewhere)


def test_a_package_is_taken_from_an_inbox_on_another_filesystem(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    assert across.take(1) == PACKAGE
    assert list(across.inbox.iterdir()) == []


def test_half_a_copy_is_thrown_away(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    grow(across.work, "7-1/copying/p.zip", content="half")
    assert across.take(2) == PACKAGE
    assert list(across.inbox.iterdir()) == []


def record_source(across: Across, name: str, work_folder: str = "7-1") -> Source:
    """Record that a folder in the inbox is the one that was copied."""
    descriptor = os.open(across.inbox / name, os.O_RDONLY)
    source = Source.of(descriptor, 7)
    os.close(descriptor)
    (across.work / work_folder).mkdir(exist_ok=True)
    (across.work / work_folder / "source").write_text(str(source))
    return source


def test_a_whole_copy_is_not_made_again_and_the_senders_folder_removed(across: Across) -> None:
    grow(across.inbox / "p", "p.zip", content="as it was")
    record_source(across, "p")
    grow(across.work, "7-1/copied/p.zip", "7-1/copied/notes/n")
    assert across.take(2) == PACKAGE
    assert list(across.inbox.iterdir()) == []


def test_a_folder_that_is_not_the_one_that_was_copied_is_a_new_delivery_and_stays(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    record_source(across, "p")
    (across.inbox / "p").rename(across.inbox / "gone")  # its inode is not given again
    grow(across.inbox / "p", "p.zip", content="new")
    grow(across.work, "7-1/copied/p.zip", "7-1/copied/notes/n")
    assert across.take(2) == PACKAGE
    assert listing(across.inbox / "p") == {"p.zip": "new"}


def test_once_the_senders_folder_is_out_of_sight_its_name_is_a_new_delivery(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    source = record_source(across, "p")
    (across.inbox / "p").rename(across.inbox / source.hidden_name)
    grow(across.inbox / "p", "p.zip", content="new")
    grow(across.work, "7-1/copied/p.zip", "7-1/copied/notes/n")
    assert across.take(2) == PACKAGE
    assert listing(across.inbox) == {"p": None, "p/p.zip": "new"}


def test_what_was_put_out_of_sight_is_removed_once_the_package_is_taken(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    source = record_source(across, "p")
    (across.inbox / "p").rename(across.inbox / source.hidden_name)
    grow(across.inbox / ".jobrunner-taken-8", *OURS)
    grow(across.work, "7-1/package/p.zip", "7-1/package/notes/n")
    assert across.take(2) == PACKAGE
    assert os.listdir(across.inbox) == [".jobrunner-taken-8"]


def test_a_name_like_ours_is_not_believed(across: Across) -> None:
    grow(across.inbox / "p", *OURS)
    source = record_source(across, "p")
    (across.inbox / "p").rename(across.inbox / "gone")
    grow(across.inbox / source.hidden_name, "precious")
    grow(across.work, "7-1/package/p.zip", "7-1/package/notes/n")
    assert across.take(2) == PACKAGE
    assert listing(across.inbox / source.hidden_name) == {"precious": "x"}


def test_a_package_that_is_nowhere_on_another_filesystem_is_the_senders_affair(across: Across) -> None:
    with pytest.raises(PackageError, match="deliver it again"):
        across.take(1)
