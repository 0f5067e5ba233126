"""Whether anybody works here, for whoever restarts what does not."""

from jobrunner.linux import proc
from jobrunner.services.report import Report
from jobrunner.store.runners import RunnerRecord
from jobrunner.store.store import Store

_STOPPED = frozenset("Tt")


class Health:
    """Reads the database, and what the kernel says of processes."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self._report = report

    def illness(self) -> str | None:
        """Return what keeps packages from being worked on, in words; None where nothing does. Raises StoreError.

        A pause does not, nor what is wrong with single packages.
        """
        runners = [runner for runner in self._store.runners.all() if runner.process.lives() and runner.workers]
        if not runners:
            return "nobody works here: no jobrunner run or work is running"
        living = [worker for worker in self._store.workers.not_ended() if worker.process.lives()]
        stands_still = all(worker.trouble for worker in living)  # else it is a single package that is held up
        if troubles := self._report.troubles(living if stands_still else ()):
            return troubles[0]
        alive = {worker.supervisor for worker in living}
        return next(filter(None, (_illness_of(runner, has_workers=runner.token in alive) for runner in runners)), None)


def _illness_of(runner: RunnerRecord, *, has_workers: bool) -> str | None:
    pid = runner.process.pid
    who = f"jobrunner {runner.command}, pid {pid}"
    try:
        states = {child: proc.stat(child).state for child in (pid, *proc.children(pid))}
    except OSError:  # one has ended just now, or it is another user's and hidden
        states = {}
    if stopped := [child for child, state in states.items() if state in _STOPPED]:
        return f"process {stopped[0]} of {who} is stopped: kill -CONT {stopped[0]}"
    return None if has_workers else f"no worker of {who} is alive: jobrunner status says why"
