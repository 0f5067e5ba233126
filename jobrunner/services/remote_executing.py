"""The second step of an attempt where the handler runs on a node of a cluster, and the fence about it."""

import time
from collections.abc import Sequence
from pathlib import Path

from jobrunner.cluster.remote import Remote
from jobrunner.cluster.request import Lost
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package, shown
from jobrunner.files import fence, logs
from jobrunner.files.folders import Folders
from jobrunner.process.handler import Call
from jobrunner.services.attempt import CurrentAttempt
from jobrunner.services.executing import as_it_is_recorded
from jobrunner.services.machine import Machine
from jobrunner.services.node_wait import NodeWait

#: Seconds between two looks at whether a lost run has ended, and after which it is said what is waited for.
_PAUSE = 0.05
_SILENT = 2.0


class RemoteExecutor:
    """Runs the handler on a node of a cluster."""

    is_instant = False

    def __init__(self, remote: Remote, home: Path, folders: Folders, machine: Machine, node_timeout: float) -> None:
        """`node_timeout`: seconds after which nothing runs any more on a node that cannot be reached."""
        self._remote = remote
        self._home = home
        self._folders = folders
        self._machine = machine
        self._node_timeout = node_timeout

    def execute(self, attempt: CurrentAttempt) -> HandlerResult:
        """Run the handler. A run that is lost is no failure of the package, nor is one while something is wrong here.

        What is answered counts only once it is written down that nothing is left of the run.
        """
        job, workspace = attempt.job, attempt.workspace
        package = Package(job.package, Path(workspace.data), Path(attempt.zip_path), job.attempt, self._home)
        log_path = logs.start_log(self._folders, job.name, job.attempt)
        offered = fence.offer(workspace.path, job.attempt, log_path)
        start = time.monotonic()
        answer = self._remote.run(Call(package, offered, workspace.handler_progress))
        if not fence.has_ended(workspace.path, job.attempt):
            self._wait(NodeWait(workspace.path, job.attempt, self._node_timeout), shown(job.name))
        attempt.details.handle = time.monotonic() - start
        attempt.details.node = fence.node_of(workspace.path, job.attempt)
        result = HandlerResult(Outcome.FAULT, answer.why) if isinstance(answer, Lost) else answer
        return as_it_is_recorded(result, log_path, self._machine)

    def hold_to_life(self) -> None:
        """Nothing of it lives that could die: what is wrong with the cluster is a trouble of the machine's."""

    @property
    def descriptors(self) -> Sequence[int]:
        """Return none."""
        return ()

    def _wait(self, wait: NodeWait, name: str) -> None:
        began, is_said = time.monotonic(), False
        while not wait.is_over():
            if not is_said and time.monotonic() - began >= _SILENT:
                self._machine.hold_up(wait.in_words(name))
                is_said = True
            time.sleep(_PAUSE)
        if is_said:
            self._machine.hold_up(None)
