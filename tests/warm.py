"""Commands in forks of a process that has imported jobrunner: to start an interpreter takes longer than most of them.

A command has its own environment, folder and output, as a program that is started has, but it is no child of ours.
"""

import ctypes
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path

import jobrunner.cli

#: The function that is jobrunner.
JOBRUNNER = "jobrunner.cli.main:main"
#: Names its home in the environment of what tests start.
MARK = "TEST_HOME"
_ROOM = 4096  # bytes, for the path of a home
_MAX_REQUEST = 1 << 20  # bytes


def run(
    function: str, words: Sequence[str], *, environment: Mapping[str, str], patience: float
) -> subprocess.CompletedProcess[str]:
    """Run `function` ("MODULE:NAME") with these words in sys.argv until it has ended, and all that has its output open.

    Raises subprocess.TimeoutExpired after `patience` seconds, when it has been killed.
    """
    pipes = [os.pipe() for _ in ("answers", "stdout", "stderr")]
    request = json.dumps([function, list(words), dict(environment), os.getcwd()]).encode()
    socket.send_fds(_server(), [request], [theirs for _, theirs in pipes])
    for _, theirs in pipes:
        os.close(theirs)
    (ours, _), *outputs = pipes
    with ThreadPoolExecutor(3) as pool, open(ours, encoding="ascii") as answers:
        printed = pool.map(_read, [output for output, _ in outputs])
        pid = int(answers.readline())
        code = pool.submit(answers.readline)
        try:
            return subprocess.CompletedProcess(list(words), int(code.result(patience)), *printed)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(words), patience) from None


def _read(output: int) -> str:
    with open(output, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


@cache
def _server() -> socket.socket:
    """Start what forks; it ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
    environment = os.environ | {MARK: " " * _ROOM}
    with theirs:
        subprocess.run(words, cwd=Path(__file__).parents[1], env=environment, pass_fds=[theirs.fileno()], check=True)
    return ours


def _serve(requests: socket.socket) -> None:
    for module in pkgutil.iter_modules(jobrunner.cli.__path__):
        import_module(f"jobrunner.cli.{module.name}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child
    while True:
        request, fds, _, _ = socket.recv_fds(requests, _MAX_REQUEST, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            answers, stdout, stderr = fds
            _answer(answers, stdout, stderr, *json.loads(request))
        for fd in fds:
            os.close(fd)


def _answer(
    answers: int, stdout: int, stderr: int, function: str, words: list[str], environment: dict[str, str], folder: str
) -> None:
    """Run a command in a fork, and answer with its pid, and its exit code when it has ended."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        for number, output in enumerate((stdout, stderr), 1):
            os.dup2(output, number)
            os.close(output)
        sys.argv = ["jobrunner", *words]
        _command(function, environment, folder)
    os.close(stdout)
    os.close(stderr)
    os.write(answers, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _command(function: str, environment: dict[str, str], folder: str) -> None:
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (until the program ends)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    mark = libc.getenv(MARK.encode())  # where /proc/PID/environ reads it
    ctypes.memmove(mark, os.fsencode(environment[MARK]).ljust(_ROOM, b"\0"), _ROOM)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
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
