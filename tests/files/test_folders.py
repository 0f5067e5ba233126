import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.job import Job, State
from jobrunner.domain.progress import COPYING, EXTRACTING, Progress
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import moves, places, sweeping
from jobrunner.files.archiving import Archiving
from jobrunner.files.failing import put_aside
from jobrunner.files.folders import Folders
from jobrunner.files.logs import logs_of
from jobrunner.files.taking import Taking
from jobrunner.files.workspace import Stage, Workspace
from jobrunner.linux import flushing
from jobrunner.linux.proc import BOOT_ID
from tests.files.test_moves import grow, listing
from tests.support import folder_settings

NAMES = ("inbox", "work", "archive", "failed", "logs")


def job(attempt: int = 1, **fields: Any) -> Job:
    values: dict[str, Any] = dict.fromkeys(("not_before_at", "error", "failed_name", "error_name"))
    values |= dict.fromkeys(("failures", "delays", "crashes", "interruptions"), 0)
    values |= {"id": 7, "name": "p", "state": State.RUNNING, "worker_id": 1, "verdict": None}
    values |= {"package": "p", "revision": 1, "source": None}
    return Job(attempt=attempt, created_at=0.0, finished_at=None, **values | fields)


def ours() -> None:
    """Confirm any claim."""


class Home:
    """Folders of a home, and what takes packages there."""

    def __init__(self, path: Path, **others: Path) -> None:
        self.path = path
        (others.get("inbox") or path / "inbox").mkdir(parents=True, exist_ok=True)
        self.folders = Folders(folder_settings(path, **others))
        places.prepare(self.folders, path)
        disk = moves.Watch(self.folders.work)
        self.taking = Taking(self.folders, ExtractSettings(), disk)
        self._archiving = Archiving(self.folders, disk)

    def take(self, job: Job, confirm: Callable[[], None]) -> tuple[Workspace, Stage]:
        workspace = self.folders.own(job)
        return workspace, self.taking.take(job, workspace, confirm).stage

    def archive(self, job: Job) -> object:
        workspace = self.folders.own(job)
        return self._archiving.archive({job.name: (workspace, workspace.stage())})

    def deliver(self, place: str = "inbox/p", *more: str) -> Path:
        return grow(self.path / place, "p.zip", *more)

    def workspace(self, attempt: int = 1) -> Workspace:
        return Workspace.at(self.folders.work, 7, attempt)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem than the temporary folder."""
    if not os.path.isdir("/dev/shm") or moves.same_filesystem("/dev/shm", str(tmp_path)):
        pytest.skip("there is no second filesystem here: /dev/shm is the temporary folder's own, or is missing")
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


def test_folders_in_the_home_are_made_and_making_them_twice_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    folders = Folders(folder_settings(tmp_path, logs=tmp_path / "deep/er/logs"))
    for _ in range(2):
        places.prepare(folders, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "deep", "failed", "inbox", "work"]
    assert (tmp_path / "deep/er/logs").is_dir()


def test_an_inbox_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the inbox .*/inbox does not exist: create it, or set folders.inbox"):
        places.prepare(Folders(folder_settings(tmp_path)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_folder_outside_of_the_home_is_never_made(tmp_path: Path, name: str) -> None:
    home = grow(tmp_path / "home", "inbox/")
    outside = tmp_path / "mnt"
    with pytest.raises(ConfigurationError, match=rf"the {name} folder .*/mnt does not exist: .* set folders.{name}"):
        places.prepare(Folders(folder_settings(home, **{name: outside})), home)
    assert not outside.exists()


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, name: str) -> None:
    home = grow(tmp_path, "inbox/", name)
    with pytest.raises(ConfigurationError, match=f"folders.{name} is .*, which is not a folder"):
        places.prepare(Folders(folder_settings(home)), home)


@pytest.mark.parametrize("name", ["archive", "failed"])
def test_folders_that_no_rename_can_reach_are_refused(tmp_path: Path, elsewhere: Path, name: str) -> None:
    home = grow(tmp_path, "inbox/")
    with pytest.raises(ConfigurationError, match=rf"and {name} \(.*\) are on different filesystems"):
        places.prepare(Folders(folder_settings(home, **{name: elsewhere})), home)


@pytest.mark.parametrize(
    ("content", "stage"),
    [
        (("package/",), Stage.TAKEN),
        (("package/", "data-1/"), Stage.TAKEN),
        (("package/", f"handled-{BOOT_ID}/"), Stage.HANDLED),
        (("package/", "handled-of-an-earlier-boot/"), Stage.TAKEN),
        (("package/", "flushed/"), Stage.FLUSHED),
        (("flushed/", "emptied/"), Stage.FLUSHED),
        (("emptied/",), Stage.MOVED),
        (("copying/",), Stage.TAKEN),
    ],
)
def test_the_content_of_a_work_folder_says_how_far_its_attempt_came(
    home: Home, content: tuple[str, ...], stage: Stage
) -> None:
    grow(home.path / "work/7-1", *content)
    assert home.workspace().stage() is stage


def test_an_attempt_goes_through_its_stages(home: Home) -> None:
    home.deliver("work/7-1/package")
    workspace = home.workspace()
    grow(Path(workspace.data), "result")
    assert workspace.stage() is Stage.TAKEN
    workspace.record_success()
    assert workspace.stage() is Stage.HANDLED
    home.take(job(), ours)
    assert home.archive(job()) == {}
    assert workspace.stage() is Stage.MOVED
    assert listing(home.path / "archive/p") == {"p.zip": "x", "result": "x"}


def test_a_flush_tells_of_all_that_failed_since_the_package_was_taken(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def flush(descriptor: int) -> int:
        flushed.append(descriptor)
        return 0

    monkeypatch.setattr(flushing, "libc", SimpleNamespace(syncfs=flush))
    home.deliver()
    workspace, _ = home.take(job(), ours)
    open_then = {int(number) for number in os.listdir("/proc/self/fd")}
    os.mkdir(workspace.data)
    workspace.record_success()
    home.archive(job())
    assert len(flushed) == 1
    assert open_then.issuperset(flushed)
    assert os.path.samefile(f"/proc/self/fd/{flushed[0]}", home.folders.work)


def test_progress_is_told_until_all_is_extracted_and_the_disk_gets_it_meanwhile(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    begin_flush = flushing.begin_flush

    def begin_and_note(file: int) -> None:
        begun.append(file)
        begin_flush(file)

    monkeypatch.setattr(flushing, "begin_flush", begin_and_note)
    grow(home.path / "work/7-1")
    workspace = home.workspace()
    assert workspace.progress_now() is None
    with open(Path(workspace.path) / "member", "wb") as file:
        workspace.report_extracted(16, 40, file.fileno())
        assert begun == [file.fileno()]
    assert workspace.progress_now() == Progress(16, 40, EXTRACTING, is_bytes=True)
    workspace.report_extracted(40, 40, None)
    assert workspace.progress_now() is None
    workspace.report_copied(1, 3)
    assert workspace.progress_now() == Progress(1, 3, COPYING, is_bytes=True)
    for _ in range(2):
        workspace.report_copied(3, 3)
        assert workspace.progress_now() is None


def test_what_a_handler_says_counts_only_while_it_works(home: Home) -> None:
    grow(home.path / "work/7-1", "data-1/", "package/")
    workspace = home.workspace()
    Path(workspace.handler_progress).write_text("1/2 halves")
    assert workspace.progress_now() == Progress(1, 2, "halves")
    workspace.record_success()
    assert workspace.progress_now() is None


@pytest.mark.parametrize(
    "leftover",
    [
        "data-1/half",
        "data/of-an-older-jobrunner",
        "handled-of-an-earlier-boot/r",
        "copying/p.zip",
        "a-file-of-a-handler",
    ],
)
def test_what_an_earlier_attempt_left_is_removed_before_the_next(home: Home, leftover: str) -> None:
    home.deliver("work/7-1/package")
    grow(home.path / "work/7-1", leftover)
    sweeping.clear(home.workspace())
    assert listing(home.path / "work/7-1") == {"package": None, "package/p.zip": "x"}


@pytest.mark.parametrize("kept", ["package/p.zip", "copied/p.zip", "flushed/p.zip", "emptied/written too late"])
def test_a_sweep_removes_what_is_left_of_a_job_but_never_a_package(home: Home, kept: str) -> None:
    grow(home.path / "work/7-1", "data/half")
    grow(home.path / "work/7-2", "emptied/")
    grow(home.path / "work/7-3", kept)
    grow(home.path / "work/8-1", "data/")
    for _ in range(2):
        sweeping.sweep(home.folders, 7)
    assert sorted(os.listdir(home.folders.work)) == ["7-3", "8-1"]


def test_an_ended_jobs_work_folder_goes_unless_its_sender_wrote_into_it(home: Home) -> None:
    grow(home.path / "work", "7-1/emptied/", "7-2/data/half", "7-3/emptied/late")
    for attempt in (1, 2, 3, 4):
        sweeping.remove(home.workspace(attempt))
    assert listing(Path(home.folders.work)) == {"7-3": None, "7-3/emptied": None, "7-3/emptied/late": "x"}


def test_only_work_folders_are_listed(home: Home) -> None:
    grow(home.path / "work", "7-1/package/p.zip", "7-2/data/", "8-1/", ".workers/token", "notes/", "x7-1/", "7-/")
    found = {job_id: sorted(map(os.path.basename, paths)) for job_id, paths in home.folders.workspaces().items()}
    assert found == {7: ["7-1", "7-2"], 8: ["8-1"]}
    assert home.folders.taken_jobs() == {7}


@pytest.mark.parametrize(
    "place",
    [
        "work/7-3/package",
        "work/7-2/package",
        "work/7-2/flushed",
        "work/7-1/package",
        "failed/p~1",
        "archive/p",
        "inbox/p",
        None,
    ],
)
def test_a_package_is_found_wherever_it_lies(home: Home, place: str | None) -> None:
    if place:
        (home.path / place).mkdir(parents=True)
    wanted = str(home.path / place) if place else None
    assert home.folders.whereabouts(job(attempt=2, failed_name="p~1", error_name="e")) == wanted


def test_logs_are_those_that_exist(home: Home) -> None:
    grow(home.path / "logs/p", "1.log", "3.log", "9.log")
    logs = home.path / "logs/p"
    assert logs_of(home.folders, job(attempt=4)) == {1: str(logs / "1.log"), 3: str(logs / "3.log")}


def test_a_failed_package_is_put_aside_for_a_new_delivery(home: Home) -> None:
    home.deliver("failed/p", "mine")
    grow(home.path / "failed/p~1", "older")
    for _ in range(2):  # the second time there is nothing to put aside
        put_aside(home.folders, "p")
    assert listing(home.path / "failed") == {
        "p~1": None,
        "p~1/older": "x",
        "p~2": None,
        "p~2/p.zip": "x",
        "p~2/mine": "x",
    }


def test_the_newest_work_folder_is_the_jobs(home: Home) -> None:
    grow(home.path / "work", "7-1/", "7-3/")
    assert home.folders.workspace(job(attempt=4)).path.endswith("/7-3")
    assert home.folders.workspace(job(attempt=2)).path.endswith("/7-3")  # a power cut took back its claim
    assert home.folders.workspace(job(attempt=1)).path.endswith("/7-1")
    assert home.folders.workspace(job(attempt=4, id=9)).path.endswith("/9-4")
