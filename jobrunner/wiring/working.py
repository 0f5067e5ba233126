"""Builds a worker."""

from jobrunner.domain.notice import Kind
from jobrunner.files.archiving import Archiving
from jobrunner.files.failing import Failing
from jobrunner.files.moves import Watch
from jobrunner.files.taking import Taking
from jobrunner.linux.turns import Turns
from jobrunner.process.signals import StopRequest
from jobrunner.services.executing import Executor
from jobrunner.services.machine import Machine
from jobrunner.services.pipeline import Pipeline
from jobrunner.services.preparing import Preparing
from jobrunner.services.receipting import Receipting
from jobrunner.services.recording import Recording
from jobrunner.services.settling import Settling
from jobrunner.services.worker import Worker
from jobrunner.wiring.home import Home


def worker(home: Home, executor: Executor, machine: Machine, stop: StopRequest, turns: Turns | None = None) -> Worker:
    """Return a worker of a home that runs the handler by this executor, and waits for a turn to extract if need be."""
    settings, folders = home.settings, home.folders
    disk = Watch(folders.work)
    taking = Taking(folders, settings.extract, disk)
    recording = Recording(home.store, machine, stop, notes_failures=settings.notify.wants(Kind.FAILED))
    settling = Settling(
        Receipting(None if executor.is_instant else settings.process.command or settings.process.callable),
        Archiving(folders, disk),
        Failing(folders, taking),
        recording,
        machine,
        settings.retry_policy,
        home.emit,
        has_handler=not executor.is_instant,
        keeps_failed=settings.process.keep_failed > 0,
    )
    preparing = Preparing(settings, folders, taking, turns)
    pipeline = Pipeline(folders, preparing, executor, settling, home.store, machine)
    return Worker(home.store, pipeline, recording, machine, stop)
