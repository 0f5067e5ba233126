import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.files.folders import Folders
from jobrunner.linux.processes import Process
from jobrunner.process import signals
from jobrunner.process.signals import StopRequest
from jobrunner.services.machine import Machine, Stopped
from jobrunner.store.database import Database
from jobrunner.store.workers import Workers
from tests.support import TestHome, wait_until


class Scene:
    """A machine as a worker has it, on the folders of a home."""

    def __init__(self, home: TestHome) -> None:
        service = home.open()
        self.home = home
        self.settings = service.settings
        self.store = service.store
        self.told: list[str | None] = []
        self.stop = StopRequest({signal.SIGTERM})
        self.machine = Machine(Folders(service.settings.folders), 0, self.store, self.told.append, self.stop)
        with self.store.write():
            self.store.workers.register("me", "boss", Process(1, 1, "a-boot"), 0.0)
        self.machine.token = "me"

    def recorded(self) -> str | None:
        (worker,) = self.store.workers.not_ended()
        return worker.trouble


@pytest.fixture
def scene(home: TestHome) -> Iterator[Scene]:
    signals.block()
    yield Scene(home)
    signals.unblock()


def test_what_succeeds_is_not_probed(scene: Scene) -> None:
    assert scene.machine.until_it_works(lambda: 42) == 42
    assert scene.told == []


def test_a_trouble_is_told_and_recorded_until_it_is_mended(scene: Scene) -> None:
    away = scene.home.path / "away"
    scene.home.archive.rename(away)
    threading.Thread(target=lambda: (wait_until(scene.told.copy), away.rename(scene.home.archive))).start()
    tries = []

    def action() -> int:
        tries.append(scene.recorded())
        return len(os.listdir(scene.home.archive))

    assert scene.machine.until_it_works(action) == 0
    trouble = f"the archive {scene.home.archive} is not there: put it back, or mount its disk"
    assert scene.told == [trouble, None]
    assert len(tries) == 2
    assert scene.recorded() is None


def test_what_a_probe_does_not_find_is_tried_again_all_the_same(scene: Scene) -> None:
    failures = [StoreError("no such luck"), OSError(errno.EIO, "Input/output error", "/x"), StoreError("no luck")]

    def action() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert scene.machine.until_it_works(action) == "done"
    assert scene.told == ["Input/output error: /x", "no such luck", None]


def test_what_was_mended_before_it_could_be_looked_for_is_not_told(scene: Scene) -> None:
    scene.home.archive.rmdir()

    def action() -> list[str]:
        try:
            return os.listdir(scene.home.archive)
        except FileNotFoundError:
            scene.home.archive.mkdir()
            raise

    assert scene.machine.until_it_works(action) == []
    assert scene.told == []


def test_a_lost_connection_is_made_again(scene: Scene) -> None:
    def action() -> str | None:
        return scene.recorded()

    scene.store.close()
    assert scene.machine.until_it_works(action) is None


def test_a_signal_ends_the_waiting(scene: Scene, tmp_path: Path) -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # other threads of pytest do not block it
    scene.home.archive.rmdir()
    with pytest.raises(Stopped):
        scene.machine.wait_until_well("something")
    assert scene.stop.caught is signal.SIGTERM
    assert scene.told == ["something"]


def test_what_is_wrong_is_recorded_before_it_is_waited_for(scene: Scene) -> None:
    scene.home.archive.rmdir()
    trouble = scene.machine.probe()
    assert trouble is not None
    assert scene.recorded() == trouble
    reader = Database(scene.store.database.path)
    reader.open()
    assert Workers(reader).not_ended()[0].trouble == trouble
    reader.close()


def test_a_worker_that_is_drained_goes_on_waiting_for_the_machine(scene: Scene) -> None:
    away = scene.home.path / "away"
    scene.home.archive.rename(away)
    asked = StopRequest({signal.SIGTERM}, drains=True)
    signal.raise_signal(signals.DRAIN_SIGNAL)
    assert asked()
    machine = Machine(Folders(scene.settings.folders), 0, scene.store, scene.told.append, asked)
    machine.token = "me"
    threading.Thread(target=lambda: (wait_until(scene.told.copy), away.rename(scene.home.archive))).start()
    assert machine.until_it_works(lambda: os.listdir(scene.home.archive)) == []
    assert scene.told[-1] is None
