"""A worker that puts small packages in the archive in batches, and what befalls one of them meanwhile."""

import errno
import os
from collections.abc import Callable
from typing import TextIO

import pytest

from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.events import ClaimGone, Event, JobDone, JobFailed, JobPutOff
from jobrunner.domain.job import Outcome
from jobrunner.domain.retry import put_back
from jobrunner.domain.role import Role
from jobrunner.files import moves
from jobrunner.services import settling
from jobrunner.store.bell import Bell
from jobrunner.wiring.bugs import Exits
from jobrunner.wiring.home import load_settings
from jobrunner.wiring.running import worker_main
from tests.support import BROKEN_ZIP, RECEIPT, TestHome

NAMES = ("p", "q", "r", "s")

OfAPackage = JobDone | JobFailed | JobPutOff | ClaimGone


class Scene:
    """A home without a handler, and a worker on it in this process, that looks at no clock."""

    def __init__(self, home: TestHome, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.events: list[Event] = []
        #: How many packages were ready at each flush of the disk.
        self.flushes: list[int] = []
        #: What is done before the first flush of the disk.
        self.meanwhile: list[Callable[[], object]] = []
        #: What is done when one is put off.
        self.on_put_off: list[Callable[[], object]] = []
        flush = moves.Watch.flush

        def flush_and_note(disk: moves.Watch) -> None:
            self.flushes.append(len(list(home.work.glob("*/handled-*"))))
            while self.meanwhile:
                self.meanwhile.pop()()
            flush(disk)

        patch.setattr(settling, "BATCH_SECONDS", 60.0)
        patch.setattr(moves.Watch, "flush", flush_and_note)
        home.configure('[retry]\nbackoff = "0.01s"\n')

    def deliver(self, *names: str, size: int = 10) -> None:
        for name in names:
            self.home.package(name, {"a": os.urandom(size)})
            self.home.open().intake.scan()

    def work(self) -> None:
        bell = Bell(self.home.path / "jobrunner.db")
        main = worker_main(load_settings(self.home.path), Exits(None, print).of, bell, None, drain=True)
        main("the supervisor", 1, lambda trouble: None, Emit(Role.WORKER, self._hear))

    def _hear(self, envelope: Envelope) -> None:
        event = envelope.event
        self.events.append(event)
        while isinstance(event, JobPutOff) and self.on_put_off:
            self.on_put_off.pop()()

    def assert_done(self) -> None:
        assert self.home.counts() == {"queued": 0, "waiting": 0, "running": 0, "done": 4, "failed": 0}
        for name in NAMES:
            assert sorted(os.listdir(self.home.archive / name)) == [RECEIPT, "a", f"{name}.zip"]
        assert sorted(os.listdir(self.home.work)) == [".home", ".workers"]

    def heard(self, kind: type[OfAPackage]) -> list[str]:
        return [event.name for event in self.events if isinstance(event, kind)]


@pytest.fixture
def scene(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(home, monkeypatch)


def test_small_packages_without_a_handler_are_flushed_together(scene: Scene) -> None:
    scene.deliver(*NAMES)
    scene.work()
    assert scene.flushes == [4]
    assert scene.heard(JobDone) == list(NAMES)
    scene.assert_done()


@pytest.mark.parametrize(
    ("limit", "value", "flushes"),
    [("BATCH_PACKAGES", 3, [3, 1]), ("BATCH_BYTES", 6_000_000, [2, 2]), ("BATCH_SECONDS", 0, [1] * 4)],
)
def test_no_package_waits_for_many_others_nor_for_much_nor_for_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, flushes: list[int]
) -> None:
    monkeypatch.setattr(settling, limit, value)
    scene.deliver(*NAMES, size=3_500_000)
    scene.work()
    assert scene.flushes == flushes
    scene.assert_done()


def test_no_package_waits_for_a_large_one(scene: Scene) -> None:
    scene.deliver("p", "q")
    scene.deliver("r", size=5_000_000)
    scene.deliver("s")
    scene.work()
    assert scene.flushes == [2, 1, 1]
    assert scene.heard(JobDone) == list(NAMES)
    scene.assert_done()


def test_no_package_waits_for_a_handler(scene: Scene) -> None:
    scene.home.configure('[process]\ncommand = ["true"]\n')
    scene.deliver(*NAMES)
    scene.work()
    assert scene.flushes == [1] * 4
    scene.assert_done()


def test_who_has_taken_a_name_in_the_archive_holds_up_this_package_only(scene: Scene) -> None:
    in_the_way = scene.home.archive / "q"
    scene.meanwhile.append(in_the_way.mkdir)
    scene.on_put_off.append(in_the_way.rmdir)
    scene.deliver(*NAMES)
    scene.work()
    assert scene.heard(JobDone) == ["p", "r", "s", "q"]
    assert scene.heard(JobPutOff) == ["q"]
    scene.assert_done()


def test_a_package_that_fails_ends_after_those_that_are_ready(scene: Scene) -> None:
    scene.deliver("p", "q")
    (scene.home.package("t") / "t.zip").write_bytes(BROKEN_ZIP)
    scene.home.open().intake.scan()
    scene.deliver("r", "s")
    scene.work()
    assert scene.flushes[0] == 2
    assert scene.heard(JobFailed) == ["t"]
    assert scene.heard(JobDone) == list(NAMES)
    assert scene.home.counts()["done"] == 4


def test_what_could_not_be_flushed_is_extracted_again(scene: Scene) -> None:
    lost: list[TextIO] = []

    def fail() -> None:
        lost.extend(path.open() for path in scene.home.work.glob("*/handled-*/a"))  # open: no other gets its number
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    scene.meanwhile.append(fail)
    scene.deliver(*NAMES)
    scene.work()
    assert scene.flushes[0] == len(lost) == 4
    inodes = {os.fstat(file.fileno()).st_ino for file in lost}
    assert inodes.isdisjoint(path.stat().st_ino for path in scene.home.archive.glob("*/a"))
    assert sorted(scene.heard(JobPutOff)) == list(NAMES)
    assert sorted(scene.heard(JobDone)) == list(NAMES)
    scene.assert_done()
    assert [scene.home.show(name)["attempts"][0]["outcome"] for name in NAMES] == ["fault"] * 4


def test_what_an_earlier_worker_had_ready_is_flushed_together(scene: Scene) -> None:
    def lose_all() -> None:
        other = scene.home.open()
        for name in NAMES:
            job = other.store.jobs.find(name)
            assert job is not None
            (scene.home.work / f"{job.id}-1").rename(scene.home.work / f"{job.id}-2")
            with other.store.write():
                other.store.queue.requeue(
                    job, Outcome.INTERRUPTED, put_back(job, "its worker was killed"), other.store.now()
                )

    scene.meanwhile.append(lose_all)
    scene.deliver(*NAMES)
    scene.work()
    assert scene.flushes == [4, 4]
    assert scene.heard(ClaimGone) == scene.heard(JobDone) == list(NAMES)
    scene.assert_done()


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_job_that_is_somebody_elses_by_now_is_not_recorded_and_the_others_are(
    scene: Scene, is_taken_over: bool
) -> None:
    def lose() -> None:
        other = scene.home.open()
        job = other.store.jobs.find("q")
        assert job is not None
        with other.store.write():
            other.store.queue.requeue(job, Outcome.INTERRUPTED, put_back(job, "somebody took it"), other.store.now())
        if is_taken_over:
            (scene.home.work / "2-1").rename(scene.home.work / "2-2")

    scene.meanwhile.append(lose)
    scene.deliver(*NAMES)
    scene.work()
    assert scene.heard(ClaimGone) == ["q"]
    assert scene.heard(JobPutOff) == []
    assert scene.heard(JobDone) == ["p", "r", "s", "q"]
    assert [attempt["outcome"] for attempt in scene.home.show("q")["attempts"]] == ["interrupted", "done"]
    scene.assert_done()
