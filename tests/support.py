"""What tests share: a home on a real folder, packages, the real command line, and waiting for a condition."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from jobrunner.documents.status import status_document
from jobrunner.documents.story import story_document
from jobrunner.domain.envelope import Emit
from jobrunner.domain.explanation import Explanation
from jobrunner.domain.role import Role
from jobrunner.domain.settings import FolderSettings
from jobrunner.domain.settings_file import build
from jobrunner.linux import control_groups
from jobrunner.process import cgroup
from jobrunner.wiring.explaining import explaining
from jobrunner.wiring.home import Home, load_settings, open_home
from tests import background, warm
from tests.warm import MARK

#: Seconds for which tests wait for what comes at once on an idle machine.
PATIENCE = 90.0
#: What lies beside a package in the archive that its sender, its zip and its handler have not made.
RECEIPT = ".jobrunner.json"
JOBRUNNER = [sys.executable, "-m", "jobrunner"]

T = TypeVar("T")


def wait_until(condition: Callable[[], T | Literal[False] | None], patience: float = PATIENCE) -> T:
    """Return the condition's first true value; fail when patience (seconds) is over.

    What takes long to ask is asked less often, so that what it waits for has the processor.
    """
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while True:
        began = time.thread_time()
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so within {patience:g} s: {condition}"
        pause.wait(max(0.01, 3 * (time.thread_time() - began)))


def clean_environment() -> dict[str, str]:
    """The environment without any variable of jobrunner's; `python3` is the interpreter that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNNER_")}
    path = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
    return kept | {"NO_COLOR": "1", "COLUMNS": "100", "PATH": path}


def folder_settings(home: Path, **others: Path) -> FolderSettings:
    """The folders of a home, each at its usual place unless it is among the `others`."""
    given = {name: str(path) for name, path in others.items()}
    return build(home, {"folders": given}, {}, source="a test").folders


class TestHome:
    """A home in a temporary folder, driven through the real command line."""

    __test__ = False

    #: The words that start the interpreter of jobrunner and of handlers.
    python: Sequence[str] = (sys.executable,)
    #: What stands before a command.
    before: Sequence[str] = ()
    #: Whether commands may be forks of a process that has imported jobrunner.
    is_warm = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inbox = path / "inbox"
        self.work = path / "work"
        self.archive = path / "archive"
        self.failed = path / "failed"
        self.logs = path / "logs"
        self.started: list[subprocess.Popen[str]] = []
        path.mkdir(exist_ok=True)
        self.inbox.mkdir(exist_ok=True)

    @property
    def identity(self) -> warm.Identity | None:
        """Whom commands are run as, if not as ourselves."""
        return None

    @property
    def program(self) -> list[str]:
        """The words that start jobrunner."""
        return [*self.before, *self.python, "-m", "jobrunner"]

    @property
    def environment(self) -> dict[str, str]:
        """What commands of this home are started in: by it `processes_of` finds all of their processes."""
        return clean_environment() | {MARK: str(self.path)}

    def configure(self, text: str) -> None:
        (self.path / "jobrunner.toml").write_text(text, "utf-8")

    def handler(self, source: str, **process: str) -> None:
        """Configure a Python script as the handler; further keys of [process] are TOML source, and so is `retry`."""
        (self.path / "handler.py").write_text(source, "utf-8")
        retry = process.pop("retry", 'backoff = "1s"')
        keys = "".join(f"{key} = {value}\n" for key, value in process.items())
        command = json.dumps([*self.python, "-S", "handler.py"])  # without the packages that are installed: faster
        self.configure(f"[process]\ncommand = {command}\n{keys}[retry]\n{retry}\n")

    def package(
        self,
        name: str,
        members: Mapping[str, bytes | str] | None = None,
        beside: Mapping[str, bytes] | None = None,
        *,
        folder: Path | None = None,
    ) -> Path:
        """Deliver a package; `members` are the zip's (one by default), `beside` files of the sender next to the zip."""
        package = (folder or self.inbox) / name
        arriving = package.parent / f".arriving-{len(os.listdir(package.parent))}"
        arriving.mkdir()
        with zipfile.ZipFile(arriving / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in (members if members is not None else {"data.txt": "42\n"}).items():
                archive.writestr(member, content)
        for path, content in (beside or {}).items():
            (arriving / path).parent.mkdir(parents=True, exist_ok=True)
            (arriving / path).write_bytes(content)
        arriving.rename(package)
        return package

    def jobrunner(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end: in a fork that has imported it, unless it is to be started in a way of its own."""
        if self.is_warm and not options and not self.before:
            given = ["--home", str(self.path), *words]
            return warm.run(warm.JOBRUNNER, given, environment=self.environment, python=self.python, user=self.identity)
        environment = self.environment | options.pop("environment", {})
        result: subprocess.CompletedProcess[str] = subprocess.run(
            [*self.program, "--home", str(self.path), *words],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
            text=True,
            errors="surrogateescape",
            env=environment,
            timeout=PATIENCE * 3,
            check=False,
        )
        return result

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the background, in a process group of its own; ended when the test ends."""
        process = self._start(["--home", str(self.path), *words], options)
        self.started.append(process)
        return process

    def _start(self, words: list[str], options: dict[str, Any]) -> subprocess.Popen[str]:
        if self.is_warm and not self.before and options.keys() <= {"stdout", "stderr"}:
            return background.start(
                words,
                environment=self.environment,
                python=self.python,
                user=self.identity,
                **options,
            )
        return subprocess.Popen(
            [*self.program, *words],
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | options,
            text=True,
            env=self.environment,
            process_group=0,
        )

    def status(self) -> dict[str, Any]:
        """What `jobrunner status --json` says, asked in this process: that takes a tenth of the time."""
        with self._open_to_read() as home:
            return status_document(home.report.status())

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.status()["counts"]
        return counts

    def show(self, name: str) -> dict[str, Any]:
        """What `jobrunner show --json NAME` says, asked in this process."""
        with self._open_to_read() as home:
            return story_document(home.report.story(home.report.find(name)))

    def explain(self, name: str) -> Explanation:
        """What `jobrunner explain NAME` knows, asked in this process."""
        with self._open_to_read() as home:
            return explaining(home).explain(name)

    def asked(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The JSON document that a command prints."""
        result = self.jobrunner(*words)
        assert result.returncode == code, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def open(self) -> Home:
        """The services of this home, in this process."""
        return open_home(load_settings(self.path), Emit(Role.COMMAND))

    def _open_to_read(self) -> Home:
        return open_home(load_settings(self.path), Emit(Role.COMMAND), to_read=True)

    def end_all(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            if process.stderr and not process.stderr.closed:
                process.communicate()


def processes_of(home: TestHome) -> list[int]:
    """The living processes that belong to a home: by their environment, or by their command line if they show one."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            environment = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        marks = {os.fsencode(f"{mark}={home.path}") for mark in (MARK, "JOBRUNNER_HOME")}
        if os.fsencode(home.path) in words or marks.intersection(environment.split(b"\0")):
            found.append(int(name))
    return found


#: A zip that has its end, so that it is not waited for, and declares a member that is not there.
BROKEN_ZIP = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + bytes(10)


@contextmanager
def control_group(controller: str = "") -> Iterator[Path]:
    """Make a control group; skip the test where that is impossible. When it is removed, nothing may live in it.

    `controller`: that of a hierarchy of version 1, in place of the one of version 2.
    """
    try:
        made = control_groups.own_group(controller) / f"test-{secrets.token_hex(8)}"
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield made
    wait_until(lambda: cgroup.members(made) == [])
    made.rmdir()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
