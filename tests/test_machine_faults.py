"""The machine's faults are not the package's: work pauses, says so once, and goes on by itself when it is mended."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from jobrunner.domain.envelope import Emit
from jobrunner.domain.role import Role
from jobrunner.domain.status import Status
from jobrunner.wiring.home import load_settings, open_home
from tests.messages import met_a_bug
from tests.scripts import PRELUDE, journal, outcomes, story
from tests.support import JOBRUNNER, TestHome, clean_environment, wait_until

#: A handler that writes something and waits for HOME/go.
HANDLER = PRELUDE + "start()\n(DATA / 'out').write_bytes(bytes(50_000))\nwait_for('go')\nnote('end')"
DAY = 86400

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


class Run:
    """A `jobrunner` in the background whose lines can be looked at."""

    def __init__(self, home: TestHome, *words: str, preload: Path | None = None) -> None:
        self._said = home.path.parent / "said"
        environment = clean_environment()
        if preload:
            environment |= {"LD_PRELOAD": str(preload), "FAULTS": str(preload.parent)}
        with self._said.open("w") as stderr:
            self.process = subprocess.Popen(
                [*JOBRUNNER, "--home", str(home.path), *words],
                stderr=stderr,
                text=True,
                env=environment,
                process_group=0,
            )
        home.started.append(self.process)

    def said(self, label: str) -> list[str]:
        """Return what lines with a label said."""
        lines = (line.split(maxsplit=3) for line in self.text().splitlines())
        return [words[3] for words in lines if words[2:3] == [label]]

    def text(self) -> str:
        return self._said.read_text()

    def trouble(self) -> str:
        """Wait for the trouble, of which there must be one, and return it."""
        (trouble,) = wait_until(lambda: self.said("trouble"))
        return trouble

    def end(self) -> str:
        self.process.terminate()
        assert self.process.wait(20) == 128 + signal.SIGTERM
        return self.text()


def status(home: TestHome) -> Status:
    opened = open_home(load_settings(home.path), Emit(Role.COMMAND), to_read=True)
    try:
        return opened.report.status()
    finally:
        opened.store.close()


def workers_in_trouble(home: TestHome) -> int:
    """How many workers have looked, and found what is wrong."""
    opened = open_home(load_settings(home.path), Emit(Role.COMMAND), to_read=True)
    try:
        return sum(worker.trouble is not None for worker in opened.store.workers.not_ended())
    finally:
        opened.store.close()


def is_done(home: TestHome, count: int) -> Callable[[], bool]:
    return lambda: status(home).counts["done"] == count


def hold_all_done(home: TestHome, run: Run, names: list[str], *, again: Sequence[str] = ()) -> None:
    """All is done, nothing counted, trouble and its end were said once, and each handler ran once (or `again`)."""
    wait_until(is_done(home, len(names)))
    wait_until(lambda: run.said("mended"))
    said = run.end()
    for name in names:
        job = story(home, name).job
        assert (job.failures, job.delays, job.crashes) == (0, 0, 0)
        assert (home.archive / name / f"{name}.zip").exists()
    assert sorted(note.package for note in journal(home.path, "end")) == sorted([*names, *again])
    assert journal(home.path, "overlap") == []
    assert [len(run.said(label)) for label in ("trouble", "mended", "waiting", "worker")] == [1, 1, 0, 0], said
    assert not met_a_bug(said)
    assert status(home).troubles == []
    assert sorted(os.listdir(home.work)) == [".home", ".workers"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[TestHome]:
    """A home on a disk of 8 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
    home = TestHome(disk / "home")
    yield home
    home.end_all()
    subprocess.run(["umount", "--lazy", disk], check=True)


@dataclass(frozen=True)
class ThinDisk:
    """An ext4 of 300 MB that has memory for 40 only: what a program writes it accepts, and cannot keep."""

    home: TestHome
    path: Path
    memory: Path

    def mend(self) -> None:
        subprocess.run(["mount", "-o", "remount,size=400m", self.memory], check=True)

    def forget(self) -> None:
        """Have all that is read come from the disk."""
        self.home.end_all()
        subprocess.run(["umount", self.path], check=True)
        subprocess.run(["mount", "-o", "loop", self.memory / "image", self.path], check=True)


@pytest.fixture
def thin_disk(tmp_path: Path) -> Iterator[ThinDisk]:
    memory, path = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", memory], check=True)
    subprocess.run(["truncate", "-s", "300M", memory / "image"], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", memory / "image"], check=True)  # a journal would give up
    subprocess.run(["mount", "-o", "loop", memory / "image", path], check=True)
    made = ThinDisk(TestHome(path / "home"), path, memory)
    yield made
    made.home.end_all()
    subprocess.run(["umount", "--lazy", path], check=True)
    subprocess.run(["umount", "--lazy", memory], check=True)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faults of tests/faults.c, to be preloaded."""
    built = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


@pytest.fixture
def faults(library: Path, tmp_path: Path) -> Path:
    """The library in a folder of this test's own, in which the files lie that switch them on."""
    return Path(shutil.copy(library, tmp_path))


def deliver(home: TestHome, count: int) -> list[str]:
    names = [f"p{number:02}" for number in range(count)]
    for name in names:
        home.package(name)
    return names


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  (how far it comes is not known before)
    return filler


@needs_mounts
@pytest.mark.parametrize("keep_free", ["1 MiB", "0B"])
def test_a_full_disk_costs_no_package_anything(small_disk: TestHome, keep_free: str) -> None:
    home = small_disk
    home.handler(PRELUDE + "start()\nwait_for('go')\nnote('end')")
    with (home.path / "jobrunner.toml").open("a") as file:
        file.write(f'[extract]\nkeep_free = "{keep_free}"\n')
    names = deliver(home, 20)
    run = Run(home, "run", "-n", "3")
    wait_until(lambda: len(journal(home.path, "start")) == 3)
    filler = fill(home.path.parent)
    (home.path / "go").touch()
    trouble = run.trouble()
    assert trouble.startswith("the disk of the work folder ")
    assert trouble.endswith(": make room")
    wait_until(lambda: len(journal(home.path, "end")) == 3)  # what ran when the disk became full ends, nothing begins
    assert home.status()["troubles"] == [trouble]
    filler.unlink()
    hold_all_done(home, run, names)


@contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    folder.rename(f"{folder}-away")
    yield
    Path(f"{folder}-away").rename(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    other = apsw.Connection(str(database))
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.close()


Fault = Callable[[Path], AbstractContextManager[None]]
FAULTS = [
    ("archive", moved_away, "is not there: put it back, or mount its disk"),
    ("inbox", moved_away, "is not there: put it back, or mount its disk"),
    ("work", moved_away, "is not there: put it back, or mount its disk"),
    ("failed", moved_away, "is not there: put it back, or mount its disk"),
    ("jobrunner.db", locked, "is locked by another program: end that one"),
    pytest.param("archive", read_only, "(Read-only file system): mount it writable", marks=needs_mounts),
    pytest.param("logs", read_only, "(Read-only file system): mount it writable", marks=needs_mounts),
]


@pytest.mark.parametrize(("where", "fault", "words"), FAULTS)
def test_a_fault_is_said_once_and_waited_for(home: TestHome, where: str, fault: Fault, words: str) -> None:
    home.handler(PRELUDE + "start()\nwait_for('go')\nif NAME == 'p02': sys.exit(65)\nnote('end')")
    names = deliver(home, 6)
    run = Run(home, "run", "-n", "3")
    wait_until(lambda: len(journal(home.path, "start")) == 3)
    with fault(home.path / where):
        (home.path / "go").touch()
        trouble = run.trouble()
        assert str(home.path / where) in trouble
        assert trouble.endswith(words)
        assert status(home).troubles == [trouble]
        if where in {"archive", "logs"}:  # which each worker needs: one that looks when all is well blames its package
            wait_until(lambda: workers_in_trouble(home) == 3)
    wait_until(lambda: status(home).counts["failed"] == 1)
    assert "65" in (story(home, "p02").job.error or "")
    names.remove("p02")
    hold_all_done(home, run, names)


@needs_mounts
def test_packages_of_an_inbox_that_is_not_mounted_any_more_are_waited_for(home: TestHome) -> None:
    home.handler(HANDLER)
    share = home.path / "share"
    share.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", share], check=True)
    mount = ["mount", "--bind", str(share), str(home.inbox)]
    subprocess.run(mount, check=True)
    try:
        names = deliver(home, 3)
        run = Run(home, "run", "-n", "1")
        wait_until(lambda: journal(home.path, "start"))
        subprocess.run(["umount", "--lazy", home.inbox], check=True)
        (home.path / "go").touch()
        assert run.trouble() == f"the disk of the inbox {home.inbox} is not mounted: mount it"
        subprocess.run(mount, check=True)
        hold_all_done(home, run, names)
    finally:
        subprocess.run(["umount", "--lazy", home.inbox, share], check=False)


def test_nothing_is_written_to_a_database_that_was_replaced(home: TestHome) -> None:
    home.handler(HANDLER)
    deliver(home, 2)
    run = Run(home, "run", "-n", "2")
    wait_until(lambda: len(journal(home.path, "start")) == 2)
    database = home.path / "jobrunner.db"
    database.rename(home.path / "old.db")
    shutil.copy(home.path / "old.db", database)
    (home.path / "go").touch()
    assert "jobrunner check --rebuild" in run.trouble()
    assert run.process.wait(20) == 1
    assert run.said("done") == []
    assert not met_a_bug(run.text())


def test_a_worker_that_cannot_record_what_it_did_ends_when_it_is_asked_to(home: TestHome) -> None:
    home.handler(HANDLER)
    deliver(home, 2)
    run = Run(home, "run", "-n", "2")
    wait_until(lambda: len(journal(home.path, "start")) == 2)
    with locked(home.path / "jobrunner.db"):
        (home.path / "go").touch()
        run.trouble()
        run.end()
    again = Run(home, "run", "-n", "2", "--drain")
    assert again.process.wait(30) == 0
    for name in ("p00", "p01"):
        assert outcomes(home, name) == ["interrupted", "done"]
    assert len(journal(home.path, "start")) == 2  # what succeeded is not run again


@needs_mounts
@pytest.mark.parametrize("clean", [True, False])
def test_status_and_show_read_what_is_read_only(home: TestHome, clean: bool) -> None:
    home.package("p")
    assert home.jobrunner("run", "--drain").returncode == 0
    home.package("new")
    reader = None if clean else home.open()  # the journal of the database stays as long as it is open
    with read_only(home.path):
        shown = home.status()
        assert shown["counts"]["done"] == 1
        folder, database = shown["troubles"]
        assert folder.endswith("(Read-only file system): mount it writable")
        assert "cannot be written to" in database
        assert home.show("p")["state"] == "done"
        refused = home.jobrunner("scan")
    if reader:
        reader.store.close()
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "mounted read-only" in refused.stderr


def _has_failed_twice(calls: Path) -> bool:
    return calls.exists() and calls.read_text().count("\n") >= 2


def test_a_disk_that_fails_is_waited_for(home: TestHome, faults: Path) -> None:
    home.handler(HANDLER)
    names = deliver(home, 6)
    run = Run(home, "run", "-n", "3", preload=faults)
    wait_until(lambda: len(journal(home.path, "start")) == 3)
    workers = [running.worker_pid for running in status(home).running]
    (faults.parent / "eio").touch()
    (home.path / "go").touch()
    for worker in workers:  # each has met it, as the archive cannot be flushed, and then probed the folders
        wait_until(partial(_has_failed_twice, faults.parent / f"fsync-{worker}"))
    assert run.trouble().endswith("(Input/output error): see the system's log for its disk")
    began = [note.package for note in journal(home.path, "start")]
    (faults.parent / "eio").unlink()
    hold_all_done(home, run, names, again=began)  # what they wrote may be gone


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not Path("/dev/loop-control").exists(),
    reason="only root, with mkfs.ext4 and loop devices, can make a disk that loses what was written to it",
)
def test_what_a_disk_took_and_could_not_keep_is_not_archived(thin_disk: ThinDisk, tmp_path: Path) -> None:
    home, content = thin_disk.home, os.urandom(1000) * 80_000
    database = tmp_path / "jobrunner.db"  # on a disk that is well
    home.configure(
        f'[database]\nurl = "sqlite:///{database}"\n[process]\ncommand = ["true"]\n'
        '[extract]\nkeep_free = "0B"\n[retry]\nbackoff = "0.1s"\n'
    )
    home.package("p", {"data.bin": content})
    subprocess.run(["sync", "-f", home.inbox], check=True)
    run = Run(home, "run")
    wait_until(lambda: run.said("trouble"))
    thin_disk.mend()
    wait_until(lambda: run.said("done"))
    run.end()
    thin_disk.forget()
    assert (home.archive / "p" / "data.bin").read_bytes() == content


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_jumps_by_a_day_neither_hastens_nor_delays_a_retry(
    home: TestHome, faults: Path, jump: int
) -> None:
    source = PRELUDE + "start()\nif NAME == 'p00' and ATTEMPT < 3: sys.exit(75)\nif NAME == 'p01': wait_for('go')"
    home.handler(source, retry='backoff = "1.2s"\nmax_backoff = "1.2s"')
    deliver(home, 2)
    run = Run(home, "run", "-n", "2", "--drain", preload=faults)
    wait_until(lambda: status(home).counts["waiting"] == 1)
    (faults.parent / "jump").write_text(str(jump))
    wait_until(is_done(home, 1))
    starts = [note.at for note in journal(home.path, "start") if note.package == "p00"]
    assert len(starts) == 3
    assert all(1.2 <= later - earlier < 5 for earlier, later in pairwise(starts))
    (running,) = status(home).running
    assert 2.4 <= running.seconds < 20
    (home.path / "go").touch()
    assert run.process.wait(30) == 0
    for attempt in (*story(home, "p00").attempts, *story(home, "p01").attempts):
        assert 0 <= (attempt.handle_seconds or 0) < 20
