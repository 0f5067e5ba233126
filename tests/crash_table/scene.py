"""A home in which processes are killed where a test says, and what must be true of its packages then."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from jobrunner.domain.findings import Kind
from tests import crash_driver, warm
from tests.crash_driver import Kill, encoded
from tests.support import RECEIPT, TestHome, kill, processes_of, wait_until

DRIVER = "tests.crash_driver:main"

DRAIN = ("work", "-n", "1", "--drain")

MEMBERS = {"a.txt": b"1\n", "b/c.txt": b"2\n", "b/e/f.txt": b"3\n", "z.bin": bytes(range(256)) * 600}

BESIDE = {"notes/sender.txt": b"as it came\n", "b/sender.txt": b"in a folder that the zip has, too\n"}

#: Says that it runs (and whether what an earlier run started still lives), then does as the plan says.
HANDLER = """
import os, signal, sys
home, data = os.environ["JOBRUNNER_HOME"], sys.argv[1]
run = os.environ["JOBRUNNER_PACKAGE"] + " " + os.environ["JOBRUNNER_ATTEMPT"]

def lives(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return bool(file.read())
    except OSError:
        return False

def append(file, line):
    with open(os.path.join(home, file), "a") as file:
        file.write(line + "\\n")

with open(os.path.join(home, "started.txt"), "a+") as file:
    file.seek(0)
    beside = any(lives(pid) for pid in file.read().split())
append("ran.txt", run + (" beside an earlier one" if beside else ""))
with open(os.path.join(data, "by.txt"), "x") as file:
    file.write(run)
with open(os.path.join(home, "plan")) as file:
    planned = dict(line.rsplit(" ", 1) for line in file.read().splitlines()).get(run)
if planned in ("wait", "reload"):
    import subprocess  # which takes longer than the interpreter's start
if planned == "wait":
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    append("started.txt", f"{os.getpid()} {child.pid}")
    while True:
        signal.pause()
if planned == "reload":
    with open("jobrunner.toml", "r+") as file:
        text = file.read().replace('"0.01s"', '"0.02s"') + "[work]\\nworkers = 2\\n"
        file.seek(0)
        file.write(text)
    subprocess.run([sys.executable, "-m", "jobrunner", "reload"], check=True)
elif planned == "crash":
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
elif planned:
    sys.exit(int(planned))
os.mkdir(os.path.join(data, "result"))
for name, content in (("result/error.txt", "none"), ("error.txt", "0 errors"), ("b/out.txt", "beside the members")):
    with open(os.path.join(data, name), "x") as file:
        file.write(content)
"""

WRITTEN = {"result/error.txt": b"none", "error.txt": b"0 errors", "b/out.txt": b"beside the members"}

Tree = dict[str, bytes]


def tree_of(folder: Path) -> Tree:
    """The files below a folder, but for the receipt: it says which attempt it was, and when."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != RECEIPT]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def joined(flushed: Path) -> Tree:
    """The sender's files go to those of the zip one by one: what is in one of the two folders or in the other."""
    return tree_of(flushed) | tree_of(flushed.with_name("package"))


@dataclass
class Scene:
    """A home with a handler that keeps to a plan, its deliveries, and what is known of them."""

    home: TestHome
    delivered: dict[str, Tree] = field(default_factory=dict)

    def plan(self, **actions: str | int) -> None:
        """What the handler does, by package_attempt: "wait", "reload" other settings, "crash", or exit with a status.

        All others end well.
        """
        planned = [f"{run.replace('_', ' ')} {action}\n" for run, action in actions.items()]
        (self.home.path / "plan").write_text("".join(planned), "utf-8")

    def deliver(self, name: str = "p", beside: Tree | None = None, *, zip_name: str = "") -> Tree:
        beside = BESIDE if beside is None else beside
        package = self.home.package(name, MEMBERS, beside | {"new each time": secrets.token_bytes(20)})
        (package / f"{name}.zip").rename(package / (zip_name or f"{name}.zip"))
        self.delivered[name] = tree_of(package)
        return self.delivered[name]

    def crash(self, *kills: Kill, words: tuple[str, ...] = DRAIN) -> int:
        """Run a command in which the kills take place; assert that they do, and return how it ended."""
        marks, given = self._killing(kills, words)
        ended = warm.run(DRIVER, given, environment=self.home.environment)
        expected = sorted(f"{number}-{time}" for number, each in enumerate(kills) for time in range(each.times))
        assert sorted(os.listdir(marks)) == expected, f"not killed where it should be: {ended.stderr}"
        wait_until(lambda: not processes_of(self.home))
        self.assert_nothing_is_lost()
        if not any(each.alone for each in kills):
            assert ended.returncode == -signal.SIGKILL, ended.stderr
        return ended.returncode

    def crash_beside(self, kill: Kill, words: tuple[str, ...]) -> None:
        """Run a command that is killed, while others live."""
        _, given = self._killing((kill,), words)
        ended = warm.run(DRIVER, given, environment=self.home.environment)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        self.assert_nothing_is_lost()

    def start_stopping(self, kill: Kill) -> subprocess.Popen[bytes]:
        """Start to drain, and return when a worker has stopped itself."""
        marks, given = self._killing((kill,), DRAIN)
        command = [sys.executable, crash_driver.__file__, *given]
        process = subprocess.Popen(command, env=self.home.environment, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.listdir(marks))
        return process

    def _killing(self, kills: tuple[Kill, ...], words: tuple[str, ...]) -> tuple[Path, list[str]]:
        """Return a folder in which each kill leaves a mark, and the words of a command in which they take place."""
        marks = Path(tempfile.mkdtemp(dir=self.home.path.parent))
        return marks, [encoded(kills), str(marks), "--home", str(self.home.path), *words]

    def restart(self, *words: str, code: int = 0) -> None:
        result = self.home.jobrunner(*(words or ("run", "-n", "1", "--drain")))
        assert result.returncode == code, result.stderr
        self.assert_nothing_is_lost()

    def start_waiting(self, runs: int, *words: str) -> subprocess.Popen[str]:
        """Start a command and return when the handler waits for the `runs`-th time."""
        process = self.home.start(*(words or DRAIN))
        self.wait_for_run(runs)
        return process

    def wait_for_run(self, runs: int) -> None:
        started = self.home.path / "started.txt"
        wait_until(lambda: started.exists() and len(started.read_text("ascii").splitlines()) >= runs)

    def kill_tree(self, supervisor: subprocess.Popen[str]) -> None:
        kill(supervisor.pid)
        supervisor.wait()
        wait_until(lambda: not processes_of(self.home))
        self.assert_nothing_is_lost()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        connection = apsw.Connection(str(self.home.path / "jobrunner.db"), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(10_000)  # who closes it last has it alone for a moment
        connection.row_trace = lambda cursor, values: dict(
            zip([name for name, _ in cursor.getdescription()], values, strict=True)
        )
        try:
            return list(connection.execute(sql))
        finally:
            connection.close()

    def change(self, sql: str) -> None:
        with closing(apsw.Connection(str(self.home.path / "jobrunner.db"))) as connection:
            connection.execute(sql)

    def job(self, name: str = "p") -> dict[str, Any]:
        found = [job for job in self.rows("SELECT * FROM jobs") if job["name"] == name.encode()]
        assert len(found) == 1
        return found[0]

    def outcomes(self, name: str = "p") -> list[str | None]:
        attempts = self.rows("SELECT * FROM attempts ORDER BY job_id, number")
        return [attempt["outcome"] for attempt in attempts if attempt["job_id"] == self.job(name)["id"]]

    def differences(self, *words: str) -> list[Kind]:
        """What kinds of differences a check finds, or leaves."""
        document = json.loads(self.home.jobrunner("check", "--json", *words).stdout)
        return [Kind(each["kind"]) for each in document["differences"]]

    def ran(self) -> list[str]:
        """Package and attempt of each run of the handler."""
        file = self.home.path / "ran.txt"
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def workspaces(self) -> dict[str, list[str]]:
        """What each work folder holds."""
        found = [path for path in self.home.work.iterdir() if path.name not in {".home", ".workers", ".kept"}]
        return {path.name: sorted(os.listdir(path)) for path in found}

    def copies(self, name: str) -> list[Path]:
        """Where a package is that has a whole zip and each of its sender's files."""
        places = [self.home.inbox / name, *self.home.inbox.glob(".jobrunner-taken-*"), self.home.archive / name]
        places += [*self.home.archive.glob(f"{name}~*")]
        places += [place for part in ("package", "copied", "delivered") for place in self.home.work.glob(f"*/{part}")]
        places += [self.home.failed / name, *self.home.failed.glob(f"{name}~*")]
        whole = self.delivered[name].items()
        found = [place for place in places if place.is_dir() and whole <= tree_of(place).items()]
        joining = [place for place in self.home.work.glob("*/flushed") if whole <= joined(place).items()]
        return found + [place for place in joining if place.with_name("package") not in found]

    def assert_nothing_is_lost(self) -> None:
        for name in self.delivered:
            assert self.copies(name), f"{name} is nowhere"

    def assert_untouched(self, place: Path, name: str = "p") -> None:
        """It is there and nowhere else, as it was delivered."""
        assert self.copies(name) == [place]
        assert tree_of(place) == self.delivered[name]

    def processed(self, by: str) -> Tree:
        """What lies in the archive after the handler's run `by` (package and attempt)."""
        return self.delivered[by.split(maxsplit=1)[0]] | MEMBERS | WRITTEN | {"by.txt": by.encode()}

    def assert_archived(self, by: str, *, name: str = "p", left: tuple[str, ...] = ()) -> None:
        """The package is complete in the archive and nowhere else; nothing but `left` is in the inbox."""
        assert self.job(name)["state"] == "done"
        assert tree_of(self.home.archive / name) == self.processed(by)
        assert self.copies(name) == [self.home.archive / name]
        assert sorted(os.listdir(self.home.inbox)) == list(left)
        self.assert_at_rest()

    def assert_failed(self, *, name: str = "p", error: str) -> None:
        """The package is in failed/ as it came, with one error.txt, and nowhere else."""
        job = self.job(name)
        assert (job["state"], job["verdict"] is not None, job["failed_name"]) == ("failed", True, name.encode())
        tree = tree_of(self.home.failed / name)
        ours = tree.pop(job["error_name"]).decode()
        assert error in ours
        assert ours == f"{job['error']}\n"
        assert tree == self.delivered[name]
        assert os.listdir(self.home.failed) == [name]
        assert self.copies(name) == [self.home.failed / name]
        assert os.listdir(self.home.inbox) == []
        self.assert_at_rest()

    def assert_at_rest(self) -> None:
        assert set(os.listdir(self.home.work)) - {".kept"} == {".home", ".workers"}
        assert processes_of(self.home) == []
        assert self.rows("SELECT * FROM workers WHERE ended_at IS NULL") == []
        assert self.rows("SELECT * FROM attempts WHERE ended_at IS NULL") == []
