"""Commands in forks of a process that has imported jobrunner: to start an interpreter takes longer than most of them.

A command has its own environment, folder and output, as a program that is started has, but it is no child of ours.
"""

import ctypes
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TextIO

import jobrunner

#: The function that is jobrunner.
JOBRUNNER = "jobrunner.cli.main:main"
#: Names its home in the environment of what tests start.
MARK = "TEST_HOME"
_ROOM = 4096  # bytes, for the path of a home
_MAX_REQUEST = 1 << 20  # bytes
_PATIENCE = 270  # seconds
_PR_SET_DUMPABLE = 4
#: Programs, which would run. All else is imported here once, and not by each command.
_NOT_IMPORTED = {"jobrunner.__main__", "jobrunner.demo.analyze"}

#: A user and its groups.
Identity = tuple[int, Sequence[int]]


class Command(NamedTuple):
    """A command that runs."""

    words: list[str]
    pid: int
    answers: TextIO

    def wait(self, patience: float) -> int:
        """Return its exit code, negative for a signal, when it has ended.

        Raises subprocess.TimeoutExpired after `patience` seconds, when it has been killed.
        """
        with self.answers:
            if not select.select([self.answers], [], [], patience)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(self.words, patience)
            return int(self.answers.readline())


def start(
    function: str,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    streams: Sequence[int],
    python: Sequence[str] = (sys.executable,),
    user: Identity | None = None,
    in_group: bool = False,
) -> Command:
    """Start `function` ("MODULE:NAME") in a folder with these words in sys.argv; `streams` are its files 0, 1 and 2.

    `python`: what starts the interpreter. `user`: whom the command is run as, if not as ourselves. `in_group`: whether
    it gets a process group of its own.
    """
    ours, theirs = os.pipe()
    request = json.dumps([function, list(words), dict(environment), str(folder), user, in_group]).encode()
    socket.send_fds(server(*python), [request], [theirs, *streams])
    os.close(theirs)
    answers = open(ours, encoding="ascii")  # noqa: SIM115  (closed by whoever waits)
    return Command(list(words), int(answers.readline()), answers)


def run(
    function: str,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    python: Sequence[str] = (sys.executable,),
    user: Identity | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run such a command until it has ended, and all that has its output open. Raises subprocess.TimeoutExpired."""
    (stdout, its_stdout), (stderr, its_stderr) = os.pipe(), os.pipe()
    with ThreadPoolExecutor(2) as pool, open(os.devnull) as nothing:
        printed = pool.map(_read, (stdout, stderr))
        try:
            streams = (nothing.fileno(), its_stdout, its_stderr)
            command = start(
                function,
                words,
                environment=environment,
                folder=folder or Path.cwd(),
                streams=streams,
                python=python,
                user=user,
            )
        finally:
            os.close(its_stdout)
            os.close(its_stderr)
        return subprocess.CompletedProcess(command.words, command.wait(_PATIENCE), *printed)


def _read(output: int) -> str:
    with open(output, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


@cache
def server(*python: str) -> socket.socket:
    """Start what forks, by the words that start an interpreter; it ends when this process does.

    Commands inherit from it what it inherits now, such as the umask: it is best started before the first test.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [*python, "-P", __file__, str(theirs.fileno())]
    with theirs:
        subprocess.run(words, env=os.environ | {MARK: " " * _ROOM}, pass_fds=[theirs.fileno()], check=True)
    return ours


def _serve(requests: socket.socket) -> None:
    sys.path.append(str(Path(__file__).parents[1]))  # behind the jobrunner of this interpreter
    for module in pkgutil.walk_packages(jobrunner.__path__, "jobrunner."):
        if module.name not in _NOT_IMPORTED:
            with suppress(ImportError):  # an extra
                import_module(module.name)
    gc.collect()
    gc.freeze()  # or the collections of each command would copy all of this
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, tuple[int, int]] = {}  # by the handle of a command: its pid, and where its end is awaited
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                pid, answers = running.pop(ready)
                _, status = os.waitpid(pid, 0)
                _tell(answers, os.waitstatus_to_exitcode(status))
                os.close(answers)
                os.close(ready)
                continue
            request, fds, _, _ = socket.recv_fds(requests, _MAX_REQUEST, 4)
            if not request:
                return
            if not fds:  # no request: a handler writes garbage to all that its guard has inherited of a test
                continue
            answers, *streams = fds
            pid = _start(streams, *json.loads(request))
            _tell(answers, pid)
            handle = os.pidfd_open(pid)
            running[handle] = pid, answers
            poll.register(handle, select.POLLIN)
            for stream in streams:
                os.close(stream)


def _tell(answers: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the test waits for it no more
        os.write(answers, f"{number}\n".encode())


def _start(
    streams: list[int],
    function: str,
    words: list[str],
    environment: dict[str, str],
    folder: str,
    user: Identity | None,
    in_group: bool,
) -> int:
    """Start a command in a fork, and return its pid."""
    pid = os.fork()
    if in_group:
        os.setpgid(pid, pid)  # of the fork, its own: whichever of the two comes first
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        sys.argv = ["jobrunner", *words]
        _command(function, environment, folder, user)
    return pid


def _command(function: str, environment: dict[str, str], folder: str, user: Identity | None) -> None:
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (until the program ends)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    mark = libc.getenv(MARK.encode())  # where /proc/PID/environ reads it
    ctypes.memmove(mark, os.fsencode(environment.get(MARK, "")).ljust(_ROOM, b"\0"), _ROOM)
    needed = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    os.environ.clear()
    os.environ.update(environment | needed)
    os.chdir(folder)
    if user:
        os.setgroups(user[1])
        os.setresgid(user[0], user[0], user[0])
        os.setresuid(user[0], user[0], user[0])
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as of a program that this user has started
    module, _, name = function.partition(":")
    try:
        getattr(import_module(module), name)()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    if os.fork() == 0:  # no child of a process whose tests end all that is below them
        with socket.socket(fileno=int(sys.argv[1])) as ours:
            _serve(ours)
