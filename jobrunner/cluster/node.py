"""What makes a Dask worker a node: `dask worker tls://… --preload jobrunner.cluster.node`.

A run of the handler is a task that waits for a guard, in the Dask worker's own loop. Dask ends it, and the guard then
ends the handler, where the task is not wanted any more: its dispatcher has gone, or the scheduler cannot be reached.
"""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import Worker, WorkerPlugin, get_worker

from jobrunner.cluster import lives
from jobrunner.cluster.request import Setup, our_version
from jobrunner.domain.cluster import node_name
from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.files import fence
from jobrunner.process import choosing
from jobrunner.process.channel import LONGEST
from jobrunner.process.handler import Call
from jobrunner.process.killing import descendants, end_all
from jobrunner.process.killing import in_words as left_in_words

_LOG = logging.getLogger("distributed.worker.jobrunner")
#: Seconds that a node may take, beyond twice Dask's timeout, until it has noticed that it is cut off.
_NOTICES = 10.0
#: Seconds that a guard may take to end: it hangs where its file server is not reached. A nanny kills us after 4.
_PATIENCE = 2.0


class _Guard:
    """A guard that runs, and our end of the connection to it."""

    def __init__(self, setup: str, message: bytes, node: str) -> None:
        self.setup = setup
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = (sys.executable, "-P", "-m", "jobrunner.cluster.guard", str(theirs.fileno()), node)
            self.process = subprocess.Popen(words, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        ours.setblocking(False)
        ours.send(message)
        self.connection = ours

    @property
    def is_well(self) -> bool:
        """Whether it can run another package."""
        return self.process.poll() is None

    def end(self) -> None:
        """Have it end all that it runs, and then itself; whoever waits for its answer hears that there is none."""
        with suppress(OSError):  # it has ended
            self.connection.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self.wait).start()  # which this process does before its own end

    def wait(self) -> None:
        """Wait for its end. Where it hangs, end what it runs, and kill it, which it may hear only when it goes on."""
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            end_all(partial(descendants, self.process.pid), patience=_PATIENCE)
            self.process.kill()
            self.process.wait()
            _sweep("of a guard that has hung")

    def close(self) -> None:
        """Have it end, when no answer is waited for."""
        self.connection.close()


class Plugin(WorkerPlugin):
    """One Dask worker's guards."""

    name = "jobrunner"

    def __init__(self) -> None:
        self.node = ""
        self._idle: dict[str, list[_Guard]] = defaultdict(list)
        self._busy: dict[str, _Guard] = {}
        self._slots = 1

    def setup(self, worker: Worker) -> None:
        """Begin a life."""
        self.node = node_name(socket.gethostname(), worker.name)
        self._slots = worker.state.nthreads

    def teardown(self, worker: Worker) -> None:
        """End what runs, before the Dask worker ends."""
        for guard in [*self._busy.values(), *(guard for guards in self._idle.values() for guard in guards)]:
            guard.end()

    def transition(self, key: Any, start: str, finish: str, **_: object) -> None:
        """End a run that is not wanted any more."""
        if finish in {"cancelled", "released", "forgotten"} and (guard := self._busy.get(key)):
            guard.end()

    async def run(self, key: str, setup: str, call: str) -> str:
        """Run the handler, and return the guard's answer. Raises OSError where there is none."""
        guard = self._taken(setup)
        self._busy[key] = guard
        is_whole = False
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(guard.connection, call.encode("ascii"))
            while True:
                answer = await loop.sock_recv(guard.connection, LONGEST)
                if not answer:
                    await asyncio.to_thread(self._clear_up_after, guard, call)
                    raise ConnectionResetError("its guard has ended")
                if not answer.startswith(b'{"left"'):
                    is_whole = True
                    return answer.decode("ascii")
                _LOG.warning("%s waits for processes that do not end: %s", self.node, answer.decode("ascii"))
        finally:
            del self._busy[key]
            if is_whole and guard.is_well:
                self._idle[setup].append(guard)
                self._let_some_go()
            else:
                guard.end()
                guard.close()

    def _taken(self, setup: str) -> _Guard:
        while self._idle[setup]:
            guard = self._idle[setup].pop()
            if guard.is_well:
                return guard
            guard.close()
        return _Guard(setup, setup.encode("ascii"), self.node)

    def _let_some_go(self) -> None:
        """Keep no more idle guards than there are slots; those of other settings go first."""
        while sum(map(len, self._idle.values())) > self._slots:
            oldest = next(setup for setup, guards in self._idle.items() if guards)
            self._idle[oldest].pop(0).close()

    def _clear_up_after(self, guard: _Guard, call: str) -> None:
        """Once a guard has ended, end what it has left if it was killed, and say that nothing is left."""
        guard.wait()
        if _sweep("of a killed guard"):
            return
        package = Call.of(json.loads(call)).package
        fence.end(str(package.data.parent), package.attempt)


async def dask_setup(worker: Worker) -> None:
    """Make a Dask worker a node: called by it before it reaches its scheduler."""
    if not isinstance(worker, Worker):
        raise ConfigurationError("jobrunner.cluster.node is for dask worker --preload, not for a nanny or a scheduler")
    await asyncio.to_thread(_sweep, "of a dead guard of an earlier life of this node")
    await worker.plugin_add(Plugin(), catch_errors=False)


async def run(key: str, version: str, setup: str, call: str) -> dict[str, str]:
    """Run the handler on one package: `answer` is the guard's, `refused` says why it has not been started."""
    plugin = _plugin_of(get_worker())
    assert plugin, "only nodes are given packages"
    if version != our_version():
        return {"node": plugin.node, "refused": _other_version(version)}
    return {"node": plugin.node, "answer": await plugin.run(key, setup, call)}


async def check(
    version: str, setup: dict[str, Any], probe: str, content: str, node_timeout: float, *, dask_worker: Worker
) -> dict[str, Any]:
    """Say whether this node can run the handler: its name, its slots, and its `trouble`, None where it can.

    `probe` is a file in the work folder with this content; another one is left beside it. `dask_worker` is Dask's gift.
    """
    worker = dask_worker
    plugin = _plugin_of(worker)
    name = plugin.node if plugin else node_name(socket.gethostname(), worker.name)
    if plugin is None:
        trouble: str | None = "it is no node: start it with --preload jobrunner.cluster.node"
    elif version != our_version():
        trouble = _other_version(version)
    else:
        trouble = await asyncio.to_thread(_obstacle, Setup.of(setup), probe, content, node_timeout)
    return {"node": name, "slots": worker.state.nthreads, "trouble": trouble}


def too_slow(node_timeout: float) -> str | None:
    """Say why this machine notices too late that it is cut off; None where it does in time."""
    notices = 2 * parse_timedelta(dask.config.get("distributed.comm.timeouts.tcp")) + _NOTICES
    if notices <= node_timeout:
        return None
    return (
        f"Dask notices only after {notices:g} s there that it is cut off, but cluster.node_timeout is "
        f"{node_timeout:g} s: "
        "make distributed.comm.timeouts.tcp shorter there, or node_timeout longer"
    )


def no_handler(setup: Setup) -> str | None:
    """Say why the handler cannot be started on this machine; None where it can."""
    try:
        if not setup.home.is_dir():
            return f"there is no folder {setup.home} there, in which the handler is started"
        choosing.check(setup.process, setup.home)
    except ConfigurationError as error:
        return str(error)
    except OSError as error:
        return in_words(error)
    return None


def _sweep(whose: str) -> bool:
    """End what dead guards have left; say whether there is something that does not end."""
    left = lives.sweep()
    if left:
        _LOG.error("%s", left_in_words(left, whose))
    return bool(left)


def _obstacle(setup: Setup, probe: str, content: str, node_timeout: float) -> str | None:
    """Say why this machine cannot run the handler; None where it can."""
    return too_slow(node_timeout) or _no_work_folder(probe, content) or no_handler(setup)


def _no_work_folder(probe: str, content: str) -> str | None:
    work = str(Path(probe).parents[1])
    try:
        if Path(probe).read_text("ascii") != content:
            return f"another folder is at {work} there than here: export this one to it"
        descriptor = os.open(f"{probe}-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
    except OSError as error:
        return f"it cannot work in {work}: {in_words(error)}; export it to that machine, for the same user id"
    return None


def _plugin_of(worker: Worker) -> Plugin | None:
    plugin = worker.plugins.get(Plugin.name)
    return plugin if isinstance(plugin, Plugin) else None


def _other_version(server: str) -> str:
    return f"it has jobrunner {our_version()}, the server {server}: install that one there"
