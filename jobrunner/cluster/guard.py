"""The guard of a node, a program of its own, because a Dask worker has threads and must not fork.

It is what the guard at home is, and besides that holds the attempt's fence: nothing starts that was started before, and
what has ended is said to have ended only when nothing is left of it and all that it wrote has left this machine.
"""

import os
import sys
import traceback

from jobrunner.cluster.lives import appear
from jobrunner.cluster.request import Setup
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.exits import BUG
from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.files import fence
from jobrunner.linux.flushing import flush_filesystem
from jobrunner.process import cgroup, choosing
from jobrunner.process.channel import Channel
from jobrunner.process.guarding import Server
from jobrunner.process.handler import Call
from jobrunner.process.output import Room
from jobrunner.process.signals import block


class NodeServer(Server):
    """Runs the handler within the fence of the attempt."""

    #: What it is called.
    node = ""
    _begun: tuple[str, int] | None = None

    def run(self, call: Call) -> HandlerResult:
        """Run the handler on one package, unless it has been started before."""
        folder, attempt = str(call.package.data.parent), call.package.attempt
        try:
            fence.begin(folder, attempt, self.node)
        except fence.StartedAlready:
            return HandlerResult(Outcome.FAULT, f"attempt {attempt} was not to be started on {self.node} any more")
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"{self.node} does not see the package: {in_words(error)}")
        self._begun = folder, attempt
        result = super().run(call)
        try:
            self._note_end()
        except OSError as error:
            return HandlerResult(Outcome.FAULT, f"{self.node} could not write all: {in_words(error)}")
        return result

    def nothing_is_left(self) -> None:
        """Say so, where the run was cut short."""
        if self._begun:
            self._note_end()

    def _note_end(self) -> None:
        if self._begun:
            folder, attempt = self._begun
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                flush_filesystem(descriptor, folder)
            finally:
                os.close(descriptor)
                self._begun = None
                fence.end(folder, attempt)


def main(descriptor: int, node: str) -> None:
    """Serve the connection that this descriptor is: first comes how to run the handler, then one call after another."""
    block()
    channel = Channel(descriptor)
    setup = Setup.of(channel.receive())
    os.umask(setup.umask)
    process, present = setup.process, appear()
    try:
        cgroup.check(process.max_processes)
    except ConfigurationError as error:
        channel.receive()
        channel.send_result(HandlerResult(Outcome.FAULT, f"{node} cannot run it: {error}"))
        return
    handler = choosing.handler_for(process, setup.home, present.token)
    assert handler, "workers without one ask for no run"
    room = Room(process.max_log, setup.keep_free, is_shared=True)
    server = NodeServer(channel, handler, process.timeout, present, process.max_processes, room, _give_up)
    server.node = node
    server.run_until_closed()


def _give_up(error: BaseException) -> int:
    traceback.print_exception(error)  # into the log of the Dask worker
    return BUG


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
